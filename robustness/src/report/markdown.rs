//! A report as Markdown.

use super::Report;

/// The report with a table as GitHub reads it.
pub fn text(report: &Report<'_>) -> String {
    let list = |lines: &[String]| {
        let lines: String = lines.iter().map(|line| format!("- {}\n", escaped(line))).collect();
        if lines.is_empty() { lines } else { lines + "\n" }
    };
    let (title, about) = (escaped(&report.title), list(&report.about));
    let findings = list(&report.findings);
    format!("# {title}\n\n{about}{}\n{findings}", table(report)).trim_end().to_owned() + "\n"
}

/// The table alone.
pub fn table(report: &Report<'_>) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let columns = report.table.columns.iter();
    let rule = columns.map(|it| if it.what.is_number() { "---:" } else { "---" });
    let rule = rule.collect::<Vec<_>>().join(" | ");
    let rows: String = report.table.texts().iter().map(|cells| row(cells)).collect();
    format!("{}| {rule} |\n{rows}", row(&report.table.headings()))
}

/// Text that means nothing to Markdown, in one line.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '|' | '*' | '_' | '`' | '~' => safe.extend(['\\', letter]),
            // [a, b] is an interval; only [a](b) is a link.
            '(' if safe.ends_with(']') => safe.push_str("\\("),
            '\n' | '\r' => safe.push(' '),
            _ => safe.push(letter),
        }
    }
    safe
}

//! A report as LaTeX.

use super::Report;

/// A table over as many pages as it takes, for a document with booktabs and longtable.
pub fn text(report: &Report<'_>) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let columns = report.table.columns.iter();
    let columns: String = columns.map(|it| if it.what.is_number() { 'r' } else { 'l' }).collect();
    let about: String =
        report.about.iter().map(|line| format!("% {}\n", line.replace('\n', " "))).collect();
    let caption = [&report.title].into_iter().chain(&report.findings);
    let caption: String = caption.map(|line| escaped(line) + ". ").collect();
    let rows: String = report.table.texts().iter().map(|cells| row(cells)).collect();
    let head = row(&report.table.headings());
    format!(
        "% Needs \\usepackage{{booktabs,longtable}}.\n{about}\
         \\begin{{longtable}}{{@{{}}{columns}@{{}}}}\n\\caption{{{}}} \\\\\n\\toprule\n{head}\\midrule\n\
         \\endhead\n\\bottomrule\n\\endfoot\n{rows}\\end{{longtable}}\n",
        caption.trim_end()
    )
}

/// Text that means nothing to LaTeX, in one line.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', letter]),
            '\\' => safe.push_str("\\textbackslash{}"),
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '<' => safe.push_str("\\textless{}"),
            '>' => safe.push_str("\\textgreater{}"),
            '|' => safe.push_str("\\textbar{}"),
            '"' => safe.push_str("\\symbol{34}"),
            '\n' | '\r' => safe.push(' '),
            _ => safe.push(letter),
        }
    }
    safe
}

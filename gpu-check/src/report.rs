//! What is printed and kept.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use measure::describe_machine;
use program::files;
use program::output::{note, say_all};
use serde_json::{Value, json};
use training::device;

use crate::child::Outcome;
use crate::options::Options;
use crate::parts::Part;
use crate::row::Row;

/// The report of a check, printed and written as it grows.
#[derive(Debug)]
pub struct Report {
    folder: PathBuf,
    header: Vec<(String, String)>,
    text: String,
    parts: Vec<Value>,
    failures: usize,
    printed: Result<()>,
}

impl Report {
    /// Says what is checked.
    pub fn begin(options: &Options) -> Result<Self> {
        let folder = options.out.clone();
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut header = describe_machine();
        header.push(("device".to_owned(), options.device.to_string()));
        header.extend(
            device::cards().map(|cards| ("GPU, driver".to_owned(), cards.replace('\n', "; "))),
        );
        header.push(("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        header.push(("libtorch".to_owned(), device::libtorch_version()));
        if options.quick {
            header.push(("pace".to_owned(), "quick: small sizes, few runs".to_owned()));
        }
        let mut report = Self {
            folder,
            header,
            text: String::new(),
            parts: Vec::new(),
            failures: 0,
            printed: Ok(()),
        };
        let lines: Vec<_> =
            report.header.iter().map(|(name, value)| format!("- {name}: {value}")).collect();
        report.print(&(lines.join("\n") + "\n"));
        Ok(report)
    }

    /// Adds what came of a part.
    pub fn add(&mut self, part: &Part, outcome: &Outcome) -> Result<()> {
        let failed = outcome.rows.iter().filter(|row| row.failure.is_some()).count();
        self.failures += failed + usize::from(outcome.failure.is_some());
        let title = format!("\n## {}: {} ({:.0} s)\n", part.name, part.about, outcome.seconds);
        let failure = outcome.failure.as_ref().map(|why| format!("\nFAILED: {why}\n"));
        let text = format!("{title}\n{}{}", table(&outcome.rows), failure.unwrap_or_default());
        self.print(&text);
        self.parts.push(json!({
            "part": part.name, "seconds": outcome.seconds, "failure": outcome.failure,
            "rows": outcome.rows,
        }));
        self.write()
    }

    /// The last line, and an error if anything failed.
    pub fn finish(self) -> Result<()> {
        note(format_args!("in {}: gpu-check.md, gpu-check.json", self.folder.display()));
        ensure!(self.failures == 0, "{} of all failed; the report says why", self.failures);
        self.printed
    }

    /// What cannot be printed is an error only in the end: the files have it all.
    fn print(&mut self, text: &str) {
        self.text.push_str(text);
        self.printed = std::mem::replace(&mut self.printed, Ok(())).and_then(|()| say_all(text));
    }

    fn write(&self) -> Result<()> {
        let header: serde_json::Map<String, Value> =
            self.header.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let figures = json!({ "header": header, "failures": self.failures, "parts": self.parts });
        for (name, text) in [
            ("gpu-check.md", self.text.clone()),
            ("gpu-check.json", serde_json::to_string_pretty(&figures)? + "\n"),
        ] {
            let path = self.folder.join(name);
            files::write(&path, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Rows below each other, a column for each figure that any of them has.
fn table(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (what, _) in rows.iter().flat_map(|row| &row.figures) {
        if !columns.contains(&what.as_str()) {
            columns.push(what);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let has_notes = rows.iter().any(|row| !remark(row).is_empty());
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut head = vec![String::new()];
    head.extend(columns.iter().map(|&column| column.to_owned()));
    let mut rule = vec!["---".to_owned()];
    rule.extend(columns.iter().map(|_| "---:".to_owned()));
    if has_notes {
        head.push(String::new());
        rule.push("---".to_owned());
    }
    let mut text = line(head) + &line(rule);
    for row in rows {
        let mut cells = vec![row.name.clone()];
        for column in &columns {
            let figure = row.figures.iter().find(|(what, _)| what == column);
            cells.push(figure.map_or(String::new(), |&(_, value)| number(value)));
        }
        if has_notes {
            cells.push(remark(row));
        }
        text += &line(cells);
    }
    text
}

fn remark(row: &Row) -> String {
    match &row.failure {
        Some(why) => format!("FAILED: {}", why.replace('\n', " ")),
        None => row.note.clone(),
    }
}

/// Counts as they are, small errors by their exponent, the rest with three digits.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value}"),
        size if size < 0.01 => format!("{value:.1e}"),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_figure() {
        let rows = [
            Row::new("a").with("ms", 1.234).with("step", 7.0),
            Row::new("b").with("error", 1.5e-7).failing("too much"),
        ];
        assert_eq!(
            table(&rows),
            "|  | ms | step | error |  |\n|---|---:|---:|---:|---|\n\
             | a | 1.23 | 7 |  |  |\n| b |  |  | 1.5e-7 | FAILED: too much |\n"
                .replace("|---|---:|---:|---:|---|", "| --- | ---: | ---: | ---: | --- |")
        );
        assert_eq!(table(&[]), "");
    }
}

//! A report as text.

use std::path::Path;

use program::names::shown;

use super::Report;
use super::row::{Row, Spread};

/// How the table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Columns that line up.
    Terminal,
    /// A table of GitHub's Markdown.
    Markdown,
}

const HEADINGS: [&str; 13] = [
    "task",
    "model",
    "parameters",
    "val",
    "test",
    "chance",
    "S4 papers",
    "samples/s",
    "MiB",
    "device",
    "steps",
    "seeds",
    "run",
];
/// Columns of words begin where their headings do, columns of numbers end there.
const WORDS: [&str; 4] = ["task", "model", "device", "run"];

/// The report as a table, with a line below it for each average.
pub fn render(report: &Report, style: Style) -> String {
    let cell = |text: String| {
        let text = shown(Path::new(&text));
        if style == Style::Markdown { text.replace('|', "\\|") } else { text }
    };
    let row = |row: &Row| -> Vec<String> { cells(row).into_iter().map(cell).collect() };
    let rows: Vec<_> = report.experiments.iter().map(row).collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADINGS[column].len(), 3]).max().unwrap_or(0)
        })
        .collect();
    let headings = HEADINGS.map(str::to_owned);
    let mut text = line(&headings, &widths, style);
    if style == Style::Markdown {
        let rules = HEADINGS.iter().zip(&widths).map(|(heading, &width)| {
            let dashes = "-".repeat(width - 1);
            if WORDS.contains(heading) { format!("{dashes}-") } else { format!("{dashes}:") }
        });
        text += &line(&rules.collect::<Vec<_>>(), &widths, style);
    }
    for row in &rows {
        text += &line(row, &widths, style);
    }
    for average in &report.lra_average {
        let paper = average
            .paper
            .map_or_else(String::new, |paper| format!(" (S4 in the papers: {})", percent(paper)));
        text += &format!(
            "\nLRA average of {}, six tasks: {}{paper}\n",
            average.model,
            percent(average.test)
        );
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.0}"));
    let share = |value: Option<f64>| value.map_or_else(dash, percent);
    let state = row.state();
    let place = row.place();
    vec![
        row.task.clone(),
        format!("{} {} x {}", row.model, row.layers, row.width),
        row.parameters.map_or_else(dash, |count| count.to_string()),
        row.val.map_or_else(dash, spread),
        row.test.map_or_else(dash, spread),
        share(row.chance),
        share(row.paper),
        number(row.samples_per_s),
        number(row.peak_mib),
        row.device.clone().unwrap_or_else(dash),
        number(row.steps),
        row.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
        if state.is_empty() { place } else { format!("{place} ({state})") },
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

fn spread(spread: Spread) -> String {
    match spread.standard_deviation {
        None => percent(spread.mean),
        Some(deviation) => format!("{:.2} ± {:.2}%", 100.0 * spread.mean, 100.0 * deviation),
    }
}

fn line(cells: &[String], widths: &[usize], style: Style) -> String {
    let padded = cells.iter().zip(widths).zip(HEADINGS).map(|((cell, &width), heading)| {
        if WORDS.contains(&heading) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    let padded: Vec<String> = padded.collect();
    match style {
        Style::Terminal => format!("{}\n", padded.join("  ").trim_end()),
        Style::Markdown => format!("| {} |\n", padded.join(" | ")),
    }
}

//! A report as text.

use std::path::Path;

use datasets::metric::{Better, Metric, Unit};
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

const HEADINGS: [&str; 16] = [
    "task",
    "data",
    "examples",
    "model",
    "parameters",
    "metric",
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
const WORDS: [&str; 6] = ["task", "data", "model", "metric", "device", "run"];

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
            .map_or_else(String::new, |paper| format!(" (S4 in the papers: {})", share(paper)));
        text += &format!(
            "\nLRA average of {}, six tasks: {}{paper}\n",
            average.model,
            share(average.test)
        );
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.0}"));
    let metric = &row.metric;
    let state = row.state();
    let place = row.place();
    vec![
        match row.program {
            "lra-bench" => row.task.clone(),
            other => format!("{} ({other})", row.task),
        },
        if row.data.is_empty() { dash() } else { row.data.clone() },
        row.train_samples.map_or_else(dash, |count| count.to_string()),
        format!("{} {} x {}", row.model, row.layers, row.width),
        row.parameters.map_or_else(dash, |count| count.to_string()),
        format!("{} {}", metric.name.replace('_', " "), arrow(metric.better)),
        row.val.map_or_else(dash, |val| spread(metric, val)),
        row.test.map_or_else(dash, |test| spread(metric, test)),
        row.chance.map_or_else(dash, share),
        row.paper.map_or_else(dash, |paper| metric.show(paper)),
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

/// Which way a metric improves.
fn arrow(better: Better) -> char {
    match better {
        Better::Higher => '↑',
        Better::Lower => '↓',
    }
}

fn share(share: f64) -> String {
    Metric::ACCURACY.show(share)
}

fn spread(metric: &Metric, spread: Spread) -> String {
    let Spread { mean, standard_deviation, .. } = spread;
    match (standard_deviation, metric.unit) {
        (None, _) => metric.show(mean),
        (Some(deviation), Unit::Percent) => {
            format!("{:.2} ± {:.2}%", 100.0 * mean, 100.0 * deviation)
        }
        (Some(deviation), Unit::Plain(unit)) => {
            format!("{mean:.4} ± {deviation:.4} {unit}").trim_end().to_owned()
        }
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

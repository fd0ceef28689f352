//! A matrix as text and as curves.

use anyhow::Result;
use report::chart::{Chart, Series};

use super::matrix::Row;
use crate::report::row::Spread;
use crate::report::table::Style;

const HEADINGS: [&str; 11] = [
    "base",
    "task",
    "way",
    "share",
    "mean",
    "deviation",
    "seeds",
    "trained",
    "steps",
    "seconds",
    "stored",
];
const FORGETTING: &str = "base's loss";

/// The rows as a table; what is not finished yet is a dash.
pub fn render(rows: &[Row], style: Style) -> String {
    let headings: Vec<String> =
        HEADINGS.into_iter().chain([FORGETTING]).map(str::to_owned).collect();
    let cells: Vec<Vec<String>> = std::iter::once(headings).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> = (0..=HEADINGS.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        match style {
            Style::Terminal => text += padded.join("  ").trim_end(),
            Style::Markdown => text += &format!("| {} |", padded.join(" | ")),
        }
        text.push('\n');
        if number == 0 && style == Style::Markdown {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text += &format!("| {} |\n", rules.join(" | "));
        }
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let dash = || "-".to_owned();
    let mean = |of: &dyn Fn(&super::Finished) -> f64| -> Option<f64> {
        Spread::of(&row.seeds.iter().map(of).collect::<Vec<_>>()).map(|spread| spread.mean)
    };
    let show = |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or_else(dash, text);
    let whole = |value: f64| format!("{value:.0}");
    let seeds: Vec<String> = row.seeds.iter().map(|seed| row.metric.show(seed.test)).collect();
    let losses: Vec<_> = row.seeds.iter().filter_map(|seed| seed.forgetting).collect();
    let loss = |of: &dyn Fn(&super::Forgetting) -> f64| {
        Spread::of(&losses.iter().map(of).collect::<Vec<_>>()).map(|spread| spread.mean)
    };
    let forgetting = match (loss(&|loss| loss.before), loss(&|loss| loss.after)) {
        (Some(before), Some(after)) => format!("{before:.4} -> {after:.4}"),
        _ => dash(),
    };
    vec![
        row.base.clone(),
        row.task.clone(),
        row.way.clone(),
        format!("{}%", 100.0 * row.fraction),
        show(row.test.map(|test| test.mean), &|value| row.metric.show(value)),
        show(row.test.and_then(|test| test.standard_deviation), &|value| row.metric.show(value)),
        if seeds.is_empty() { dash() } else { seeds.join(" ") },
        show(mean(&|seed| seed.trained as f64), &whole),
        show(mean(&|seed| seed.steps as f64), &whole),
        show(mean(&|seed| seed.seconds), &|value| format!("{value:.1}")),
        show(mean(&|seed| seed.bytes as f64 / 1024.0), &|value| format!("{value:.1} KiB")),
        forgetting,
    ]
}

/// The mean by share of the examples, a line for each way of `task`; `None` with fewer than two shares.
///
/// # Errors
/// If it cannot be drawn.
pub fn chart(rows: &[Row], task: &str) -> Result<Option<String>> {
    let mut series: Vec<Series> = Vec::new();
    let Some(first) = rows.iter().find(|row| row.task == task) else { return Ok(None) };
    for row in rows.iter().filter(|row| row.task == task) {
        let Some(test) = row.test else { continue };
        let name = format!("{}, {}", row.base, row.way);
        let point = (row.fraction.log10(), test.mean);
        match series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => series.push(Series { name, points: vec![point], ..Series::default() }),
        }
    }
    if series.iter().all(|series| series.points.len() < 2) {
        return Ok(None);
    }
    let chart = Chart {
        title: task.to_owned(),
        x_label: "share of the training examples, log10".to_owned(),
        y_label: first.metric.name.to_owned(),
        series,
        ..Chart::default()
    };
    chart.to_svg().map(Some)
}

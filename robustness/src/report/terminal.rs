//! Results as text in columns.

use std::fmt::Write;

use crate::compare::Comparison;
use crate::probe::Probe;
use crate::results::{Figure, Results, Row};
use crate::slice::Idiom;

/// Cells of the widest bar.
const BAR: usize = 16;

/// A table of all slices.
pub fn table(results: &Results) -> String {
    let Results { about, metric, suite, .. } = results;
    let mut text = format!(
        "{}  step {}  {}\nsuite {}: {}\n\n",
        about.run.display(),
        about.step,
        about.data,
        suite.name,
        results.drawn
    );
    let widest = results.rows.iter().map(|row| label(row).chars().count()).max().unwrap_or(0);
    let heading = format!("{} [95%]", metric.name);
    let _ = writeln!(
        text,
        "{:widest$}  {:>6}  {heading:<23}  {:BAR$}  {:>8}  {:>8}  notes",
        "slice", "n", "", "change", "p (Holm)"
    );
    let mut idiom = None;
    for row in &results.rows {
        if idiom.replace(row.slice.idiom).is_some_and(|last| last != row.slice.idiom) {
            text.push('\n');
        }
        line(&mut text, row, metric, widest);
    }
    text.push('\n');
    if let Some((row, score)) = results.worst_group().and_then(|row| Some((row, row.score?))) {
        let _ = writeln!(
            text,
            "worst group: {}, {} [{}, {}] of {}",
            row.slice.name,
            metric.show(score.value),
            metric.show(score.interval.low),
            metric.show(score.interval.high),
            row.slice.members.len()
        );
    }
    if let Some(mce) = results.mce(None) {
        let _ = writeln!(
            text,
            "mean error over {} transformations: {}, {} of it beyond the clean error",
            mce.transformations,
            metric.show(mce.mce),
            metric.show(mce.relative)
        );
    }
    for probe in &results.probes {
        let Probe { name, strength, figure, estimate, count, note } = probe;
        let (value, low, high) = (estimate.value, estimate.interval.low, estimate.interval.high);
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        let _ = writeln!(
            text,
            "{name} ({strength}): {value:.3} [{low:.3}, {high:.3}] {figure}, of {count}{note}"
        );
    }
    for warning in &results.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

/// What a row is called.
pub fn label(row: &Row) -> String {
    let severity = row.slice.severity.map(|severity| format!(" {severity}"));
    let strength = row.slice.strength.as_ref().map(|strength| format!(" ({strength})"));
    format!("{}{}{}", row.slice.name, severity.unwrap_or_default(), strength.unwrap_or_default())
}

/// What is to be said of a row beside its figures.
pub fn notes(row: &Row) -> String {
    let mut notes = Vec::new();
    if row.slice.members.is_empty() {
        notes.push("empty".to_owned());
    }
    if !row.unchanged.is_empty() {
        notes.push(format!("{} unchanged", row.unchanged.len()));
    }
    if let Some(first) = row.failed.first() {
        notes.push(format!("{} failed: {}", row.failed.len(), first.reason));
    }
    notes.extend(row.attack.as_ref().map(ToString::to_string));
    notes.join("; ")
}

fn line(text: &mut String, row: &Row, metric: &Figure, widest: usize) {
    let score = row.score.map_or_else(String::new, |score| {
        let (low, high) = (metric.show(score.interval.low), metric.show(score.interval.high));
        format!("{:>7} [{low}, {high}]", metric.show(score.value))
    });
    let bar = match row.score {
        Some(score) if metric.share => "█".repeat((score.value * BAR as f64).round() as usize),
        _ => String::new(),
    };
    let (change, p) = match row.change {
        Some(change) if row.slice.idiom != Idiom::Clean => {
            (metric.show_change(change.estimate.value), format!("{:.3}", change.p_holm))
        }
        _ => (String::new(), String::new()),
    };
    let count = row.slice.members.len();
    let written = format!(
        "{:widest$}  {count:>6}  {score:<23}  {bar:BAR$}  {change:>8}  {p:>8}  {}",
        label(row),
        notes(row)
    );
    text.push_str(written.trim_end());
    text.push('\n');
}

/// Two models side by side.
pub fn comparison(comparison: &Comparison) -> String {
    let metric = &comparison.metric;
    let name = |row: &crate::compare::Row| row.slice.identifier();
    let widest = comparison.rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{:widest$}  {:>6}  {:>8}  {:>8}  {:>8}  {:<18}  {:>8}\n",
        "slice", "n", "A", "B", "B - A", "95%", "p (Holm)"
    );
    for row in &comparison.rows {
        let estimate = row.change.estimate;
        let mark = match (row.is_regression(metric), row.is_improvement(metric)) {
            (true, _) => "  worse",
            (_, true) => "  better",
            _ => "",
        };
        let interval = format!(
            "[{}, {}]",
            metric.show_change(estimate.interval.low),
            metric.show_change(estimate.interval.high)
        );
        let _ = writeln!(
            text,
            "{:widest$}  {:>6}  {:>8}  {:>8}  {:>8}  {interval:<18}  {:>8.3}{mark}",
            name(row),
            row.slice.members.len(),
            metric.show(row.a),
            metric.show(row.b),
            metric.show_change(estimate.value),
            row.change.p_holm
        );
    }
    if !comparison.unmatched.is_empty() {
        let _ = writeln!(text, "\nonly one has: {}", comparison.unmatched.join(", "));
    }
    text
}

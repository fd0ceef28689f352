//! A report as a page: one HTML file, which needs nothing else.

use anyhow::Result;
use report::cell;
use report::interval::Interval;
use report::page::{Fold, Page, Part};

use super::table::{Cell, Table, What};
use super::{Report, curves, examples, names};
use crate::results::Results;

/// The page of a report, with curves, distributions and examples of the `results` that it is of.
///
/// # Errors
/// If a chart cannot be laid out.
pub fn page(report: &Report<'_>, results: &[Results]) -> Result<String> {
    let mut page = Page::new(&report.title);
    for lines in [&report.about, &report.findings].into_iter().filter(|it| !it.is_empty()) {
        page.add(Part::List(lines.clone()));
    }
    page.add(Part::Heading("Slices".to_owned()));
    page.add(slices(&report.table));
    let charts = curves::charts(results)?;
    if !charts.is_empty() {
        page.add(Part::Heading("Over severity".to_owned()));
        page.add(Part::Text(
            "Severity 0 is the clean examples. Upright lines are 95% intervals.".to_owned(),
        ));
        page.add(Part::Figures(charts));
    }
    for (name, one) in names(results).iter().zip(results) {
        let parts = [
            ("Classes", classes(one)),
            ("Examples that flip", flips(one)),
            ("Left out", left_out(one)),
            ("Suite", vec![Part::Code(toml::to_string(&one.suite)?)]),
        ];
        for (heading, parts) in parts.into_iter().filter(|(_, parts)| !parts.is_empty()) {
            let whose = if results.len() > 1 { format!(": {name}") } else { String::new() };
            page.add(Part::Heading(format!("{heading}{whose}")));
            parts.into_iter().for_each(|part| page.add(part));
        }
    }
    Ok(page.to_html())
}

/// The table, with bars beside the figures of one model.
fn slices(table: &Table<'_>) -> Part {
    let scale = table.scale();
    let has_bar = |what: What| what == What::Score && table.has_bars();
    let headings = table.columns.iter().zip(table.headings()).flat_map(|(column, heading)| {
        [Some(heading), has_bar(column.what).then(String::new)].into_iter().flatten()
    });
    let rows = table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(row).flat_map(|(column, cell)| {
            let text = cell.text(table.figure);
            let shown = match cell {
                Cell::Change(Some(change)) => {
                    cell::Cell::Difference(text, change.judgement(table.figure))
                }
                _ if column.what.is_number() => cell::Cell::Number(text),
                _ => cell::Cell::Text(text),
            };
            let bar = match cell {
                Cell::Score(Some(score)) => {
                    let Interval { low, high } = score.interval;
                    let interval = Interval { low: low / scale, high: high / scale };
                    cell::Cell::Bar { value: score.value / scale, interval }
                }
                _ => cell::Cell::Text(String::new()),
            };
            [Some(shown), has_bar(column.what).then_some(bar)].into_iter().flatten()
        });
        cells.collect()
    });
    Part::Table(headings.collect(), rows.collect())
}

/// Which classes the examples of each slice have, and which the model says that they have.
fn classes(results: &Results) -> Vec<Part> {
    let classes = &results.about.classes;
    if classes.is_empty() {
        return Vec::new();
    }
    let table = |each: &[Vec<usize>]| {
        let headings = ["slice".to_owned()].into_iter().chain(classes.iter().cloned());
        let rows = results.rows.iter().zip(each).map(|(row, counts)| {
            let total = counts.iter().sum::<usize>() as f64;
            let heat = counts.iter().map(|&count| {
                let share = count as f64 / total;
                let text =
                    if total > 0.0 { format!("{:.0}%", 100.0 * share) } else { String::new() };
                cell::Cell::Heat(share, text)
            });
            [cell::Cell::Text(row.slice.identifier())].into_iter().chain(heat).collect()
        });
        vec![Part::Table(headings.collect(), rows.collect())]
    };
    let each = results.rows.iter().map(|row| row.distributions(classes.len()));
    let (right, says): (Vec<_>, Vec<_>) = each.unzip();
    let says_heading = "What the model says, as shares of each slice".to_owned();
    vec![
        Part::Details(says_heading, Fold::Open, table(&says)),
        Part::Details("What is right, likewise".to_owned(), Fold::Closed, table(&right)),
    ]
}

/// The first kind of change open, the others to be opened.
fn flips(results: &Results) -> Vec<Part> {
    let folds = [Fold::Open].into_iter().chain(std::iter::repeat(Fold::Closed));
    let each = examples::flipped(results).into_iter().zip(folds);
    each.map(|(it, fold)| Part::Details(it.slice, fold, vec![Part::Pairs(it.pairs)])).collect()
}

/// What could not be changed or judged.
fn left_out(results: &Results) -> Vec<Part> {
    let rows: Vec<Vec<cell::Cell>> = results
        .rows
        .iter()
        .flat_map(|row| row.failed.iter().map(move |failure| (row, failure)))
        .map(|(row, failure)| {
            let slice = cell::Cell::Text(row.slice.identifier());
            let example = cell::Cell::Number(failure.example.to_string());
            vec![slice, example, cell::Cell::Text(failure.reason.clone())]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let headings = ["slice", "example", "reason"].map(str::to_owned).to_vec();
    let summary = format!("{} examples failed", rows.len());
    vec![Part::Details(summary, Fold::Closed, vec![Part::Table(headings, rows)])]
}

//! A report as CSV: numbers as they are, a column each.

use anyhow::{Context, Result};
use report::cell::Judgement;

use super::Report;
use super::table::{Cell, Column, What};
use crate::results::{Estimate, Figure};

/// The table. Shares are between 0 and 1.
///
/// # Errors
/// If it cannot be written.
pub fn text(report: &Report<'_>) -> Result<String> {
    let table = &report.table;
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(table.columns.iter().flat_map(|column| names(column, table.figure)))?;
    for row in &table.rows {
        csv.write_record(row.iter().flat_map(|cell| fields(cell, table.figure)))?;
    }
    let bytes = csv.into_inner().context("the table as CSV")?;
    String::from_utf8(bytes).context("the table as CSV")
}

/// The names of a column's fields.
fn names(column: &Column, figure: &Figure) -> Vec<String> {
    let figure = &figure.name;
    let (low, high) = (format!("{figure}_low"), format!("{figure}_high"));
    let names: &[&str] = match column.what {
        What::Slice => &["slice", "idiom", "name", "severity", "strength", "effect"],
        What::Count => &["n"],
        What::Score => &[figure, &low, &high],
        What::Mean => &[figure],
        What::Change => &["change", "change_low", "change_high", "significant"],
        What::P => &["p", "p_holm"],
        What::Notes => &["unchanged", "failed", "reason"],
    };
    let prefix = if column.model.is_empty() { String::new() } else { format!("{} ", column.model) };
    names.iter().map(|name| format!("{prefix}{name}")).collect()
}

fn fields(cell: &Cell<'_>, figure: &Figure) -> Vec<String> {
    let estimate =
        |it: Estimate| [it.value, it.interval.low, it.interval.high].map(|it| it.to_string());
    match cell {
        Cell::Slice(slice) => vec![
            slice.identifier(),
            slice.idiom.to_string(),
            slice.name.clone(),
            shown(slice.severity),
            slice.strength.clone().unwrap_or_default(),
            shown(slice.effect),
        ],
        Cell::Count(count) => vec![shown(*count)],
        Cell::Score(score) => score.map_or_else(|| empty(3), |it| estimate(it).to_vec()),
        Cell::Mean(value) => vec![value.to_string()],
        Cell::Change(change) => change.map_or_else(
            || empty(4),
            |it| {
                let judgement = match it.judgement(figure) {
                    Some(Judgement::Better) => "better",
                    Some(Judgement::Worse) => "worse",
                    None => "no",
                };
                estimate(it.estimate).into_iter().chain([judgement.to_owned()]).collect()
            },
        ),
        Cell::P(change) => {
            change.map_or_else(|| empty(2), |it| vec![it.p.to_string(), it.p_holm.to_string()])
        }
        Cell::Notes(row) => row.map_or_else(
            || empty(3),
            |row| {
                let reason = row.failed.first().map(|it| it.reason.clone()).unwrap_or_default();
                vec![row.unchanged.len().to_string(), row.failed.len().to_string(), reason]
            },
        ),
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn empty(count: usize) -> Vec<String> {
    vec![String::new(); count]
}

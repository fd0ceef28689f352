//! Series: their errors on the scale of standardised values, as papers have them.
//!
//! JSON: `mse` and `mae` are means over all windows, steps and columns; with quantiles `pinball` and
//! `coverage`, the share of values between the outermost; `columns` has the errors of each column, beside
//! `mae_in_units`; `mse_by_step` those of each step.

use anyhow::{Context, Result};
use datasets::shape::Series;
use serde_json::{Map, json};
use tch::Tensor;
use training::evaluate::Evaluation;

use super::Found;
use crate::metrics::series::{Error, Errors};
use crate::number::brief;

/// Columns that are printed.
const SHOWN: usize = 12;
/// Parts of the steps that are printed.
const PARTS: usize = 4;

pub(in crate::cli) fn found(
    series: &Series,
    evaluation: &Evaluation,
    rows: &Tensor,
) -> Result<Found> {
    let errors = Errors::read(series, rows)?;
    let figure = |name: &str| evaluation.get(name).context("a series is judged by its errors");
    let (mse, mae) = (figure("mse")?, figure("mae")?);
    let mut headline = format!("mse {mse:.4}, mae {mae:.4}");
    let mut json = Map::new();
    for name in ["mse", "mae", "pinball", "coverage"] {
        if let Some(figure) = evaluation.get(name) {
            json.insert(name.to_owned(), json!(figure));
        }
    }
    if let Some((low, high)) = series.quantiles.first().zip(series.quantiles.last())
        && series.quantiles.len() > 1
    {
        let share = figure("coverage")?;
        headline += &format!(
            ", {:.1}% between the quantiles {low} and {high}, which are {:.1}% apart",
            100.0 * share,
            100.0 * (high - low)
        );
    }
    let units = |at: usize, error: &Error| error.mae * series.quantities[at].std;
    let columns = errors.quantities.iter().enumerate().map(|(at, error)| {
        let name = &series.quantities[at].name;
        json!({ "name": name, "mse": error.mse, "mae": error.mae, "mae_in_units": units(at, error) })
    });
    json.insert("columns".to_owned(), columns.collect());
    let by_step: Vec<f64> = errors.steps.iter().map(|error| error.mse).collect();
    json.insert("mse_by_step".to_owned(), json!(by_step));
    Ok(Found {
        headline,
        of: "windows",
        details: details(series, &errors),
        json,
        predictions: records(&errors),
    })
}

fn details(series: &Series, errors: &Errors) -> String {
    let name = |at: usize| series.quantities[at].name.as_str();
    let shown = errors.quantities.len().min(SHOWN);
    let width = (0..shown).map(|at| name(at).chars().count()).max().unwrap_or(0).max(12);
    let mut text =
        format!("\n{:<width$}  {:>8}  {:>8}  {:>12}\n", "column", "mse", "mae", "mae in units");
    for (at, Error { mse, mae }) in errors.quantities.iter().enumerate().take(shown) {
        let units = brief(mae * series.quantities[at].std);
        text += &format!("{:<width$}  {mse:>8.4}  {mae:>8.4}  {units:>12}\n", name(at));
    }
    if errors.quantities.len() > shown {
        text += &format!("and {} more columns\n", errors.quantities.len() - shown);
    }
    text += &format!("\n{:<width$}  {:>8}  {:>8}\n", "steps", "mse", "mae");
    let part = errors.steps.len().div_ceil(PARTS);
    for (number, steps) in errors.steps.chunks(part).enumerate() {
        let first = number * part + 1;
        let mean = |of: fn(&Error) -> f64| steps.iter().map(of).sum::<f64>() / steps.len() as f64;
        let words = format!("{first} to {}", first + steps.len() - 1);
        let (mse, mae) = (mean(|error| error.mse), mean(|error| error.mae));
        text += &format!("{words:<width$}  {mse:>8.4}  {mae:>8.4}\n");
    }
    text
}

fn records(errors: &Errors) -> Vec<Vec<String>> {
    let heading = ["example", "mse", "mae"].map(str::to_owned).to_vec();
    let record = |(number, error): (usize, &Error)| {
        vec![number.to_string(), error.mse.to_string(), error.mae.to_string()]
    };
    [heading].into_iter().chain(errors.each.iter().enumerate().map(record)).collect()
}

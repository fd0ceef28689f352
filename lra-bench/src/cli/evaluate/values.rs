//! Values: their errors, beside those of always guessing the mean of the training examples.
//!
//! JSON: `mae`, `rmse` and `r2` are means over the `targets`, each of which has its own, and those of
//! the guess in `training_mean`; `r2` is null where all examples have one value.

use anyhow::Result;
use datasets::batch::Label;
use datasets::shape::Quantity;
use datasets::split::Split;
use serde::Serialize;
use serde_json::{Map, json};
use tch::Tensor;

use super::{Found, example};
use crate::metrics::errors::{Errors, Estimate};
use crate::metrics::gather;
use crate::number::brief;

/// What came of one target.
#[derive(Serialize)]
struct OfTarget<'a> {
    name: &'a str,
    #[serde(flatten)]
    errors: Errors,
    training_mean: Guess,
}

/// What comes of saying this of every example.
#[derive(Serialize)]
struct Guess {
    value: f64,
    #[serde(flatten)]
    errors: Errors,
}

pub(super) fn found(quantities: &[Quantity], outputs: &Tensor, data: &Split) -> Result<Found> {
    let estimates = gather::read_values(outputs, quantities)?;
    let each = Errors::of_each(quantities, &estimates);
    let Errors { mae, rmse, r2 } = Errors::mean(&each);
    let targets: Vec<OfTarget> = quantities
        .iter()
        .zip(each)
        .enumerate()
        .map(|(column, (quantity, errors))| {
            let value = quantity.mean;
            let pairs: Vec<_> = estimates.iter().map(|one| (one.targets[column], value)).collect();
            let training_mean = Guess { value, errors: Errors::of(&pairs) };
            OfTarget { name: &quantity.name, errors, training_mean }
        })
        .collect();
    let headline = match &targets[..] {
        [_] => format!("rmse {}", brief(rmse)),
        _ => format!("r2 {}", of_r2(r2)),
    };
    let json = [
        ("mae", json!(mae)),
        ("rmse", json!(rmse)),
        ("r2", json!(r2)),
        ("targets", json!(targets)),
    ];
    Ok(Found {
        headline,
        details: format!("\n{}", table(&targets)),
        json: json.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
        of: "examples",
        predictions: records(&estimates, quantities, data)?,
    })
}

fn of_r2(r2: Option<f64>) -> String {
    r2.map_or_else(|| "-".to_owned(), |r2| format!("{r2:.4}"))
}

/// The errors of each target, and below those of its mean.
fn table(targets: &[OfTarget]) -> String {
    const MEAN: &str = "training mean";
    let names = targets.iter().map(|of| of.name.chars().count());
    let width = names.chain([MEAN.len()]).max().unwrap_or(0);
    let mut text = format!("{:<width$}  {:>11}  {:>11}  {:>8}\n", "", "mae", "rmse", "r2");
    for of in targets {
        for (name, errors) in [(of.name, of.errors), (MEAN, of.training_mean.errors)] {
            let (mae, rmse, r2) = (brief(errors.mae), brief(errors.rmse), of_r2(errors.r2));
            text += &format!("{name:<width$}  {mae:>11}  {rmse:>11}  {r2:>8}\n");
        }
    }
    text
}

fn records(
    estimates: &[Estimate],
    quantities: &[Quantity],
    data: &Split,
) -> Result<Vec<Vec<String>>> {
    let mut records = vec![["example", "file"].map(str::to_owned).to_vec()];
    for Quantity { name, .. } in quantities {
        records[0].extend([format!("target {name}"), format!("prediction {name}")]);
    }
    for estimate in estimates {
        let mut record = example(estimate.index, data).to_vec();
        // As exactly as the data has them.
        let targets = match data.label(estimate.index)? {
            Label::Values(targets) => targets,
            _ => estimate.targets.clone(),
        };
        for (target, value) in targets.iter().zip(&estimate.values) {
            record.extend([target, value].map(f64::to_string));
        }
        records.push(record);
    }
    Ok(records)
}

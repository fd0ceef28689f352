//! Tokens at the last positions: how many are right, each of which counts the same.
//!
//! JSON: `accuracy` is the share of tokens, `whole` that of sequences all of whose tokens are right.

use anyhow::{Context, Result};
use datasets::metric::Metric;
use serde_json::json;
use tch::Tensor;
use training::evaluate::Evaluation;

use super::Found;
use crate::metrics::gather;

pub(super) fn found(positions: usize, evaluation: &Evaluation, outputs: &Tensor) -> Result<Found> {
    let metric = Metric::ACCURACY;
    let accuracy = evaluation.get(metric.name).context("there is no accuracy")?;
    let rows = gather::host(outputs)?;
    let is_whole = |row: &&Vec<f64>| row[1] == positions as f64;
    let whole = rows.iter().filter(is_whole).count() as f64 / rows.len() as f64;
    let heading = ["example", "tokens", "right", "nats"].map(str::to_owned).to_vec();
    let each = rows.iter().enumerate().map(|(index, row)| {
        [index as f64, positions as f64, row[1], row[0]].map(|x| x.to_string()).to_vec()
    });
    let json = [(metric.name, json!(accuracy)), ("whole", json!(whole))];
    Ok(Found {
        headline: format!("accuracy {}", metric.show(accuracy)),
        of: "tokens",
        details: format!("all tokens of a sequence are right in {}\n", metric.show(whole)),
        json: json.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        predictions: [heading].into_iter().chain(each).collect(),
    })
}

//! The next token: what it costs, over every token, each of which counts the same.
//!
//! JSON: `loss` is the mean negative log-likelihood in nats; the task's metric stands under its name;
//! `apart` has both of windows that begin without a state, where the state is carried, or is null.

use anyhow::{Context, Result};
use datasets::metric::Metric;
use serde_json::{Map, json};
use tch::Tensor;
use training::evaluate::Evaluation;

use super::Found;
use crate::metrics::gather;

pub(super) fn found(
    metric: &Metric,
    evaluation: &Evaluation,
    apart: Option<&Evaluation>,
    outputs: &Tensor,
) -> Result<Found> {
    let figure = |evaluation: &Evaluation| {
        evaluation.get(metric.name).with_context(|| format!("there is no {}", metric.name))
    };
    let words = metric.name.replace('_', " ");
    let mut headline = format!("{words} {}", metric.show(figure(evaluation)?));
    let mut details = String::new();
    let mut without = json!(null);
    if let Some(apart) = apart {
        let of = figure(apart)?;
        headline += " with the state carried";
        details = format!(
            "each window without what came before: {words} {} (loss {:.4})\n",
            metric.show(of),
            apart.loss
        );
        without = json!({ "loss": apart.loss, metric.name: of });
    }
    let json = [(metric.name, json!(figure(evaluation)?)), ("apart", without)];
    let heading = ["window", "tokens", "nats"].map(str::to_owned).to_vec();
    let rows = gather::host(outputs)?.into_iter().enumerate();
    let rows =
        rows.map(|(window, row)| [window as f64, row[1], row[0]].map(|x| x.to_string()).to_vec());
    Ok(Found {
        headline,
        of: "tokens",
        details,
        json: json.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
        predictions: [heading].into_iter().chain(rows).collect(),
    })
}

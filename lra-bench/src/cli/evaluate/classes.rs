//! Classes: accuracy, confusion, calibration.
//!
//! JSON: rows of `confusion_matrix` are classes, columns what they were taken for, both in the order
//! of `classes`; `class_accuracy` is null where a class has no examples; `accuracy_by_length` is
//! empty where all examples are of one length.

use anyhow::{Context, Result};
use datasets::split::Split;
use serde_json::{Map, json};
use tch::Tensor;
use training::evaluate::Evaluation;

use super::{Found, example};
use crate::metrics::by_length::{self, by_length};
use crate::metrics::calibration::{BINS, expected_calibration_error};
use crate::metrics::confusion::Confusion;
use crate::metrics::{Prediction, gather, softmax};

pub(super) fn found(
    names: &[String],
    evaluation: &Evaluation,
    outputs: &Tensor,
    data: &Split,
) -> Result<Found> {
    let accuracy = evaluation.get("accuracy").context("a classifier reports its accuracy")?;
    let predictions = gather::read(outputs)?;
    let confusion = Confusion::new(&predictions, names.len());
    let calibration_error = expected_calibration_error(&predictions);
    let buckets = by_length(&predictions);
    let mut details = String::new();
    if let Some(error) = calibration_error {
        details += &format!("expected calibration error {error:.4} ({BINS} bins)\n");
    }
    details += &format!("\n{}", confusion.table(names));
    if !buckets.is_empty() {
        details += &format!("\n{}", by_length::table(&buckets));
    }
    let json = [
        ("accuracy", json!(accuracy)),
        ("classes", json!(names)),
        ("confusion_matrix", json!(confusion.counts)),
        ("class_accuracy", json!(confusion.class_accuracy())),
        ("expected_calibration_error", json!(calibration_error)),
        ("accuracy_by_length", json!(buckets)),
    ];
    Ok(Found {
        headline: format!("accuracy {:.2}%", 100.0 * accuracy),
        details,
        json: json.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
        of: "examples",
        predictions: records(&predictions, names, data),
    })
}

fn records(predictions: &[Prediction], names: &[String], data: &Split) -> Vec<Vec<String>> {
    let heading = ["example", "file", "label", "prediction"].map(str::to_owned);
    let heading = heading.into_iter().chain(names.iter().cloned()).collect();
    let record = |prediction: &Prediction| -> Vec<String> {
        let of = [prediction.label, prediction.predicted].map(|class| names[class].clone());
        let columns = example(prediction.index, data).into_iter().chain(of);
        columns.chain(softmax(&prediction.logits).iter().map(f64::to_string)).collect()
    };
    [heading].into_iter().chain(predictions.iter().map(record)).collect()
}

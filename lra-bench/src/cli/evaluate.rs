//! `evaluate`: a run's best weights on a split.
//!
//! JSON: rows of `confusion_matrix` are classes, columns what they were taken for, both in the order
//! of `classes`; `class_accuracy` is null where a class has no examples; `accuracy_by_length` is
//! empty where all examples are of one length.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use datasets::split::Split;
use program::exit::Exit;
use program::output::{note, say, say_all};
use program::{files, interrupt};
use serde_json::json;
use training::args::{EvalSplit, EvaluateArgs};
use training::evaluate::{EvalOptions, evaluate_with_progress};
use training::objective::Objective;
use training::run::Run;

use super::decimate::decimate;
use crate::csv_text::csv_text;
use crate::experiment::Experiment;
use crate::metrics::by_length::{self, by_length};
use crate::metrics::calibration::{BINS, expected_calibration_error};
use crate::metrics::confusion::Confusion;
use crate::metrics::{Prediction, gather, softmax};
use crate::objective::Classification;

/// Arguments of `evaluate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    evaluate: EvaluateArgs,
    /// Folder with the task's files [default: where the run had them]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Step of the input relative to the training data, e.g. 2 at half the sampling rate
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    rate: f64,
    /// Write a CSV file with what the model says of each example: its number, file, label, prediction,
    /// and the probability of each class
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Keep one sample of K of the audio [default: R, so that data and model agree]
    #[arg(long, value_name = "K")]
    every: Option<usize>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.rate > 0.0 && args.rate.is_finite(), "--rate must be positive, got {}", args.rate);
    interrupt::install();
    let EvaluateArgs { run, split, device, json, data, no_progress } = &args.evaluate;
    let mut run: Run<Experiment> = Run::open(run)?;
    let experiment = &mut run.experiment;
    if let Some(data) = &args.data {
        experiment.set_data_dir(data);
    }
    if let Some(cache) = &data.cache {
        experiment.set_cache(cache);
    }
    let strict = data.strict;
    let every = decimate(experiment, args.rate, args.every)?;
    let device = device.choose()?;

    let task = experiment.task()?;
    let splits = task.open(&experiment.data, !no_progress)?;
    splits.findings.tell(strict)?;
    let device = device.announce();
    let class_names = splits.shape.target.class_names();
    let data = Arc::new(match split {
        EvalSplit::Test => splits.test,
        EvalSplit::Val => splits.val,
    });
    let shape = splits.shape.network();
    let mut model = Classification::new(experiment, shape, device)?.at_rate(args.rate);
    let step = run.load_weights(model.params())?;
    let options = EvalOptions::of(&run.experiment.train);
    let evaluated = evaluate_with_progress(&mut model, data.clone(), options, !no_progress)?;
    let Some(evaluated) = evaluated else {
        note("interrupted; nothing was changed");
        return Ok(Exit::Stopped);
    };
    let result = evaluated.evaluation;
    let accuracy = result.get("accuracy").context("a classifier reports its accuracy")?;
    let predictions = evaluated.outputs.as_ref().map_or(Ok(Vec::new()), gather::read)?;
    let confusion = Confusion::new(&predictions, class_names.len());
    let calibration_error = expected_calibration_error(&predictions);
    let buckets = by_length(&predictions);
    if *json {
        let object = json!({
            "task": task.name,
            "split": split.to_string(),
            "count": result.samples,
            "loss": result.loss,
            "accuracy": accuracy,
            "step": step,
            "rate": args.rate,
            "every": every,
            "seconds": result.seconds,
            "classes": class_names,
            "confusion_matrix": confusion.counts,
            "class_accuracy": confusion.class_accuracy(),
            "expected_calibration_error": calibration_error,
            "accuracy_by_length": buckets,
        });
        say(object)?;
    } else {
        say(format_args!(
            "{} {split}: accuracy {:.2}% (loss {:.4}) on {} examples, after step {step}, in {:.1} s",
            task.name,
            100.0 * accuracy,
            result.loss,
            result.samples,
            result.seconds
        ))?;
        if let Some(error) = calibration_error {
            say(format_args!("expected calibration error {error:.4} ({BINS} bins)"))?;
        }
        say_all(format_args!("\n{}", confusion.table(class_names)))?;
        if !buckets.is_empty() {
            say_all(format_args!("\n{}", by_length::table(&buckets)))?;
        }
    }
    if let Some(path) = &args.predictions {
        write_predictions(path, &predictions, class_names, &data)?;
    }
    Ok(Exit::Done)
}

/// A line an example, in the order of the split, numbered from 0. Examples that are no files have an
/// empty field for it.
fn write_predictions(
    path: &Path,
    predictions: &[Prediction],
    classes: &[String],
    data: &Split,
) -> Result<()> {
    let heading = ["example", "file", "label", "prediction"].map(str::to_owned);
    let heading = heading.into_iter().chain(classes.iter().cloned()).collect();
    let row = |prediction: &Prediction| -> Vec<String> {
        let file = data.name(prediction.index);
        let file = file.map_or_else(String::new, |file| file.display().to_string());
        let of = |class: usize| classes[class].clone();
        let columns =
            [prediction.index.to_string(), file, of(prediction.label), of(prediction.predicted)];
        let probabilities = softmax(&prediction.logits);
        columns.into_iter().chain(probabilities.iter().map(f64::to_string)).collect()
    };
    let rows = [heading].into_iter().chain(predictions.iter().map(row));
    files::write(path, csv_text(rows)?.as_bytes())
}

//! `evaluate`: a run's best weights on a split.
//!
//! JSON: rows of `confusion_matrix` are classes, columns what they were taken for, both in the order
//! of `classes`; `class_accuracy` is null where a class has no examples; `accuracy_by_length` is
//! empty where all examples are of one length.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use program::config;
use program::exit::Exit;
use program::interrupt;
use program::output::{say, say_all};
use program::progress::Progress;
use serde_json::json;
use training::checkpoint::Checkpoint;
use training::device::{Chosen, DeviceRequest};
use training::evaluate::{EvalOptions, evaluate};
use training::objective::Objective;
use training::run_dir;

use super::decimate::decimate;
use super::runs_root;
use crate::experiment::Experiment;
use crate::metrics::by_length::{self, by_length};
use crate::metrics::calibration::{BINS, expected_calibration_error};
use crate::metrics::confusion::Confusion;
use crate::objective::Classification;

/// Arguments of `evaluate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, or its name below runs/
    #[arg(value_name = "RUN")]
    run: String,
    /// What to evaluate on
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// Folder with the task's files [default: where the run had them]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Step of the input relative to the training data, e.g. 2 at half the sampling rate
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    rate: f64,
    /// Keep one sample of K of the audio [default: R, so that data and model agree]
    #[arg(long, value_name = "K")]
    every: Option<usize>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitName {
    Test,
    Val,
}

impl SplitName {
    fn name(self) -> &'static str {
        match self {
            SplitName::Test => "test",
            SplitName::Val => "val",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.rate > 0.0 && args.rate.is_finite(), "--rate must be positive, got {}", args.rate);
    interrupt::install()?;
    let path = run_dir::find(&runs_root(), &args.run)?;
    let mut experiment = Experiment::read(&run_dir::config_file(&path), &[])?.value;
    if let Some(data) = &args.data {
        experiment.set_data_dir(data);
    }
    let every = decimate(&mut experiment, args.rate, args.every)?;
    let Chosen { device, reason } = args.device.choose()?;
    eprintln!("device: {reason}");

    let task = experiment.task()?;
    let splits = task.open(&experiment.data, !args.no_progress)?;
    let class_names = splits.shape.target.class_names();
    let data = match args.split {
        SplitName::Test => splits.test,
        SplitName::Val => splits.val,
    };
    let mut model = Classification::new(&experiment, (&splits.shape).try_into()?, device)?;
    model = model.at_rate(args.rate);
    let checkpoint = Checkpoint::load_best(&path)?;
    checkpoint.restore_weights(model.params(), &config::to_toml(&experiment)?)?;

    let options = EvalOptions {
        batch_size: experiment.train.eval_batch_size(),
        workers: experiment.train.workers,
        seed: experiment.train.seed,
    };
    let batches = data.len().div_ceil(options.batch_size) as u64;
    let progress = Progress::new(!args.no_progress, 0, batches);
    let result = evaluate(&mut model, Arc::new(data), options, |done, _| progress.step(done))?;
    progress.finish();
    let Some(result) = result else {
        eprintln!("interrupted; nothing was changed");
        return Ok(Exit::Stopped);
    };
    let accuracy = result.get("accuracy").context("a classifier reports its accuracy")?;
    let step = checkpoint.meta.state.step;
    let predictions = model.predictions()?;
    let confusion = Confusion::new(&predictions, class_names.len());
    let calibration_error = expected_calibration_error(&predictions);
    let buckets = by_length(&predictions);
    if args.json {
        let object = json!({
            "task": task.name,
            "split": args.split.name(),
            "count": result.samples,
            "loss": result.loss,
            "accuracy": accuracy,
            "step": step,
            "rate": args.rate,
            "every": every,
            "seconds": result.seconds,
            "classes": class_names,
            "confusion_matrix": confusion.counts(),
            "class_accuracy": confusion.class_accuracy(),
            "expected_calibration_error": calibration_error,
            "accuracy_by_length": buckets,
        });
        say(object)?;
    } else {
        say(format_args!(
            "{} {}: accuracy {:.2}% (loss {:.4}) on {} examples, after step {step}, in {:.1} s",
            task.name,
            args.split.name(),
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
    Ok(Exit::Done)
}

//! `evaluate`: a run's best weights on a split.
//!
//! [`classes`], [`values`], [`last`], [`next`], [`series`] and [`pretrained`] say what is in the JSON beside what
//! is the same for all.

mod classes;
mod last;
mod next;
mod pretrained;
pub(super) mod series;
mod values;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use datasets::shape::Target;
use datasets::split::Split;
use program::exit::Exit;
use program::output::{note, say, say_all};
use program::{files, interrupt};
use serde_json::{Map, Value, json};
use training::args::{EvalSplit, EvaluateArgs};
use training::evaluate::{EvalOptions, Evaluated, Evaluation, evaluate_with_progress};
use training::objective::Objective;
use training::run::Run;

use super::decimate::decimate;
use crate::csv_text::csv_text;
use crate::experiment::Experiment;
use crate::objective::Supervised;

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
    /// and the probability of each class; or number, file, and target and prediction of each value; or of
    /// series number and errors
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Keep one sample of K of the audio [default: R, so that data and model agree]
    #[arg(long, value_name = "K")]
    every: Option<usize>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.rate > 0.0 && args.rate.is_finite(), "--rate must be positive, got {}", args.rate);
    interrupt::install();
    let EvaluateArgs { run, split, device, data, no_progress, .. } = &args.evaluate;
    let mut run: Run<Experiment> = Run::open(run)?;
    let experiment = &mut run.experiment;
    if let Some(data) = &args.data {
        experiment.set_data_dir(data);
    }
    if let Some(cache) = &data.cache {
        experiment.set_cache(cache);
    }
    if experiment.pretrain.is_some() {
        return pretrained::run(args, run);
    }
    let strict = data.strict;
    let every = decimate(experiment, args.rate, args.every)?;
    let device = device.choose()?;
    if let Some(path) = &args.predictions {
        files::check_writable(path)?; // not only after the evaluation
    }

    let task = experiment.task()?;
    let splits = task.open(&experiment.data, !no_progress)?;
    splits.findings.tell(strict)?;
    let device = device.announce();
    let data = Arc::new(match split {
        EvalSplit::Test => splits.test,
        EvalSplit::Val => splits.val,
    });
    let mut model = Supervised::new(experiment, &splits.shape, device)?.at_rate(args.rate);
    let step = run.load_weights(model.params())?;
    let options = EvalOptions::of(&run.experiment.train);
    let evaluated = evaluate_with_progress(&mut model, data.clone(), options, !no_progress)?;
    let Some(evaluated) = evaluated else {
        return Ok(interrupted());
    };
    let apart = match data.is_stream() {
        false => None,
        true => {
            let apart = Arc::new(data.apart());
            evaluate_with_progress(&mut model, apart, options, !no_progress)?
        }
    };
    let Evaluated { evaluation, outputs } = evaluated;
    let outputs = outputs.context("a model says something of each example")?;
    let found = match &splits.shape.target {
        Target::Values(quantities) => values::found(quantities, &outputs, &data)?,
        Target::PerPosition { .. } => {
            let metric = (task.metric)(&run.experiment.data).context("language has a metric")?;
            next::found(&metric, &evaluation, apart.as_ref().map(|it| &it.evaluation), &outputs)?
        }
        Target::LastTokens { positions, .. } => last::found(*positions, &evaluation, &outputs)?,
        Target::Series(of) => series::found(of, &evaluation, &outputs)?,
        target => classes::found(target.class_names(), &evaluation, &outputs, &data)?,
    };
    tell(args, task.name, step, &evaluation, Some(every), &found)?;
    if let Some(path) = &args.predictions {
        files::write(path, csv_text(&found.predictions)?.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Prints what an evaluation of the weights of `step` came to, as asked for.
fn tell(
    args: &Args,
    task: &str,
    step: u64,
    evaluation: &Evaluation,
    every: Option<usize>,
    found: &Found,
) -> Result<()> {
    let split = args.evaluate.split;
    if args.evaluate.json {
        let mut object = json!({
            "task": task,
            "split": split.to_string(),
            "count": evaluation.samples,
            "loss": evaluation.loss,
            "step": step,
            "rate": args.rate,
            "every": every,
            "seconds": evaluation.seconds,
        });
        let shared = object.as_object_mut().context("it is an object")?;
        shared.extend(found.json.clone());
        say(object)?;
    } else {
        say(format_args!(
            "{task} {split}: {} (loss {:.4}) on {} {}, after step {step}, in {:.1} s",
            found.headline, evaluation.loss, evaluation.samples, found.of, evaluation.seconds
        ))?;
        say_all(&found.details)?;
    }
    Ok(())
}

fn interrupted() -> Exit {
    note("interrupted; nothing was changed");
    Exit::Stopped
}

/// What an evaluation came to.
pub(super) struct Found {
    /// The metric in words.
    pub headline: String,
    /// What was asked for, a plural.
    of: &'static str,
    /// What follows the first line.
    pub details: String,
    /// What is not the same for all tasks.
    pub json: Map<String, Value>,
    /// A record an example, in the order of the split, the heading first.
    predictions: Vec<Vec<String>>,
}

/// Number, from 0, and file of an example; of one that is no file, nothing.
fn example(index: usize, data: &Split) -> [String; 2] {
    let file = data.name(index).map_or_else(String::new, |file| file.display().to_string());
    [index.to_string(), file]
}

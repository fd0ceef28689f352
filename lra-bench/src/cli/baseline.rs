//! `baseline`: what comes of forecasts without a network, as `evaluate` prints it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use datasets::shape::Target;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, describe, usage};
use program::interrupt;
use program::output::{note, say, say_all};
use serde_json::json;
use strum::IntoEnumIterator;
use training::args::{DataArgs, EvalSplit};
use training::evaluate::Evaluated;

use super::evaluate::series;
use super::train::place;
use crate::baseline::{Baseline, Naive, Ridge};
use crate::experiment::{Experiment, Preset};

/// Arguments of `baseline`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Whose windows; read as in its preset for a CPU
    #[arg(long, value_name = "NAME")]
    task: String,
    /// The CSV file, or the folder that it is in
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Change one setting of the data, e.g. data.horizon=96; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// test or val
    #[arg(long, default_value_t = EvalSplit::Test)]
    split: EvalSplit,
    /// Penalty of the ridge regression on the sum of its map's squares; that which is best on the
    /// validation windows where it is missing
    #[arg(long, value_name = "P")]
    penalty: Option<f64>,
    /// Ridge regression without a constant
    #[arg(long)]
    no_constant: bool,
    /// How data is read
    #[command(flatten)]
    reading: DataArgs,
    /// A JSON object a line, one for each baseline
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let task = tasks::find(&args.task)?;
    if args.penalty.is_some_and(|penalty| !(penalty > 0.0 && penalty.is_finite())) {
        return Err(usage("--penalty is above 0"));
    }
    let mut experiment = Experiment::preset(task, Preset::Small, &args.overrides)?.value;
    place(args.data.as_deref(), args.reading.cache.as_deref(), &mut experiment);
    let Splits { shape, origin, findings, train, val, test, .. } =
        experiment.open(!args.no_progress)?;
    let Target::Series(of) = shape.target else {
        return Err(usage(format!(
            "baselines continue series; {} asks for something else",
            task.name
        )));
    };
    note(format_args!("data: {origin}"));
    findings.tell(args.reading.strict)?;
    let split = match args.split {
        EvalSplit::Test => &test,
        EvalSplit::Val => &val,
    };
    let how = Ridge { penalty: args.penalty, no_constant: args.no_constant };
    for baseline in Baseline::iter() {
        let naive = match Naive::new(baseline, &of, &train, &val, how, !args.no_progress) {
            Ok(naive) => naive,
            Err(error) => {
                note(format_args!("no baseline `{baseline}`: {}", describe(&error)));
                continue;
            }
        };
        let evaluated = match naive {
            Some(mut naive) => {
                let evaluated = naive.evaluate(split, !args.no_progress)?;
                evaluated.map(|evaluated| (naive.choice, evaluated))
            }
            None => None,
        };
        let Some((choice, Evaluated { evaluation, outputs })) = evaluated else {
            note("interrupted; the same command starts again");
            return Ok(Exit::Stopped);
        };
        let rows = outputs.context("a baseline says something of each window")?;
        let found = series::found(&of, &evaluation, &rows)?;
        if args.json {
            let mut object = json!({
                "task": task.name,
                "baseline": baseline.to_string(),
                "choice": choice,
                "split": args.split.to_string(),
                "count": evaluation.samples,
                "seconds": evaluation.seconds,
            });
            object.as_object_mut().context("it is an object")?.extend(found.json);
            say(object)?;
        } else {
            let choice = choice.map_or_else(String::new, |choice| format!(" ({choice})"));
            say(format_args!(
                "{} {}, {baseline}{choice}: {} on {} examples, in {:.1} s",
                task.name, args.split, found.headline, evaluation.samples, evaluation.seconds
            ))?;
            say_all(format!("{}\n", found.details))?;
        }
    }
    Ok(Exit::Done)
}

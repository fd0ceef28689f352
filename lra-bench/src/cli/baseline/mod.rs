//! `baseline`: what a task comes to without a network, in the figures of `evaluate`.

mod next;
mod series;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::shape::Target;
use datasets::split::Split;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::note;
use training::args::{DataArgs, EvalSplit};
use training::run::Run;

use super::train::place;
use crate::experiment::{Experiment, Preset};

/// Arguments of `baseline`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// A task on language (n-grams with Kneser-Ney smoothing), on the density of pictures (mixed contexts),
    /// on forecasts (last value, last season, ridge regression) or `reconstruct` (Legendre polynomials, as
    /// many as there are states); read as in its preset for a CPU
    #[arg(long, value_name = "NAME", required_unless_present = "with")]
    task: Option<String>,
    /// Folder with the task's files in their official layout, or the CSV file
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Change one setting of the data, e.g. data.horizon=96, or model.layer.ssm.d_state; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "with")]
    overrides: Vec<String>,
    /// test or val
    #[arg(long, default_value_t = EvalSplit::Test)]
    split: EvalSplit,
    #[command(flatten)]
    texts: next::Texts,
    /// Of forecasts: penalty of the ridge regression on the sum of its map's squares [default: that which is
    /// best on the validation windows]
    #[arg(long, value_name = "P")]
    penalty: Option<f64>,
    /// Of forecasts: ridge regression without a constant
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
    args.texts.check()?;
    if args.penalty.is_some_and(|penalty| !(penalty > 0.0 && penalty.is_finite())) {
        return Err(usage("--penalty must be above 0"));
    }
    interrupt::install();
    let run: Option<Run<Experiment>> = args.texts.with.as_deref().map(Run::open).transpose()?;
    let mut experiment = match &run {
        Some(run) => run.experiment.clone(),
        None => {
            let task = tasks::find(args.task.as_deref().unwrap_or_default())?;
            Experiment::preset(task, Preset::Small, &args.overrides)?.value
        }
    };
    let task = experiment.task()?;
    let none = || {
        usage(format!(
            "{} has no baseline: those that have one ask for the next token, continue a series or reconstruct \
             a signal",
            task.name
        ))
    };
    if task.classes.is_some() {
        return Err(none()); // before its data is read or generated
    }
    place(args.data.as_deref(), args.reading.cache.as_deref(), &mut experiment);
    let mut splits = experiment.open(!args.no_progress)?;
    note(format_args!("data: {}", splits.origin));
    std::mem::take(&mut splits.findings).tell(args.reading.strict)?;
    match splits.shape.target.clone() {
        Target::Series(_) if args.texts.are_given() => {
            Err(usage("--with, --order and --discount are for texts"))
        }
        Target::Series(of) if of.past.is_some() => series::run(args, task, &splits, &of),
        _ if args.penalty.is_some() || args.no_constant => {
            Err(usage("--penalty and --no-constant are for forecasts"))
        }
        Target::Series(of) if task.name == "reconstruct" => {
            series::projection(args, &experiment, &splits, &of)
        }
        Target::PerPosition { vocabulary } => {
            next::run(args, task, (&experiment, run.as_ref()), &splits, vocabulary)
        }
        _ => Err(none()),
    }
}

impl Args {
    fn split<'a>(&self, splits: &'a Splits) -> &'a Split {
        match self.split {
            EvalSplit::Test => &splits.test,
            EvalSplit::Val => &splits.val,
        }
    }
}

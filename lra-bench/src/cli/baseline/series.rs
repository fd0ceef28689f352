//! Of forecasts the last value, the last season and a ridge regression, on the windows that models are scored
//! on; of signals that are to be remembered a projection.

use anyhow::{Context, Result};
use datasets::shape::Series;
use datasets::tasks::{Splits, Task};
use program::exit::{Exit, describe};
use program::interrupt;
use program::output::{note, say, say_all};
use serde_json::json;
use strum::IntoEnumIterator;
use training::evaluate::Evaluated;

use super::Args;
use crate::baseline::naive::{Baseline, Naive};
use crate::baseline::ridge::Ridge;
use crate::cli::evaluate;
use crate::experiment::Experiment;

pub(super) fn run(args: &Args, task: &Task, splits: &Splits, of: &Series) -> Result<Exit> {
    let how = Ridge { penalty: args.penalty, no_constant: args.no_constant };
    for baseline in Baseline::iter() {
        let naive = Naive::new(baseline, of, &splits.train, &splits.val, how, !args.no_progress);
        interrupt::check()?;
        let mut naive = match naive {
            Ok(naive) => naive,
            Err(error) => {
                note(format_args!("no baseline `{baseline}`: {}", describe(&error)));
                continue;
            }
        };
        let evaluated = naive.evaluate(args.split(splits), !args.no_progress)?;
        let Some(evaluated) = evaluated else { return Ok(interrupted()) };
        tell(args, task, of, (&baseline.to_string(), naive.choice), evaluated)?;
    }
    Ok(Exit::Done)
}

/// The end of signals, as their projection on as many Legendre polynomials as the preset has states.
pub(super) fn projection(
    args: &Args,
    experiment: &Experiment,
    splits: &Splits,
    of: &Series,
) -> Result<Exit> {
    let states = experiment.model.layer.ssm.d_state;
    let mut legs = Naive::projection(of, args.split(splits), states)?;
    let evaluated = legs.evaluate(args.split(splits), !args.no_progress)?;
    let Some(evaluated) = evaluated else { return Ok(interrupted()) };
    tell(args, experiment.task()?, of, ("legs", legs.choice), evaluated)?;
    Ok(Exit::Done)
}

fn interrupted() -> Exit {
    note("interrupted; the same command starts again");
    Exit::Stopped
}

fn tell(
    args: &Args,
    task: &Task,
    of: &Series,
    (baseline, choice): (&str, Option<String>),
    Evaluated { evaluation, outputs }: Evaluated,
) -> Result<()> {
    let rows = outputs.context("a baseline says something of each window")?;
    let found = evaluate::series::found(of, &evaluation, &rows)?;
    if args.json {
        let mut object = json!({
            "task": task.name,
            "baseline": baseline,
            "choice": choice,
            "split": args.split.to_string(),
            "count": evaluation.samples,
            "seconds": evaluation.seconds,
        });
        object.as_object_mut().context("it is an object")?.extend(found.json);
        say(object)
    } else {
        let choice = choice.map_or_else(String::new, |choice| format!(" ({choice})"));
        say(format_args!(
            "{} {}, {baseline}{choice}: {} on {} examples, in {:.1} s",
            task.name, args.split, found.headline, evaluation.samples, evaluation.seconds
        ))?;
        say_all(format!("{}\n", found.details))
    }
}

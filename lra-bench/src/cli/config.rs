//! `config`: every setting of an experiment, explained.

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::tasks;
use program::exit::{Exit, usage};
use program::output::say_all;
use training::run::Run;

use crate::experiment::{Experiment, Preset};

/// Arguments of `config`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, or its name below runs/: its settings
    #[arg(value_name = "RUN", conflicts_with_all = ["task", "preset"])]
    run: Option<String>,
    /// A task, whose preset is shown; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// paper or small
    #[arg(long, value_name = "NAME", default_value = "small")]
    preset: Preset,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let experiment = match (&args.task, &args.run) {
        (Some(task), _) => Experiment::preset(tasks::find(task)?, args.preset, &[])?.value,
        (None, Some(run)) => Run::open(run)?.experiment,
        (None, None) => {
            return Err(usage(
                "nothing to show: name a task with --task (`lra-bench tasks` lists them), or a run",
            ));
        }
    };
    say_all(experiment.commented()?)?;
    Ok(Exit::Done)
}

//! `config`: every setting of an experiment, explained.

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::tasks;
use program::exit::Exit;
use program::output::say_all;
use training::run::Run;

use crate::experiment::{Experiment, Preset};

/// Arguments of `config`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, or its name below runs/: its settings
    #[arg(value_name = "RUN", required_unless_present = "task", conflicts_with = "task")]
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
        (None, run) => Run::open(run.as_deref().unwrap_or_default())?.experiment,
    };
    say_all(experiment.commented()?)?;
    Ok(Exit::Done)
}

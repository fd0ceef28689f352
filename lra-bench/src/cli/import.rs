//! `import`: a run out of a checkpoint of the official code.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use official::args::ImportArgs;
use official::run;
use official::source::Source;
use program::exit::Exit;
use program::output::note;
use tch::Device;
use training::objective::Objective;

use crate::import::experiment;
use crate::objective::Supervised;

/// Arguments of `import`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    import: ImportArgs,
    /// What the model is for, where the checkpoint does not say it; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Which token is which, of tasks with tokens, in no checkpoint: a JSON list, or one a line
    #[arg(long, value_name = "FILE")]
    vocab: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let source = Source::open(&args.import.checkpoint)?;
    let loaded = experiment(&source, &args.import, args.task.as_deref(), args.vocab.as_deref())?;
    loaded.changes.iter().for_each(note);
    let experiment = loaded.value;
    let shape = experiment.task()?.inputs(&experiment.data).context(
        "what the data decided is in no checkpoint; give it by --set data.KEY=VALUE or --config",
    )?;
    let model = Supervised::new(&experiment, &shape.shape, Device::Cpu)?;
    let (seed, ssm) = (experiment.train.seed, &experiment.model.layer.ssm);
    run::write(&args.import, source, &experiment, seed, model.params(), Some(ssm))?;
    Ok(Exit::Done)
}

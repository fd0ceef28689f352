//! `import`: a run out of a checkpoint of the official code.

use anyhow::Result;
use clap::Args as ClapArgs;
use official::args::ImportArgs;
use official::run;
use official::source::Source;
use program::exit::Exit;
use program::output::note;
use tch::Device;
use training::objective::Objective;

use crate::import::experiment;
use crate::objective::{Diffusion, NextCode};

/// Arguments of `import`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    import: ImportArgs,
    /// What is taken for settings that neither the checkpoint nor its weights say [default: the one of
    /// the data set and kind of network]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let source = Source::open(&args.import.checkpoint)?;
    let loaded = experiment(&source, &args.import, args.preset.as_deref())?;
    loaded.changes.iter().for_each(note);
    let experiment = loaded.value;
    let seed = experiment.train.seed;
    match &experiment.diffusion {
        Some(diffusion) => {
            let model = Diffusion::new(&experiment, Device::Cpu)?;
            let sashimi = diffusion.network.sashimi.as_ref().map(|sashimi| &sashimi.ssm);
            run::write(&args.import, source, &experiment, seed, model.params(), sashimi)?;
        }
        None => {
            let model = NextCode::new(&experiment, Device::Cpu)?;
            let ssm = &experiment.model.layer.ssm;
            run::write(&args.import, source, &experiment, seed, model.params(), Some(ssm))?;
        }
    }
    Ok(Exit::Done)
}

//! `config`: every setting of an experiment, explained.

use anyhow::Result;
use clap::Args as ClapArgs;
use program::config::commented;
use program::exit::Exit;
use program::output::say_all;
use training::run::Run;

use crate::experiment::{Experiment, Preset};

/// Arguments of `config`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, or its name below runs/: its settings rather than a preset's
    #[arg(value_name = "RUN", conflicts_with = "preset")]
    run: Option<String>,
    /// small, sc09, sc09-unet, youtubemix, beethoven; all but sc09-unet also with -wavenet or
    /// -samplernn behind; of diffusion small-diffwave, small-diffwave-wavenet, sc09-diffwave,
    /// sc09-diffwave-small, sc09-diffwave-wavenet, ljspeech
    #[arg(long, value_name = "NAME", default_value = "small")]
    preset: String,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let experiment: Experiment = match &args.run {
        Some(run) => Run::open(run)?.experiment,
        None => Preset::find(&args.preset)?.load(&[])?.value,
    };
    say_all(commented(&experiment, &[])?)?;
    Ok(Exit::Done)
}

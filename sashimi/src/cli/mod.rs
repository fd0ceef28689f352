//! The command line: one file a command.

mod config;
mod denoise;
mod evaluate;
mod export;
mod generate;
mod import;
mod metrics;
mod page;
mod score;
mod stability;
mod train;
mod vocode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use official::args::ExportArgs;
use program::arguments::{self, Completions, Everywhere};
use program::exit::{Exit, usage};
use tch::Device;
use training::objective::Objective;
use training::run::Run;

use crate::experiment::Experiment;
use crate::objective::{Diffusion, NextCode};

/// Train SaShiMi on a folder of audio files, and listen to the result.
#[derive(Debug, Parser)]
#[command(name = "sashimi", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    everywhere: Everywhere,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, or go on with a run.
    Train(train::Args),
    /// Write new audio, or continue a recording.
    Generate(generate::Args),
    /// Recordings made anew from their mel spectrograms, by a vocoder.
    Vocode(vocode::Args),
    /// Bits per sample and accuracy, or the loss of diffusion, on the held-out recordings.
    Evaluate(evaluate::Args),
    /// Make a run of a checkpoint of the official code; nothing in it is run.
    Import(import::Args),
    /// Write a run's best weights as a file that the official code loads.
    Export(ExportArgs),
    /// Bits per sample of given audio files, so that they can be ranked: fewer are likelier.
    Score(score::Args),
    /// How good generated sound is, by a classifier's features: FID, IS, mIS, AM, NDB, copies of
    /// training sounds; between real sound and noise.
    Metrics(metrics::Args),
    /// Sounds of runs and folders to listen to, on one HTML page.
    Page(page::Args),
    /// Spectral radius of the recurrences, and the level of what they generate over a long time.
    Stability(stability::Args),
    /// Print every setting with its meaning and default, as TOML for `train --config`.
    Config(config::Args),
    /// Print what a shell reads to complete command lines.
    Completions(Completions),
}

/// Parses the arguments and does what they say.
///
/// # Errors
/// With one message of cause and remedy.
pub fn run() -> Result<Exit> {
    let cli = arguments::parse::<Cli>();
    cli.everywhere.apply();
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Vocode(args) => vocode::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Page(args) => page::run(&args),
        Command::Stability(args) => stability::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions(shell) => shell.print::<Cli>().map(Exit::from),
    }
}

/// The best model of codes of `run`, and the step that it is of.
fn load(run: &Run<Experiment>, device: Device) -> Result<(NextCode, u64)> {
    if run.experiment.diffusion.is_some() {
        return Err(usage(format!(
            "{} is a run of diffusion, which predicts no codes, so that there is no likelihood and no \
             recurrence; generate, vocode and evaluate are for it",
            run.path.display()
        )));
    }
    let model = NextCode::new(&run.experiment, device)?;
    let step = run.load_weights(model.params())?;
    Ok((model, step))
}

/// The best model of `run`, which is of diffusion, and the step that it is of.
fn load_diffusion(run: &Run<Experiment>, device: Device) -> Result<(Diffusion, u64)> {
    let model = Diffusion::new(&run.experiment, device)?;
    let step = run.load_weights(model.params())?;
    Ok((model, step))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    /// The pages that show commands.
    const PAGES: &[&str] = &[
        include_str!("../../../README.md"),
        include_str!("../../../docs/sashimi.md"),
        include_str!("../../../docs/diffusion.md"),
        include_str!("../../../docs/checkpoints.md"),
        include_str!("../../../docs/distributed.md"),
    ];

    #[test]
    fn commands_that_are_shown_exist() {
        let lines = PAGES.iter().flat_map(|page| page.lines());
        let commands = lines.filter_map(|line| {
            line.split('#').next()?.trim().strip_prefix("cargo run -p sashimi -- ")
        });
        let mut parsed = 0;
        for command in commands {
            let words = std::iter::once("sashimi").chain(command.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("`{command}`: {error}");
            }
            parsed += 1;
        }
        assert!(parsed >= 10, "{parsed} commands are shown");
    }
}

//! The command line: one file a command.

mod evaluate;
mod generate_data;
mod tasks;
mod train;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use training::exit::Exit;

/// Train and evaluate S4 on the Long Range Arena and other long-sequence classification tasks.
///
/// `lra-bench --task path-x` trains; so does `lra-bench train --task path-x`.
#[derive(Debug, Parser)]
#[command(name = "lra-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: train::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, or go on with a run.
    Train(train::Args),
    /// Evaluate a run's best weights.
    Evaluate(evaluate::Args),
    /// Write generated data in the official layout.
    GenerateData(generate_data::Args),
    /// List the tasks and whether their data is there.
    Tasks(tasks::Args),
}

/// Parses the arguments and does what they say.
///
/// # Errors
/// With one message of cause and remedy.
pub fn run() -> Result<Exit> {
    let cli = Cli::parse();
    match cli.command {
        None => train::run(&cli.train),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::GenerateData(args)) => generate_data::run(&args),
        Some(Command::Tasks(args)) => tasks::run(&args),
    }
}

/// Where runs are kept.
fn runs_root() -> PathBuf {
    PathBuf::from("runs")
}

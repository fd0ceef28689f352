//! The command line: one file a command.

mod baseline;
mod benchmark;
mod config;
mod decimate;
mod evaluate;
mod export;
mod fetch_data;
mod generate;
mod generate_data;
mod import;
mod knn;
mod predict;
mod pretrain;
mod report;
mod tasks;
mod train;
mod transfer;

use anyhow::Result;
use clap::{Parser, Subcommand};
use official::args::ExportArgs;
use program::arguments::{self, Completions, Everywhere};
use program::exit::Exit;

/// Train and evaluate S4 on the Long Range Arena and other tasks on long sequences.
///
/// `lra-bench --task path-x` trains; so does `lra-bench train --task path-x`.
#[derive(Debug, Parser)]
#[command(name = "lra-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: train::Args,
    #[command(flatten)]
    everywhere: Everywhere,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, or go on with a run.
    Train(train::Args),
    /// Train a model on sequences without their labels, for other runs to start from.
    Pretrain(pretrain::Args),
    /// Tell classes apart by the features of a frozen model: neighbours and linear probes.
    Knn(knn::Args),
    /// Adapt runs to tasks in several ways, with few examples and many, and from scratch: one table.
    Transfer(transfer::Args),
    /// Evaluate a run's best weights.
    Evaluate(evaluate::Args),
    /// Say what a run's best weights take files for, which numbers they give them, or how they continue a
    /// series.
    Predict(predict::Args),
    /// Make a run of a checkpoint of the official code; nothing in it is run.
    Import(import::Args),
    /// Write a run's best weights as a file that the official code loads.
    Export(ExportArgs),
    /// Say what a task comes to without a network: n-grams, mixed contexts, last values, regression.
    Baseline(baseline::Args),
    /// New texts or pictures from a run that predicts the next token.
    Generate(generate::Args),
    /// Write generated data in the official layout.
    GenerateData(generate_data::Args),
    /// Fetch a task's official archives.
    FetchData(fetch_data::Args),
    /// Show runs side by side: metric, size, speed.
    Report(report::Args),
    /// Time models and weigh their memory, by sequence length.
    Benchmark(benchmark::Args),
    /// Print every setting with its meaning and default, as TOML for `train --config`.
    Config(config::Args),
    /// List the tasks and whether their data is there.
    Tasks(tasks::Args),
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
        None => train::run(&cli.train),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Pretrain(args)) => pretrain::run(&args),
        Some(Command::Knn(args)) => knn::run(&args),
        Some(Command::Transfer(args)) => transfer::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Baseline(args)) => baseline::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::GenerateData(args)) => generate_data::run(&args),
        Some(Command::FetchData(args)) => fetch_data::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Benchmark(args)) => benchmark::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Tasks(args)) => tasks::run(&args),
        Some(Command::Completions(shell)) => shell.print::<Cli>().map(Exit::from),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The pages that show commands.
    const PAGES: &[&str] = &[
        include_str!("../../../README.md"),
        include_str!("../../../docs/lra-bench.md"),
        include_str!("../../../docs/checkpoints.md"),
        include_str!("../../../docs/forecasts.md"),
        include_str!("../../../docs/language.md"),
        include_str!("../../../docs/pretraining.md"),
        include_str!("../../../docs/distributed.md"),
        include_str!("../../../docs/on-a-gpu.md"),
    ];

    #[test]
    fn commands_that_are_shown_exist() {
        let lines = PAGES.iter().flat_map(|page| page.lines());
        let commands = lines.filter_map(|line| {
            line.split('#').next()?.trim().strip_prefix("cargo run -p lra-bench -- ")
        });
        let mut parsed = 0;
        for command in commands {
            let words = std::iter::once("lra-bench").chain(command.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("`{command}`: {error}");
            }
            parsed += 1;
        }
        assert!(parsed >= 15, "{parsed} commands are shown");
    }

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}

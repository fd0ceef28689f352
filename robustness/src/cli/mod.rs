//! The command line: one file a command.

mod agreement;
mod compare;
mod format;
mod freeze;
mod list;
mod report;
mod run;

use anyhow::Result;
use clap::{Parser, Subcommand};
use program::arguments::{self, Completions, Everywhere};
use program::exit::Exit;

/// Say where a trained model breaks: parts of its data, changes of it, attacks.
#[derive(Debug, Parser)]
#[command(name = "robustness", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    everywhere: Everywhere,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a run of lra-bench or sashimi on a suite.
    Run(run::Args),
    /// Show results that were kept.
    Report(report::Args),
    /// Say on which slices a second model differs from a first.
    Compare(compare::Args),
    /// Say whether models are wrong about the same examples.
    Agreement(agreement::Args),
    /// Keep examples, changed or not, as an evaluation set.
    Freeze(freeze::Args),
    /// List what there is: transformations, attacks, scores, suites.
    List(list::Args),
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
        Command::Run(args) => run::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Agreement(args) => agreement::run(&args),
        Command::Freeze(args) => freeze::run(&args),
        Command::List(args) => list::run(&args),
        Command::Completions(shell) => shell.print::<Cli>().map(Exit::from),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn commands_that_are_shown_exist() {
        let page = include_str!("../../../docs/robustness.md");
        let commands = page.lines().filter_map(|line| {
            line.split('#').next()?.trim().strip_prefix("cargo run -p robustness -- ")
        });
        let mut parsed = 0;
        for command in commands {
            let words = std::iter::once("robustness").chain(command.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("`{command}`: {error}");
            }
            parsed += 1;
        }
        assert!(parsed >= 6, "{parsed} commands are shown");
    }

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}

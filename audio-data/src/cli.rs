//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use program::arguments;
use program::output::{say, say_all};
use program::progress::Progress;

use crate::inspect::inspect;

/// Look after audio files that models are trained on.
#[derive(Debug, Parser)]
#[command(name = "audio-data", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is in a folder of audio files, and what is wrong with them.
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Folder with audio files at any depth, or one file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Sampling rate in Hz that training will use
    #[arg(long, value_name = "R")]
    rate: Option<u32>,
}

/// Parses the arguments and does what they say.
///
/// # Errors
/// With one message of cause and remedy.
pub fn run() -> Result<()> {
    match arguments::parse::<Cli>().command {
        Command::Inspect(args) => run_inspect(&args),
    }
}

fn run_inspect(args: &InspectArgs) -> Result<()> {
    let progress = Progress::new(true, 0, 0);
    let report = inspect(&args.path, args.rate, &|done, total| {
        progress.count(done as u64, total as u64, "files");
    })?;
    progress.finish();
    if args.json { say(serde_json::to_string(&report)?) } else { say_all(report) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}

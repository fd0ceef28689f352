//! The command line.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::inspect::inspect;

/// Where there is no bar, how often a line tells how far it is.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

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
    match Cli::parse().command {
        Command::Inspect(args) => run_inspect(&args),
    }
}

fn run_inspect(args: &InspectArgs) -> Result<()> {
    let progress = Progress::new();
    let report = inspect(&args.path, args.rate, &|done, total| progress.show(done, total))?;
    progress.bar.finish_and_clear();
    let text = if args.json { serde_json::to_string(&report)? + "\n" } else { report.to_string() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who closed the pipe has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the report"),
    }
}

/// A bar on a terminal, a line now and then elsewhere, on standard error.
struct Progress {
    bar: ProgressBar,
    last_line: Mutex<Instant>,
}

impl Progress {
    fn new() -> Self {
        let bar =
            if io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} files  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, last_line: Mutex::new(Instant::now()) }
    }

    fn show(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.inc(1);
        // Whoever finds it locked need not wait: another thread is about to tell.
        if self.bar.is_hidden()
            && let Ok(mut last) = self.last_line.try_lock()
            && last.elapsed() >= PLAIN_EVERY
        {
            *last = Instant::now();
            eprintln!("{done} of {total} files");
        }
    }
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

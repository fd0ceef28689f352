//! `generate-data`: examples in the official layout.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::pathfinder::Difficulty;
use datasets::tasks::generate::{Outcome, Request};
use datasets::tasks::{self, TASKS};
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{note, say};

/// Arguments of `generate-data`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// What to generate: pathfinder, pathfinder64, path-x, path-256 or listops
    #[arg(long, value_name = "NAME")]
    task: String,
    /// Folder to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of examples; of listops: to train on, with a 48th of them each for validation and test
    #[arg(long, value_name = "N")]
    count: u64,
    /// easy, intermediate or hard [default: hard]
    #[arg(long)]
    difficulty: Option<Difficulty>,
    /// Side of the images in pixels: 32, 64, 128 or 256 [default: the task's]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// The same seed gives the same examples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let generate = tasks::find(&args.task)?.generate.ok_or_else(|| {
        let can = TASKS.iter().filter(|task| task.generate.is_some()).map(|task| task.name);
        let names: Vec<_> = can.collect();
        usage(format!("`{}` cannot be generated; {} can", args.task, names.join(", ")))
    })?;
    interrupt::install();
    let outcome = generate(&Request {
        out: &args.out,
        count: args.count,
        seed: args.seed,
        difficulty: args.difficulty,
        size: args.size,
        progress: !args.no_progress,
    })?;
    match outcome {
        Outcome::Complete { folder, summary } => {
            note(summary);
            say(folder.display())?;
            Ok(Exit::Done)
        }
        Outcome::Interrupted(summary) => {
            note(format_args!("interrupted: {summary}"));
            Ok(Exit::Stopped)
        }
    }
}

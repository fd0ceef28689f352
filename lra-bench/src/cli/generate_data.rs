//! `generate-data`: examples in the official layout.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::{self, Exit, usage};
use program::interrupt;
use program::output::say;
use program::progress::Progress;

use crate::listops::{Lengths, Recipe, tsv};
use crate::pathfinder::{Difficulty, Spec, write_release};

/// Arguments of `generate-data`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// pathfinder, path-x or listops
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
    match args.task.as_str() {
        "pathfinder" => pathfinder(args, 32),
        "path-x" => pathfinder(args, 128),
        "listops" => listops(args),
        other => {
            Err(usage(format!("`{other}` cannot be generated; pathfinder, path-x and listops can")))
        }
    }
}

fn pathfinder(args: &Args, default_side: usize) -> Result<Exit> {
    interrupt::install()?;
    let side = args.size.unwrap_or(default_side);
    let spec = Spec::official(side, args.difficulty.unwrap_or(Difficulty::Hard))?;
    let progress = Progress::new(!args.no_progress, 0, args.count);
    let result = write_release(&args.out, &spec, args.count, args.seed, &|at| {
        progress.step(at.done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    let summary = result?;
    let folder = summary.folder.display();
    if summary.interrupted {
        eprintln!(
            "interrupted with {} of {} images written to {folder}; the same command goes on",
            summary.kept + summary.written,
            args.count
        );
        return Ok(Exit::Stopped);
    }
    say(folder)?;
    eprintln!("{} images written, {} found complete", summary.written, summary.kept);
    Ok(Exit::Done)
}

fn listops(args: &Args) -> Result<Exit> {
    if args.difficulty.is_some() || args.size.is_some() {
        return Err(usage("--difficulty and --size mean nothing to listops"));
    }
    // 2,000 each to 96,000, as published.
    let eval_count = (args.count / 48).max(1);
    let counts = [args.count, eval_count, eval_count];
    let recipe = Recipe { seed: args.seed, counts, lengths: Lengths::PUBLISHED };
    recipe.validate(Lengths::PUBLISHED.longest)?;
    tsv::ensure_absent(&args.out)?;
    interrupt::install()?;
    let total = counts.iter().sum();
    let progress = Progress::new(!args.no_progress, 0, total);
    let parts = recipe.generate(|done| {
        progress.step(done);
        progress.figures("expressions", &format!("expressions generated: {done} of {total}"));
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    progress.finish();
    let Some(parts) = parts else { return Err(exit::interrupted()) };
    let folder = tsv::write(&args.out, &parts)?;
    say(folder.display())?;
    eprintln!("{} + {eval_count} + {eval_count} expressions written", args.count);
    Ok(Exit::Done)
}

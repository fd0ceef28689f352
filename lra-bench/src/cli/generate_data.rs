//! `generate-data`: examples in the official layout.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use training::exit::{Exit, usage};
use training::interrupt;
use training::progress::Progress;

use crate::pathfinder::{Difficulty, Spec, write_release};

/// Arguments of `generate-data`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// pathfinder or path-x
    #[arg(long, value_name = "NAME")]
    task: String,
    /// Folder to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of examples
    #[arg(long, value_name = "N")]
    count: u64,
    /// easy, intermediate or hard
    #[arg(long, default_value = "hard")]
    difficulty: Difficulty,
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
    let side = match (args.task.as_str(), args.size) {
        ("pathfinder" | "path-x", Some(side)) => side,
        ("pathfinder", None) => 32,
        ("path-x", None) => 128,
        (other, _) => {
            return Err(usage(format!("`{other}` cannot be generated; pathfinder and path-x can")));
        }
    };
    interrupt::install()?;
    let spec = Spec::official(side, args.difficulty)?;
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
    println!("{folder}");
    eprintln!("{} images written, {} found complete", summary.written, summary.kept);
    Ok(Exit::Done)
}

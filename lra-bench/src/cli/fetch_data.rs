//! `fetch-data`: a task's official archives.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args as ClapArgs;
use datasets::fetch::download::Outcome;
use datasets::fetch::{Request, fetch};
use datasets::tasks;
use program::exit::Exit;
use program::interrupt;
use program::names::pasted;
use program::output::{note, say};

/// Arguments of `fetch-data`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Whose data to fetch; `lra-bench tasks` lists the names
    #[arg(value_name = "TASK")]
    task: String,
    /// Folder to fetch into; made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address of a folder with copies of the official files
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let task = tasks::find(&args.task)?;
    if task.archives.is_empty() {
        bail!("{} has no official archive: name your own folder with --data DIR", task.name);
    }
    let data = args.data.display();
    interrupt::install();
    let request =
        Request { dir: &args.data, mirror: args.mirror.as_deref(), progress: !args.no_progress };
    for archive in task.archives {
        if fetch(archive, request)? == Outcome::Interrupted {
            note("interrupted; what came is kept: the same command goes on from there");
            return Ok(Exit::Stopped);
        }
    }
    ensure!(
        (task.is_there)(&args.data),
        "everything was fetched, but {} does not find its files in {data}: the archive has another \
         layout than expected, or parts of an older one are in the folder; try an empty folder",
        task.name
    );
    note(format_args!("train with: lra-bench --task {} --data {}", task.name, pasted(&args.data)));
    say(data)?;
    Ok(Exit::Done)
}

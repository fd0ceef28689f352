//! One run by several processes: `--processes N`, or as torchrun and SLURM start them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use distributed::{Place, World, launcher};
use program::exit::{Exit, usage};
use program::{interrupt, output};

use crate::args::TrainArgs;
use crate::run_dir;

/// Does `work` in this process, which may be one of several, or starts those.
pub(super) fn train(
    args: &TrainArgs,
    work: impl FnOnce(&TrainArgs, &World) -> Result<Exit>,
) -> Result<Exit> {
    let timeout = timeout(args.timeout)?;
    let Some(place) = Place::of_environment()? else {
        let Some(count) = args.processes().filter(|&count| count > 1) else {
            interrupt::install();
            return work(args, &World::alone());
        };
        return launcher::launch(count, timeout);
    };
    interrupt::install();
    if let Some(count) = args.processes()
        && count != place.size
    {
        return Err(usage(format!(
            "--processes {count} starts processes, but this is one of {} already, by RANK and WORLD_SIZE or \
             SLURM: leave it out",
            place.size
        )));
    }
    if place.size == 1 {
        return work(&again(args, place.attempt != "0"), &World::alone());
    }
    if args.is_several() || args.dry_run || args.profile {
        return Err(usage(
            "--seeds, --sweep, --dry-run and --profile are for one process: leave them out, or start one",
        ));
    }
    if place.rank > 0 {
        output::be_quiet();
    }
    let world = World::join(place, timeout)?;
    let result = work(&again(args, world.is_restarted()), &world);
    match (result, world.lost()) {
        (Err(_), Some(_)) if world.is_launched() => Ok(Exit::Told(launcher::LOST)),
        (Err(_), Some(lost)) => Err(anyhow!("{lost}")),
        (result, _) => result,
    }
}

fn timeout(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|timeout| *timeout >= Duration::from_millis(100))
        .ok_or_else(|| usage(format!("--timeout is {seconds} s; it must be at least 0.1")))
}

/// The arguments after a restart by torchrun: the run in `--run-dir`, which was new at first, goes on.
fn again(args: &TrainArgs, is_restarted: bool) -> TrainArgs {
    let mut args = args.clone();
    let begun = |folder: &&Path| run_dir::config_file(folder).is_file();
    if let Some(folder) = args.run_dir.as_deref().filter(|_| is_restarted).filter(begun) {
        args.resume = Some(folder.display().to_string());
    }
    args
}

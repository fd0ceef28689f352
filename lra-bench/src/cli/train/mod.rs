//! `train`: new runs, one or several, or the continuation of what there is.

mod args;
mod one;
mod seeds;

use anyhow::Result;
use program::exit::Exit;
use program::interrupt;
use training::device::Chosen;
use training::run_dir::{self, RunDir};
use training::train_args::TrainArgs;

use super::runs_root;
pub(super) use args::Args;
pub(super) use seeds::find as find_seeds;

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install()?;
    let Chosen { device, reason } = args.train.device.choose()?;
    eprintln!("device: {reason}");
    let Some(run) = &args.train.resume else {
        let (experiment, stem) = one::new_experiment(args, device)?;
        if !args.seeds.is_empty() {
            return seeds::start(args, experiment, &stem, device);
        }
        let dir = match &args.train.run_dir {
            Some(path) => RunDir::create(path)?,
            None => RunDir::create_numbered(&runs_root(), &experiment.task, &stem)?,
        };
        return Ok(one::train(args, experiment, dir, device)?.into());
    };
    if let Some(folder) = seeds::find(run) {
        return seeds::resume(args, &folder, device);
    }
    let path = run_dir::find(&runs_root(), run)?;
    let (experiment, changes) = one::continued(args, &path)?;
    TrainArgs::echo(&changes);
    Ok(one::train(args, experiment, RunDir::resume(&path)?, device)?.into())
}

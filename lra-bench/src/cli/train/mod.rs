//! `train`: new runs, one or several, or the continuation of what there is.

mod args;
mod one;
mod seeds;

use anyhow::Result;
use program::exit::Exit;
use program::interrupt;
use training::args::echo;
use training::run::Run;
use training::run_dir::RunDir;

use crate::experiment::Experiment;

pub(super) use args::Args;
pub(super) use seeds::find as find_seeds;

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let device = args.train.device.choose()?;
    let Some(run) = &args.train.resume else {
        let (experiment, stem) = one::new_experiment(args, device.device)?;
        if args.train.dry_run {
            return one::dry_run(args, experiment, &device);
        }
        if !args.seeds.is_empty() {
            return seeds::start(args, experiment, &stem, &device);
        }
        let dir = args.train.create_run(&experiment.task, &stem)?;
        return Ok(one::train(args, experiment, dir, &device)?.into());
    };
    if let Some(folder) = seeds::find(run) {
        return seeds::resume(args, &folder, &device);
    }
    let path = Run::<Experiment>::find(run)?;
    let (experiment, changes) = one::continued(args, &path)?;
    echo(&changes);
    Ok(one::train(args, experiment, RunDir::resume(&path)?, &device)?.into())
}

//! `train`, the same in every program: a new run, several at once, or the continuation of what there is.

mod several;
mod sweep;

use std::path::{Path, PathBuf};

use anyhow::Result;
use program::config;
use program::exit::Exit;
use program::interrupt;
use program::output::note;
use tch::Device;

use crate::args::TrainArgs;
use crate::device::Chosen;
use crate::dry_run::dry_run;
use crate::objective::Objective;
use crate::record::Data;
use crate::run::{Experiment, Run};
use crate::run_dir::{self, RunDir};
use crate::train_config::TrainConfig;
use crate::trainer::{Outcome, RunSetup, Splits, Trainer};

pub use sweep::Axis;

/// What differs between the programs that train.
pub trait Program {
    /// What their configuration files hold.
    type Experiment: Experiment + Clone + PartialEq;
    /// What they train.
    type Objective: Objective;

    /// The experiment of a run that does not exist yet, as `args` and other flags have it.
    ///
    /// # Errors
    /// If they ask for nothing, or for what does not exist.
    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Self::Experiment>>;

    /// Its settings of training.
    fn settings(experiment: &mut Self::Experiment) -> &mut TrainConfig;

    /// Flags that stand for settings of `experiment`; then checks these.
    ///
    /// # Errors
    /// If they contradict each other.
    fn apply(&self, args: &TrainArgs, experiment: &mut Self::Experiment) -> Result<()>;

    /// A fresh model and its data; what the data decide is filled in. Says what it found.
    ///
    /// # Errors
    /// If the data cannot be read, or the model cannot be built.
    fn open(
        &self,
        args: &TrainArgs,
        experiment: &mut Self::Experiment,
        device: &Chosen,
    ) -> Result<Opened<Self::Objective>>;

    /// Makes sure that the data are there; what they decide is filled in.
    ///
    /// # Errors
    /// If they cannot be read.
    fn check(&self, args: &TrainArgs, experiment: &mut Self::Experiment) -> Result<()>;

    /// What to do with the finished run in `folder`.
    fn finished(&self, folder: &Path) {
        let _ = folder;
    }

    /// Says how `runs` did, side by side.
    ///
    /// # Errors
    /// If one of them cannot be read.
    fn compare(&self, runs: &[PathBuf]) -> Result<()>;
}

/// A run that does not exist yet.
#[derive(Debug)]
pub struct NewRun<E> {
    /// Its settings.
    pub experiment: E,
    /// The folder below `runs/` in which it is kept.
    pub task: String,
    /// What its name begins with.
    pub stem: String,
    /// What was chosen and changed, one line to print each.
    pub changes: Vec<String>,
}

/// What a run begins with.
pub struct Opened<O: Objective> {
    /// The model and its loss.
    pub objective: O,
    /// The data.
    pub splits: Splits<O::Batch>,
    /// What the run keeps of them.
    pub data: Data,
}

/// Trains as `args` say.
///
/// # Errors
/// If anything is wrong with them, the data or the folder of the run.
pub fn train<P: Program>(program: &P, args: &TrainArgs) -> Result<Exit> {
    interrupt::install();
    let device = args.device.choose()?;
    let Some(run) = &args.resume else {
        if args.is_several() {
            return several::start(program, args, &device);
        }
        let NewRun { mut experiment, task, stem, changes } =
            program.new_run(args, device.device)?;
        echo(&changes);
        program.apply(args, &mut experiment)?;
        if args.dry_run || args.profile {
            let Opened { mut objective, splits, .. } =
                program.open(args, &mut experiment, &device)?;
            dry_run(P::settings(&mut experiment), &mut objective, &splits, args.profile)?;
            return Ok(Exit::Done);
        }
        let dir = args.create_run(&task, &stem)?;
        return Ok(one(program, args, experiment, dir, &device)?.into());
    };
    if let Some(folder) = run_dir::find_group(run_dir::root(), run) {
        return several::resume(program, args, &folder, &device);
    }
    let path = Run::<P::Experiment>::find(run)?;
    let continued = continued(program, args, &path)?;
    echo(&continued.changes);
    Ok(one(program, args, continued.value, RunDir::resume(&path)?, &device)?.into())
}

/// Trains `experiment` in `dir`, to the end or until the user interrupts.
fn one<P: Program>(
    program: &P,
    args: &TrainArgs,
    mut experiment: P::Experiment,
    dir: RunDir,
    device: &Chosen,
) -> Result<Outcome> {
    let Opened { objective, splits, data } = program.open(args, &mut experiment, device)?;
    let path = dir.path().to_owned();
    let config = config::to_toml(&experiment)?;
    let setup = RunSetup { dir, config, data, progress: !args.no_progress };
    let outcome =
        Trainer::new(P::settings(&mut experiment).clone(), objective, splits, setup)?.run()?;
    if let Outcome::Finished(_) = outcome {
        program.finished(&path);
    }
    Ok(outcome)
}

/// The settings of the run in `path` with what the flags change.
fn continued<P: Program>(
    program: &P,
    args: &TrainArgs,
    path: &Path,
) -> Result<config::Loaded<P::Experiment>> {
    let mut loaded = P::Experiment::read(&run_dir::config_file(path), &args.overrides)?;
    program.apply(args, &mut loaded.value)?;
    Ok(loaded)
}

/// Prints what was changed, and what has no effect.
fn echo(changes: &[String]) {
    for change in changes {
        note(change);
    }
}

//! `train`, the same in every program: a new run, several at once, or the continuation of what there is.

mod several;
mod sweep;
mod together;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use distributed::World;
use program::config;
use program::exit::{Exit, describe, usage};
use program::interrupt;
use program::output::{note, say};
use tch::Device;

use crate::args::TrainArgs;
use crate::device::Chosen;
use crate::dry_run::dry_run;
use crate::objective::Objective;
use crate::record::Data;
use crate::run::{self, Experiment, Run};
use crate::run_dir::{self, RunDir};
use crate::train_config::TrainConfig;
use crate::trainer::{Outcome, RunSetup, Splits, Trainer, figures};

pub use sweep::Axis;

/// What differs between the programs that train.
pub trait Program: Sync {
    /// What their configuration files hold.
    type Experiment: Experiment + Clone + PartialEq + Sync;
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
    together::train(args, |args, world| train_among(program, args, world))
}

/// Trains as one of several processes, or alone.
fn train_among<P: Program>(program: &P, args: &TrainArgs, world: &World) -> Result<Exit> {
    let device = args.device.choose_on(world.on_machine())?;
    world.on_device(device.device)?;
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
        let dir = RunDir::among(world, || args.create_run(&task, &stem))?;
        let path = dir.path().to_owned();
        let outcome = one(program, args, experiment, dir, &device, world)?;
        return Ok(told(outcome, &path, world).into());
    };
    if let Some(folder) = run_dir::find_group(run_dir::root(), run) {
        if !world.is_alone() {
            return Err(usage(format!(
                "{run} holds several runs, each for one process: leave --processes out, or name one of them"
            )));
        }
        return several::resume(program, args, &folder, &device);
    }
    let path = Run::<P::Experiment>::find(run)?;
    let Continued { after, .. } = continued(program, args, &path)?;
    echo(&after.changes);
    let dir = RunDir::among(world, || RunDir::resume(&path))?;
    let outcome = one(program, args, after.value, dir, &device, world)?;
    Ok(told(outcome, &path, world).into())
}

/// Trains the run in `folder` as `args` say, which need not name it, or goes on with it where it is
/// there; for programs that train several and say of all what came of them.
///
/// # Errors
/// As [`train`].
pub fn train_in<P: Program>(program: &P, args: &TrainArgs, folder: &Path) -> Result<Outcome> {
    interrupt::install();
    let device = args.device.choose()?;
    if run_dir::config_file(folder).is_file() {
        let Continued { after, .. } = continued(program, args, folder)?;
        let dir = RunDir::resume(folder)?;
        return one(program, args, after.value, dir, &device, &World::alone());
    }
    let NewRun { mut experiment, .. } = program.new_run(args, device.device)?;
    program.apply(args, &mut experiment)?;
    one(program, args, experiment, RunDir::create(folder)?, &device, &World::alone())
}

/// Prints what came of the run in `folder`, for whoever reads results alone.
fn told(outcome: Outcome, folder: &Path, world: &World) -> Outcome {
    if let (Outcome::Finished(summary), true) = (&outcome, world.is_first()) {
        let evaluation = summary.test.as_ref().map(|test| ("test", test));
        let evaluation = evaluation.or(summary.val.as_ref().map(|val| ("val", val)));
        let figures = evaluation.map_or_else(String::new, |(split, evaluation)| {
            format!("  {split}: {}", figures(evaluation.loss, &evaluation.metrics))
        });
        // No output is worth a run.
        if let Err(error) = say(format_args!("{}{figures}", folder.display())) {
            note(format_args!("warning: {}", describe(&error)));
        }
    }
    outcome
}

/// Trains `experiment` in `dir`, to the end or until the user interrupts.
fn one<P: Program>(
    program: &P,
    args: &TrainArgs,
    mut experiment: P::Experiment,
    dir: RunDir,
    device: &Chosen,
    world: &World,
) -> Result<Outcome> {
    let Some(shards) = P::settings(&mut experiment).shards else {
        return as_rank(program, args, experiment, dir, device, world);
    };
    ensure!(
        device.device == Device::Cpu,
        "train.shards is for a CPU, as a GPU adds up in no fixed order, and this is {:?}: use --device cpu, \
         or leave it out",
        device.device
    );
    let (experiment, dir) = (&experiment, &Mutex::new(Some(dir)));
    world.divided(shards, |world| {
        let open = || dir.lock().unwrap_or_else(PoisonError::into_inner).take();
        let dir = RunDir::among(world, || open().context("the first shard has the run"))?;
        as_rank(program, args, experiment.clone(), dir, device, world)
    })
}

/// [`one`], as one of the ranks of `world`.
fn as_rank<P: Program>(
    program: &P,
    args: &TrainArgs,
    mut experiment: P::Experiment,
    dir: RunDir,
    device: &Chosen,
    world: &World,
) -> Result<Outcome> {
    let open = || program.open(args, &mut experiment, device);
    let Opened { objective, splits, data } = world.first_on_machine(open)?;
    let path = dir.path().to_owned();
    let settings = P::settings(&mut experiment);
    if let (Some(init), Some(_)) = (&mut settings.init, &settings.adapt) {
        init.identify()?;
    }
    let config = config::to_toml(&experiment)?;
    let (progress, world) = (!args.no_progress, world.clone());
    let is_first = world.is_first();
    let setup = RunSetup { dir, config, data, progress, world };
    let outcome =
        Trainer::new(P::settings(&mut experiment).clone(), objective, splits, setup)?.run()?;
    if let (Outcome::Finished(_), true) = (&outcome, is_first) {
        program.finished(&path);
    }
    Ok(outcome)
}

/// A run that goes on: its settings, and what they become by the flags.
struct Continued<E> {
    before: E,
    after: config::Loaded<E>,
}

/// The run in `path` that goes on as `args` and other flags have it.
fn continued<P: Program>(
    program: &P,
    args: &TrainArgs,
    path: &Path,
) -> Result<Continued<P::Experiment>> {
    let mut before = run::settings::<P::Experiment>(path, &[])?.value;
    let mut after = run::settings::<P::Experiment>(path, &args.overrides)?;
    program.apply(args, &mut after.value)?;
    let seed = P::settings(&mut before).seed;
    if seed != P::settings(&mut after.value).seed {
        return Err(usage(format!(
            "{} was begun with seed {seed}, which stays: leave --seed and train.seed out, or begin \
             another run",
            path.display()
        )));
    }
    Ok(Continued { before, after })
}

/// Prints what was changed, and what has no effect.
fn echo(changes: &[String]) {
    for change in changes {
        note(change);
    }
}

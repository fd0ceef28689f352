//! `train`: a new run, or the continuation of one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use program::config;
use program::exit::{Exit, usage};
use program::interrupt;
use s4_core::conv::plan;
use tch::Device;
use training::args::{TrainArgs, echo};
use training::run::Experiment as _;
use training::run_dir::{self, RunDir};
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use super::seeds;
use crate::experiment::Experiment;
use crate::objective::Classification;
use crate::tasks;

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// What to train on; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    task: Option<String>,
    /// Folder with the task's files in their official layout
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// One run with each of these seeds, e.g. 1,2,3, and their mean and standard deviation
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with_all = ["seed", "resume"])]
    pub(super) seeds: Vec<u64>,
    #[command(flatten)]
    pub(super) train: TrainArgs,
}

impl Args {
    /// Flags that stand for settings; then checks these.
    pub(super) fn apply(&self, experiment: &mut Experiment) -> Result<()> {
        if let Some(data) = &self.data {
            experiment.data.dir = Some(data.clone());
        }
        self.train.apply(&mut experiment.train);
        experiment.validate()
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install()?;
    let device = args.train.device.choose()?.announce();
    let Some(run) = &args.train.resume else {
        let (experiment, stem) = new_experiment(args, device)?;
        if !args.seeds.is_empty() {
            return seeds::start(args, experiment, &stem, device);
        }
        let dir = args.train.create_run(&experiment.task, &stem)?;
        return Ok(train(args, experiment, dir, device)?.into());
    };
    if let Some(folder) = seeds::find(run) {
        return seeds::resume(args, &folder, device);
    }
    let path = run_dir::find(run_dir::root(), run)?;
    let (experiment, changes) = continued(args, &path)?;
    echo(&changes);
    Ok(train(args, experiment, RunDir::resume(&path)?, device)?.into())
}

/// Trains what `experiment` says in `dir`, to the end or until the user interrupts.
pub(super) fn train(
    args: &Args,
    mut experiment: Experiment,
    dir: RunDir,
    device: Device,
) -> Result<Outcome> {
    let splits = open(&mut experiment)?;
    eprintln!("data: {}", splits.origin);
    let objective = Classification::new(&experiment, splits.shape, device)?;
    if experiment.model.backbone().is_ssm() {
        let length = splits.train.batch(&[0])?.length as i64;
        eprintln!("convolution: {}", plan::summary(&objective.model().explain(length)));
    }
    let setup =
        RunSetup { dir, config: config::to_toml(&experiment)?, progress: !args.train.no_progress };
    let splits = Splits { train: splits.train, val: Some(splits.val), test: Some(splits.test) };
    Trainer::new(experiment.train, objective, splits, setup)?.run()
}

/// The data of `experiment`. What it decides, and the model's defaults, become settings: these are
/// kept with the run.
pub(super) fn open(experiment: &mut Experiment) -> Result<tasks::Splits> {
    let task = experiment.task()?;
    let splits =
        (task.open)(&experiment.data).with_context(|| format!("the data of {}", task.name))?;
    experiment.data = splits.config.clone();
    Ok(splits)
}

/// The settings of the run in `path` with what the flags change, and these changes.
pub(super) fn continued(args: &Args, path: &Path) -> Result<(Experiment, Vec<String>)> {
    let loaded = Experiment::read(&run_dir::config_file(path), &args.train.overrides)?;
    let mut experiment = loaded.value;
    args.apply(&mut experiment)?;
    Ok((experiment, loaded.changes))
}

/// The settings of a run that does not exist yet, and what its name begins with.
fn new_experiment(args: &Args, device: Device) -> Result<(Experiment, String)> {
    if args.task.is_none() && args.train.config.is_none() {
        return Err(usage(
            "nothing to do: name a task with --task (`lra-bench tasks` lists them), a file with \
             --config, or a run with --resume; --help has the rest",
        ));
    }
    let task = args.task.as_deref();
    let (mut experiment, stem): (Experiment, _) = args.train.experiment(device, |name, set| {
        let task = tasks::find(task.unwrap_or_default())?;
        Ok((Experiment::preset(task, name.parse()?, set)?, name.to_owned()))
    })?;
    if let Some(task) = task {
        task.clone_into(&mut experiment.task);
    }
    args.apply(&mut experiment)?;
    Ok((experiment, stem))
}

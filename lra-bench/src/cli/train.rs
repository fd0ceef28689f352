//! `train`: a new run, or the continuation of one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use program::config;
use program::exit::{Exit, usage};
use program::interrupt;
use s4_core::conv::plan;
use tch::Device;
use training::device::Chosen;
use training::run_dir::{self, RunDir};
use training::train_args::TrainArgs;
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use super::{runs_root, seeds};
use crate::experiment::{Experiment, Preset};
use crate::objective::Classification;
use crate::tasks;

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// What to train on; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    task: Option<String>,
    /// Ready-made settings [default: paper on a GPU, small on a CPU]
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PresetName {
    /// The papers' settings.
    Paper,
    /// Small enough for a CPU.
    Small,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Paper => Preset::Paper,
            PresetName::Small => Preset::Small,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install()?;
    let Chosen { device, reason } = args.train.device.choose()?;
    eprintln!("device: {reason}");
    let Some(run) = &args.train.resume else {
        let (experiment, stem) = new_experiment(args, device)?;
        if !args.seeds.is_empty() {
            return seeds::start(args, experiment, &stem, device);
        }
        let dir = match &args.train.run_dir {
            Some(path) => RunDir::create(path)?,
            None => RunDir::create_numbered(&runs_root(), &experiment.task, &stem)?,
        };
        return Ok(train(args, experiment, dir, device)?.into());
    };
    if let Some(folder) = seeds::find(run) {
        return seeds::resume(args, &folder, device);
    }
    let path = run_dir::find(&runs_root(), run)?;
    let (experiment, changes) = continued(args, &path)?;
    TrainArgs::echo(&changes);
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
    if !experiment.model.mixer.is_s4() {
        let name = experiment.model.name();
        eprintln!("model: {name}; model.layer is for S4 and has no effect");
    }
    let objective = Classification::new(&experiment, splits.shape, device)?;
    if experiment.model.mixer.is_s4() {
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
    experiment.model = experiment.model.clone().complete();
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
    let (loaded, stem) = match (&args.train.config, &args.task) {
        (Some(file), task) => {
            let mut loaded = Experiment::read(file, &args.train.overrides)?;
            if let Some(task) = task {
                loaded.value.task.clone_from(task);
            }
            let stem = file.file_stem().map_or("config".into(), |s| s.to_string_lossy());
            (loaded, stem.into_owned())
        }
        (None, Some(task)) => {
            let preset = args.preset.map_or_else(|| default_preset(device), Preset::from);
            (
                Experiment::preset(tasks::find(task)?, preset, &args.train.overrides)?,
                preset.to_string(),
            )
        }
        (None, None) => {
            return Err(usage(
                "nothing to do: name a task with --task (`lra-bench tasks` lists them), a file \
                 with --config, or a run with --resume; --help has the rest",
            ));
        }
    };
    TrainArgs::echo(&loaded.changes);
    let mut experiment = loaded.value;
    args.apply(&mut experiment)?;
    Ok((experiment, stem))
}

/// `paper` where a GPU makes it feasible, `small` elsewhere.
fn default_preset(device: Device) -> Preset {
    let (preset, because) = match device {
        Device::Cpu => (Preset::Small, "on a CPU; --preset paper has the papers' settings"),
        _ => (Preset::Paper, "on a GPU"),
    };
    eprintln!("preset: {preset}, as is the default {because}");
    preset
}

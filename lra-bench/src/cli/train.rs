//! `train`: a new run, or the continuation of one.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use tch::Device;
use training::config;
use training::device::Chosen;
use training::exit::{Exit, usage};
use training::interrupt;
use training::run_dir::{self, RunDir};
use training::train_args::TrainArgs;
use training::trainer::{RunSetup, Splits, Trainer};

use super::runs_root;
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
    #[command(flatten)]
    train: TrainArgs,
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
    let (mut experiment, dir) = match &args.train.resume {
        Some(run) => {
            let path = run_dir::find(&runs_root(), run)?;
            let loaded = Experiment::read(&run_dir::config_file(&path), &args.train.overrides)?;
            TrainArgs::echo(&loaded.changes);
            (loaded.value, RunDir::resume(&path)?)
        }
        None => new_run(args, device)?,
    };
    if let Some(data) = &args.data {
        experiment.data.dir = Some(data.clone());
    }
    args.train.apply(&mut experiment.train);
    experiment.validate()?;

    let task = experiment.task()?;
    let splits =
        (task.open)(&experiment.data).with_context(|| format!("the data of {}", task.name))?;
    eprintln!("data: {}", splits.origin);
    let objective = Classification::new(&experiment, task, device)?;
    let setup =
        RunSetup { dir, config: config::to_toml(&experiment)?, progress: !args.train.no_progress };
    let splits = Splits { train: splits.train, val: Some(splits.val), test: Some(splits.test) };
    let mut trainer = Trainer::new(experiment.train, objective, splits, setup)?;
    Ok(trainer.run()?.into())
}

/// The settings and the folder of a run that does not exist yet.
fn new_run(args: &Args, device: Device) -> Result<(Experiment, RunDir)> {
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
    let experiment = loaded.value;
    let dir = match &args.train.run_dir {
        Some(path) => RunDir::create(path)?,
        None => RunDir::create_numbered(&runs_root(), &experiment.task, &stem)?,
    };
    Ok((experiment, dir))
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

//! The command line flags that programs share.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use program::config::Loaded;
use strum::Display;
use tch::Device;

use crate::command::Axis;
use crate::device::DeviceRequest;
use crate::init::InitConfig;
use crate::run::Experiment;
use crate::run_dir::{self, RunDir};
use crate::train_config::TrainConfig;

/// Flags of `train`; a program adds its own for data.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Ready-made settings: small, paper, or others that the program has [default: paper on a GPU,
    /// small on a CPU]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Settings from a file instead of a preset
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub config: Option<PathBuf>,
    /// Change one setting, e.g. model.d_model=64; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: DeviceRequest,
    /// Fixes data order, initialisation and dropout
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One run with each of these seeds, e.g. 1,2,3, to be compared
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with_all = ["seed", "resume"])]
    pub(crate) seeds: Vec<u64>,
    /// One run with each of these values of a setting, e.g. train.optimizer.lr=1e-3,3e-3; given again,
    /// with each combination
    #[arg(long, value_name = "KEY=VALUE,...", conflicts_with = "resume")]
    pub(crate) sweep: Vec<Axis>,
    /// Where to keep the run [default: the next free number in runs/]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub run_dir: Option<PathBuf>,
    /// Go on with this run, from its last checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    pub resume: Option<String>,
    /// Begin with the weights of this run or file, as far as they have the same names
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume")]
    pub init_from: Option<String>,
    /// Stop after this many steps in all
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Passes over the training data, in place of the preset's
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// How data is read.
    #[command(flatten)]
    pub data: DataArgs,
    /// Read the data, build the model, make a few steps, and say what the run would take; make no run
    #[arg(long, conflicts_with_all = ["resume", "run_dir", "seeds", "sweep"])]
    pub(crate) dry_run: bool,
    /// As --dry-run, and which operations the time goes to, as a table
    #[arg(long, conflicts_with_all = ["resume", "run_dir", "seeds", "sweep"])]
    pub(crate) profile: bool,
    /// Train one run with this many processes on this machine, which share its threads, or have a GPU
    /// each; the batch is divided among them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..),
          conflicts_with_all = ["seeds", "sweep", "dry_run", "profile"])]
    processes: Option<u16>,
    /// How many seconds several processes wait for one that does not answer
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    pub(crate) timeout: f64,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    pub no_progress: bool,
}

/// Flags about reading data, in `train` and `evaluate`.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Damaged files and others that would be left out of the data are an error
    #[arg(long)]
    pub strict: bool,
    /// Where to keep what is decoded or generated [default: data/cache, or where that cannot be
    /// written, ~/.cache/s4/data]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl TrainArgs {
    /// How many processes they ask for.
    pub(crate) fn processes(&self) -> Option<usize> {
        self.processes.map(usize::from)
    }

    /// Whether they ask for more than one new run.
    pub(crate) fn is_several(&self) -> bool {
        !self.seeds.is_empty() || !self.sweep.is_empty()
    }

    /// The experiment of a new run and the name of its settings: those of `--config`, or else of
    /// what `preset` finds by the name of a preset, for which `paper` is the default on a GPU and
    /// `small` on a CPU. Its changes tell of that choice too.
    ///
    /// # Errors
    /// If the file cannot be read, there is no such preset, or an override is wrong.
    pub fn experiment<E: Experiment>(
        &self,
        device: Device,
        preset: impl FnOnce(&str, &[String]) -> Result<(Loaded<E>, String)>,
    ) -> Result<(Loaded<E>, String)> {
        let (name, choice) = match (&self.config, &self.preset) {
            (Some(file), _) => {
                let stem = file.file_stem().map_or("config".into(), |s| s.to_string_lossy());
                return Ok((E::read(file, &self.overrides)?, stem.into_owned()));
            }
            (None, Some(name)) => (&**name, None),
            (None, None) => match device {
                Device::Cpu => ("small", Some("CPU; --preset paper has the papers' settings")),
                _ => ("paper", Some("GPU")),
            },
        };
        let (mut loaded, stem) = preset(name, &self.overrides)?;
        if let Some(because) = choice {
            loaded.changes.insert(0, format!("preset: {name} (default on a {because})"));
        }
        Ok((loaded, stem))
    }

    /// Flags that stand for settings.
    pub fn apply(&self, config: &mut TrainConfig) {
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        if let Some(from) = &self.init_from {
            match &mut config.init {
                Some(init) => init.from.clone_from(from),
                None => config.init = Some(InitConfig::new(from.clone())),
            }
        }
        if let Some(epochs) = self.epochs {
            config.epochs = Some(epochs);
            config.steps = None;
        }
        if let Some(steps) = self.max_steps {
            config.steps = Some(steps);
        }
    }

    /// The folder of a new run: that of `--run-dir`, or the next free number of `stem` for `task`.
    ///
    /// # Errors
    /// If it holds a run already, or cannot be made.
    pub(crate) fn create_run(&self, task: &str, stem: &str) -> Result<RunDir> {
        match &self.run_dir {
            Some(path) => RunDir::create(path),
            None => RunDir::create_numbered(run_dir::root(), task, stem),
        }
    }
}

/// Flags of `evaluate`; a program adds its own for data.
#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    pub run: String,
    /// What to evaluate on
    #[arg(long, value_enum, default_value = "test")]
    pub split: EvalSplit,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: DeviceRequest,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    /// How data is read.
    #[command(flatten)]
    pub data: DataArgs,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    pub no_progress: bool,
}

/// A split that is not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, ValueEnum)]
#[strum(serialize_all = "lowercase")]
pub enum EvalSplit {
    /// Examined once, at the end.
    Test,
    /// Chooses the best weights.
    Val,
}

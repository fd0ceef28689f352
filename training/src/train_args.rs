//! The command line flags that every training program has.

use std::path::PathBuf;

use clap::Args;

use crate::device::DeviceRequest;
use crate::train_config::TrainConfig;

/// Flags of `train`; a program adds its own for data and presets.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
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
    /// Where to keep the run [default: the next free number in runs/]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub run_dir: Option<PathBuf>,
    /// Go on with this run, from its last checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    pub resume: Option<String>,
    /// Stop after this many steps in all
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Passes over the training data, in place of the preset's
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    pub no_progress: bool,
}

impl TrainArgs {
    /// Flags that stand for settings.
    pub fn apply(&self, config: &mut TrainConfig) {
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        if let Some(epochs) = self.epochs {
            config.epochs = Some(epochs);
            config.steps = None;
        }
        if let Some(steps) = self.max_steps {
            config.steps = Some(steps);
        }
    }

    /// Tells which settings were changed with `--set`.
    pub fn echo(changes: &[String]) {
        for change in changes {
            eprintln!("set: {change}");
        }
    }
}

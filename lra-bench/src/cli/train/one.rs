//! One run: new, or the continuation of one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use datasets::tasks;
use program::config;
use program::exit::usage;
use s4_core::conv::plan;
use tch::Device;
use training::run_dir::{self, RunDir};
use training::train_args::TrainArgs;
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use super::args::Args;
use crate::experiment::{Experiment, Preset};
use crate::objective::Classification;

/// Trains what `experiment` says in `dir`, to the end or until the user interrupts.
pub(super) fn train(
    args: &Args,
    mut experiment: Experiment,
    dir: RunDir,
    device: Device,
) -> Result<Outcome> {
    let splits = experiment.open(!args.train.no_progress)?;
    eprintln!("data: {}", splits.origin);
    if !experiment.model.mixer.is_s4() {
        let name = experiment.model.name();
        eprintln!("model: {name}; model.layer is for S4 and has no effect");
    }
    let objective = Classification::new(&experiment, (&splits.shape).try_into()?, device)?;
    if experiment.model.mixer.is_s4() {
        let length = splits.train.batch(&[0])?.length as i64;
        eprintln!("convolution: {}", plan::summary(&objective.model().explain(length)));
    }
    let setup =
        RunSetup { dir, config: config::to_toml(&experiment)?, progress: !args.train.no_progress };
    let tasks::Splits { train, val, test, .. } = splits;
    let splits =
        Splits { train: Arc::new(train), val: Some(Arc::new(val)), test: Some(Arc::new(test)) };
    Trainer::new(experiment.train, objective, splits, setup)?.run()
}

/// The settings of the run in `path` with what the flags change, and these changes.
pub(super) fn continued(args: &Args, path: &Path) -> Result<(Experiment, Vec<String>)> {
    let loaded = Experiment::read(&run_dir::config_file(path), &args.train.overrides)?;
    let mut experiment = loaded.value;
    args.apply(&mut experiment)?;
    Ok((experiment, loaded.changes))
}

/// The settings of a run that does not exist yet, and what its name begins with.
pub(super) fn new_experiment(args: &Args, device: Device) -> Result<(Experiment, String)> {
    let (loaded, stem) = match (&args.train.config, &args.task) {
        (Some(file), task) => {
            let task = task.iter().map(|task| format!("task={task}"));
            let overrides: Vec<_> = task.chain(args.train.overrides.iter().cloned()).collect();
            let loaded = Experiment::read(file, &overrides)?;
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
    eprintln!("preset: {preset} (default {because})");
    preset
}

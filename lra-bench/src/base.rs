//! The network of a run that others start from.

use std::fs;

use anyhow::{Context, Result};
use program::config::{self, Loaded};
use s4_config::NetworkConfig;
use serde::Deserialize;
use training::checkpoint::Checkpoint;
use training::train_config::TrainConfig;
use training::{run, run_dir};

use crate::experiment::Experiment;

/// What is read of the settings of a run, of this program or of `sashimi`.
#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    model: Option<NetworkConfig>,
}

/// The same, of how it was trained.
#[derive(Deserialize)]
struct Trained {
    #[serde(default)]
    train: TrainConfig,
}

/// The network of the run that `name` means.
///
/// # Errors
/// If there is no such run, or it has none.
pub(crate) fn network(name: &str) -> Result<NetworkConfig> {
    let folder = run_dir::find(run_dir::root(), name)?;
    let file = run_dir::config_file(&folder);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let Settings { model } = toml::from_str(&text).with_context(|| file.display().to_string())?;
    let model = model.filter(|model| model.condition.is_none());
    model.with_context(|| format!("{name} has no network ([model]) for sequences"))
}

/// Examples that the best weights of the run `name` were trained on, each as often as it was seen.
///
/// # Errors
/// If there is no such run.
pub(crate) fn examples(name: &str) -> Result<u64> {
    let checkpoint = Checkpoint::load_best(&run_dir::find(run_dir::root(), name)?)?;
    let settings: Trained = toml::from_str(&checkpoint.meta.config).context("its settings")?;
    let batch = settings.train.batch_size * settings.train.accumulate;
    Ok(checkpoint.meta.state.step * batch as u64)
}

/// `experiment` with the network of the run `from`, changed by `overrides`; how its outputs are pooled
/// stays.
///
/// # Errors
/// As [`network`], or if an override is wrong.
pub(crate) fn with_network_of(
    from: &str,
    experiment: &Experiment,
    overrides: &[String],
) -> Result<Experiment> {
    let pooling = experiment.model.pooling;
    let model = NetworkConfig { pooling, ..network(from).context("--init-from")? };
    let text = config::to_toml(&Experiment { model, ..experiment.clone() })?;
    let of_model: Vec<String> =
        overrides.iter().filter(|set| set.starts_with("model.")).cloned().collect();
    let loaded: Loaded<Experiment> = run::Experiment::parse(from, &text, &of_model)?;
    Ok(loaded.value)
}

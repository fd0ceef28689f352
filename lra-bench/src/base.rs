//! The network of a run that others start from.

use std::fs;

use anyhow::{Context, Result};
use program::config::{self, Loaded};
use s4_config::NetworkConfig;
use serde::de::DeserializeOwned;
use toml::{Table, Value};
use training::checkpoint::Checkpoint;
use training::train_config::TrainConfig;
use training::{run, run_dir};

use crate::experiment::Experiment;

/// The section `section` of a run's settings, of this program or of `sashimi`; `None` if it has none.
fn read<T: DeserializeOwned>(section: &str, name: &str, settings: &str) -> Result<Option<T>> {
    let mut settings: Table = settings.parse().with_context(|| name.to_owned())?;
    let Some(Value::Table(table)) = settings.remove(section) else { return Ok(None) };
    Ok(Some(config::section(section, name, &table).with_context(|| name.to_owned())?))
}

/// The network of the run that `name` means.
///
/// # Errors
/// If there is no such run, or it has none.
pub(crate) fn network(name: &str) -> Result<NetworkConfig> {
    let folder = run_dir::find(run_dir::root(), name)?;
    let file = run_dir::config_file(&folder);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let model = read("model", &file.display().to_string(), &text)?;
    let model = model.filter(|model: &NetworkConfig| model.condition.is_none());
    model.with_context(|| format!("{name} has no network ([model]) for sequences"))
}

/// Examples that the best weights of the run `name` were trained on, each as often as it was seen.
///
/// # Errors
/// If there is no such run.
pub(crate) fn examples(name: &str) -> Result<u64> {
    let checkpoint = Checkpoint::load_best(&run_dir::find(run_dir::root(), name)?)?;
    let train = read("train", name, &checkpoint.meta.config)?;
    let TrainConfig { batch_size, accumulate, .. } = train.unwrap_or_default();
    let batch = batch_size * accumulate;
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

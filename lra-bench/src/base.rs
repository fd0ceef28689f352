//! The network of a run that others start from.

use std::fs;

use anyhow::{Context, Result, ensure};
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

/// The file of the settings of the run that `name` means, and what is in it.
fn settings(name: &str) -> Result<(String, String)> {
    let path = run_dir::config_file(&run_dir::find(run_dir::root(), name)?);
    let file = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| file.clone())?;
    Ok((file, text))
}

/// The network of the run that `name` means.
///
/// # Errors
/// If there is no such run, or it has none.
pub(crate) fn network(name: &str) -> Result<NetworkConfig> {
    let (file, text) = settings(name)?;
    let model = read("model", &file, &text)?;
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

/// How runs of `sashimi` make codes of recordings, and at which sampling rate, if `name` is one.
fn codes(name: &str) -> Result<Option<(Table, Option<Value>)>> {
    let (file, text) = settings(name)?;
    let settings: Table = text.parse().context(file)?;
    let data = settings.get("data").and_then(Value::as_table);
    // Those of this program name a task.
    let data =
        data.filter(|data| !settings.contains_key("task") && data.contains_key("companding"));
    let Some(data) = data else { return Ok(None) };
    let keys = ["companding", "bits", "scaling"];
    let codes = keys.iter().filter_map(|key| Some(((*key).to_owned(), data.get(*key)?.clone())));
    Ok(Some((codes.collect(), data.get("sample_rate").cloned())))
}

/// Makes `experiment`'s data what the run `from` knows: of a run of `sashimi` codes, of recordings at its
/// sampling rate. What the settings say of codes stays, and a rate that is among `overrides`.
///
/// # Errors
/// If there is no such run, or the task has no codes.
pub(crate) fn prepare(from: &str, experiment: &mut Experiment, overrides: &[String]) -> Result<()> {
    let Some((codes, sample_rate)) = codes(from)? else { return Ok(()) };
    let schema = (experiment.task()?.section.schema)();
    let has = |key: &str| schema.get("properties").is_some_and(|it| it.get(key).is_some());
    ensure!(
        has("codes"),
        "{from} is a model of codes of sound, which {} does not have: it can be adapted to fsdd, \
         speech-commands and folder",
        experiment.task
    );
    experiment.data.entry("codes").or_insert(Value::Table(codes));
    // What is there may be the task's default.
    let is_set = overrides.iter().any(|set| set.starts_with("data.sample_rate"));
    if let Some(sample_rate) = sample_rate.filter(|_| !is_set) {
        experiment.data.insert("sample_rate".to_owned(), sample_rate);
    }
    Ok(())
}

/// `experiment` with the network of the run `from`, changed by `overrides`; how its outputs are pooled
/// and what surrounds forecasts stays. Its data is [prepared](prepare) for it.
///
/// # Errors
/// As [`network`] and [`prepare`], or if an override is wrong.
pub(crate) fn with_network_of(
    from: &str,
    experiment: &Experiment,
    overrides: &[String],
) -> Result<Experiment> {
    let NetworkConfig { pooling, forecast, .. } = experiment.model.clone();
    let model = NetworkConfig { pooling, forecast, ..network(from).context("--init-from")? };
    let text = config::to_toml(&Experiment { model, ..experiment.clone() })?;
    let of_model: Vec<String> =
        overrides.iter().filter(|set| set.starts_with("model.")).cloned().collect();
    let loaded: Loaded<Experiment> = run::Experiment::parse(from, &text, &of_model)?;
    let mut experiment = loaded.value;
    prepare(from, &mut experiment, overrides)?;
    Ok(experiment)
}

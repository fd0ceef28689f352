//! Which experiment a checkpoint of the official code is of.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use official::args::ImportArgs;
use official::source::{Family, Source};
use official::{settings, shapes};
use program::config::Loaded;
use program::output::note;
use serde_json::Value as Json;
use toml::{Table, Value};
use training::run::Experiment as _;

use crate::experiment::{Experiment, Preset};

/// The experiment of `source`: its own settings, or those of `--config`, or those of `preset` with what
/// its weights say; and on top of them what `--set` says.
///
/// # Errors
/// If the file's settings have no equal here.
pub fn experiment(
    source: &Source,
    args: &ImportArgs,
    preset: Option<&str>,
) -> Result<Loaded<Experiment>> {
    let mut overrides = args.overrides.clone();
    if source.is_version_3 && source.family() == Family::Network {
        overrides.insert(0, "model.layer.ssm.dt_transform=exp".to_owned());
    }
    if let Some(file) = &args.config {
        return Experiment::read(file, &overrides);
    }
    let named = || source.path.display().to_string();
    let (preset, mut upper) = match (source.family(), &source.hyper_parameters) {
        (Family::Diffusion, _) => diffusion(source, preset).with_context(named)?,
        (Family::Network, Some(hyper)) => codes(hyper, preset).with_context(named)?,
        (Family::Network, None) => bare(source, preset).with_context(named)?,
    };
    let mut table = preset.table()?;
    let model = upper.remove("model");
    if source.hyper_parameters.is_some() {
        table.extend(model.map(|model| ("model".to_owned(), model))); // Nothing of it is the preset's.
    } else {
        if let Some(Value::Table(model)) = model {
            settings::lay_shapes_over(&mut table, model);
        }
        note(format_args!(
            "the file has no settings: those that its weights do not show (activation, dt_transform, \
             sampling rate, ...) are of the preset {}; --set changes them",
            preset.name
        ));
    }
    settings::lay_over(&mut table, upper);
    let text = toml::to_string(&table)?;
    Experiment::parse(&format!("settings of {}", named()), &text, &overrides)
}

fn sections<const N: usize>(sections: [(&str, Table); N]) -> Table {
    sections.map(|(name, table)| (name.to_owned(), table.into())).into_iter().collect()
}

/// A model of codes that says itself what it is.
fn codes(hyper: &Json, preset: Option<&str>) -> Result<(&'static Preset, Table)> {
    let dataset = &hyper["dataset"];
    let name = dataset["_name_"].as_str().unwrap_or("no data set");
    if name != "qautoaudio" {
        bail!(
            "hyper_parameters.dataset._name_ is \"{name}\", which is not audio: import it with lra-bench"
        );
    }
    let path = dataset["path"].as_str().unwrap_or_default().to_lowercase();
    let known = ["beethoven", "sc09"].into_iter().find(|name| path.contains(name));
    let preset = Preset::find(preset.or(known).unwrap_or("youtubemix"))?;
    let mut data = Table::new();
    let keys = [("bits", "bits"), ("length", "sample_len")];
    for (key, theirs) in keys {
        data.extend(dataset[theirs].as_i64().map(|value| (key.to_owned(), value.into())));
    }
    let companding = dataset["quantization"].as_str();
    data.extend(companding.map(|name| ("companding".to_owned(), name.into())));
    settings::tell_of_averages(hyper);
    let mut model = settings::model(hyper)?;
    model.remove("pooling"); // Every position has an output.
    Ok((preset, sections([("model", model), ("data", data), ("train", settings::train(hyper))])))
}

/// A model of codes whose file has weights alone.
fn bare(source: &Source, preset: Option<&str>) -> Result<(&'static Preset, Table)> {
    let preset = Preset::find(preset.unwrap_or("youtubemix"))?;
    let ends = shapes::ends(&source.weights)?;
    ensure!(
        ends.tokens == Some(ends.outputs),
        "it takes {:?} codes and gives {}; a model of audio gives as many as it takes. Models of other \
         things are imported with lra-bench",
        ends.tokens,
        ends.outputs
    );
    let mut data = length(source);
    if ends.outputs.count_ones() == 1 {
        data.insert("bits".to_owned(), i64::from(ends.outputs.trailing_zeros()).into());
    }
    Ok((preset, sections([("model", shapes::model(&source.weights)?), ("data", data)])))
}

/// A noise network, whose file has weights alone.
fn diffusion(source: &Source, preset: Option<&str>) -> Result<(&'static Preset, Table)> {
    let network = shapes::noise_network(&source.weights)?;
    let is_wavenet = network.contains_key("wavenet");
    let known = match (network.contains_key("mel"), is_wavenet) {
        (true, _) => "ljspeech",
        (false, true) => "sc09-diffwave-wavenet",
        (false, false) => "sc09-diffwave",
    };
    let preset = Preset::find(preset.unwrap_or(known))?;
    let mut diffusion = of_path(&source.path);
    if !diffusion.contains_key("steps") {
        note(
            "neither the file nor its path says how much noise there was (diffusion.steps, beta_first, \
             beta_last): it is taken from the preset; --set changes it",
        );
    }
    diffusion.insert("network".to_owned(), network.into());
    Ok((preset, sections([("diffusion", diffusion), ("data", length(source))])))
}

/// Samples that the finest layers have C̃ for: those of a clip in training.
fn length(source: &Source) -> Table {
    let lengths = models::c_tilde_lengths(&source.weights).into_iter().map(|(_, length)| length);
    lengths.max().map(|length| ("length".to_owned(), Value::Integer(length))).into_iter().collect()
}

/// What the official code writes into the name of a run's folder: `unet_d64_n6_..._T200_betaT0.02_uncond`.
fn of_path(path: &Path) -> Table {
    let mut table = Table::new();
    let words = path.components().filter_map(|part| part.as_os_str().to_str());
    for word in words.flat_map(|part| part.split('_')) {
        if let Some(steps) = word.strip_prefix('T').and_then(|number| number.parse::<i64>().ok()) {
            table.insert("steps".to_owned(), steps.into());
        }
        if let Some(beta) = word.strip_prefix("betaT").and_then(|number| number.parse::<f64>().ok())
        {
            table.insert("beta_last".to_owned(), beta.into());
        }
    }
    table
}

//! Which experiment a checkpoint of the official code is of.

use std::path::Path;

use anyhow::{Context, Result, bail};
use datasets::tasks::{self, Task};
use official::args::ImportArgs;
use official::source::{Family, Source};
use official::{settings, shapes, vocabulary};
use program::config::Loaded;
use program::exit::usage;
use program::output::note;
use serde_json::Value as Json;
use toml::{Table, Value};
use training::run::Experiment as _;

use crate::experiment::Experiment;

/// The experiment of `source`: its own settings, or those of `--config`, or those of the task's preset
/// with what its weights say; and on top of them what `--set` says.
///
/// # Errors
/// If the file's settings have no equal here, or do not say what has to be given.
pub fn experiment(
    source: &Source,
    args: &ImportArgs,
    task: Option<&str>,
    vocab: Option<&Path>,
) -> Result<Loaded<Experiment>> {
    if source.family() == Family::Diffusion {
        bail!("{} is of DiffWave: import it with sashimi", source.path.display());
    }
    let vocab = vocab.map(vocabulary::read).transpose()?;
    let mut overrides = args.overrides.clone();
    if source.is_version_3 {
        overrides.insert(0, "model.layer.ssm.dt_transform=exp".to_owned());
    }
    if let Some(file) = &args.config {
        overrides.extend(task.map(|task| format!("task={task}")));
        let loaded = Experiment::read(file, &overrides)?;
        return with_vocabulary(source, vocab, loaded.value.task()?, &mut overrides, |overrides| {
            Experiment::read(file, overrides)
        });
    }
    let task = match (task, &source.hyper_parameters) {
        (Some(name), _) => tasks::find(name)?,
        (None, Some(hyper)) => tasks::find(task_of(hyper)?)?,
        (None, None) => {
            return Err(usage(format!(
                "{} holds weights and no settings: say with --task what they are for (`lra-bench tasks` \
                 lists the names), or give all settings with --config",
                source.path.display()
            )));
        }
    };
    let mut table: Table = task.paper.parse().context("a preset is TOML")?;
    match &source.hyper_parameters {
        Some(hyper) => {
            let context = || source.path.display().to_string();
            table.insert("model".to_owned(), settings::model(hyper).with_context(context)?.into());
            settings::lay_over(&mut table, section("train", settings::train(hyper)));
            settings::lay_over(&mut table, section("data", data(hyper, task)?));
            settings::tell_of_averages(hyper);
        }
        None => {
            let mut model = shapes::model(&source.weights)
                .with_context(|| source.path.display().to_string())?;
            let had_l_max = table["model"]["layer"].get("l_max").is_some();
            if let (true, Some(length), Some(Value::Table(layer))) =
                (had_l_max, shapes::l_kernel(&source.weights), model.get_mut("layer"))
            {
                layer.insert("l_max".to_owned(), length.into());
            }
            settings::lay_shapes_over(&mut table, model);
            note(format_args!(
                "the file has no settings: those that its weights do not show (activation, pooling, \
                 dt_transform, l_max, ...) are of the paper preset of {}; --set changes them",
                task.name
            ));
        }
    }
    let text = toml::to_string(&table)?;
    let name = format!("hyper_parameters of {}", source.path.display());
    with_vocabulary(source, vocab, task, &mut overrides, |overrides| {
        Experiment::parse(&name, &text, overrides)
    })
}

fn section(name: &str, table: Table) -> Table {
    [(name.to_owned(), table.into())].into_iter().collect()
}

/// What `load` makes of the overrides and the vocabulary, where the task has one.
fn with_vocabulary(
    source: &Source,
    vocab: Option<Vec<String>>,
    task: &Task,
    overrides: &mut Vec<String>,
    load: impl FnOnce(&[String]) -> Result<Loaded<Experiment>>,
) -> Result<Loaded<Experiment>> {
    let schema = (task.section.schema)();
    let properties = schema.get("properties");
    let has = properties.is_some_and(|properties| properties.get("vocabulary").is_some());
    let given = vocab.is_some();
    if let Some(tokens) = vocab {
        if !has {
            return Err(usage(format!(
                "--vocab means nothing to {}, whose inputs are not tokens of a vocabulary",
                task.name
            )));
        }
        // Before what the user sets.
        let spelt = Value::String(spelt(task, tokens)?);
        overrides.insert(0, format!("data.vocabulary={spelt}"));
    }
    let mut loaded = load(overrides)?;
    loaded.changes.retain(|change| !change.starts_with("set: data.vocabulary"));
    // What this program has written is numbered as it numbers.
    let is_own = source.path.extension().is_some_and(|suffix| suffix == "safetensors");
    if has && !given && !is_own && !loaded.value.data.contains_key("vocabulary") {
        return Err(usage(format!(
            "no checkpoint says which token is which, and {} needs it: give the vocabulary of that \
             training. {}",
            task.name,
            vocabulary::FORM
        )));
    }
    Ok(loaded)
}

/// `data.vocabulary`.
fn spelt(task: &Task, tokens: Vec<String>) -> Result<String> {
    if task.name == "listops" {
        // The official reader writes X for ].
        let words = tokens.into_iter().map(|word| if word == "X" { "]".to_owned() } else { word });
        return Ok(words.collect::<Vec<_>>().join(" "));
    }
    let is_character = |token: &&String| token.chars().count() == 1;
    if let Some(token) = tokens.iter().find(|token| !is_character(token)) {
        bail!("--vocab: {token:?} is no single character, and {} reads characters", task.name);
    }
    Ok(tokens.concat())
}

/// The task of the official data set.
fn task_of(hyper: &Json) -> Result<&'static str> {
    let dataset = &hyper["dataset"];
    let is = |key: &str| dataset[key].as_bool().unwrap_or(!dataset[key].is_null());
    let name = dataset["_name_"].as_str().unwrap_or("no data set");
    Ok(match name {
        "listops" => "listops",
        "imdb" => "text",
        "aan" => "retrieval",
        "cifar" if is("grayscale") => "image",
        "cifar" => "scifar",
        "mnist" if is("permute") => "psmnist",
        "mnist" => "smnist",
        "pathfinder" => match dataset["resolution"].as_i64() {
            Some(64) => "pathfinder64",
            Some(128) => "path-x",
            Some(256) => "path-256",
            _ => "pathfinder",
        },
        "sc" => "speech-commands",
        "qautoaudio" => bail!("it is a model of audio: import it with sashimi"),
        other => {
            return Err(usage(format!(
                "hyper_parameters.dataset._name_ is \"{other}\", for which there is no task; name one \
                 with --task"
            )));
        }
    })
}

/// `[data]` as far as the official data set says it.
fn data(hyper: &Json, task: &Task) -> Result<Table> {
    let dataset = &hyper["dataset"];
    let mut table = Table::new();
    if matches!(task.name, "listops" | "text" | "retrieval") {
        let refuse = |key: &str, value: bool, default: bool| match dataset[key].as_bool() {
            given if given.unwrap_or(default) == value => {
                bail!("hyper_parameters.dataset.{key} is {value}, which is not read so here")
            }
            _ => Ok(()),
        };
        refuse("append_bos", true, false)?;
        refuse("append_eos", false, true)?;
        if let Some(length) = dataset["l_max"].as_i64() {
            table.insert("max_length".to_owned(), length.into());
        }
    }
    if task.name == "scifar" || task.name == "image" {
        for key in ["permute", "tokenize"] {
            let given = &dataset[key];
            if !(given.is_null() || *given == false) {
                bail!("hyper_parameters.dataset.{key} is {given}, which is not read so here");
            }
        }
    }
    Ok(table)
}

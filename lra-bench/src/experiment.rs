//! What one run is: a task, its data, a model and how it is trained; one TOML file.

use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use datasets::metric::{Better, Metric};
use datasets::section::{self, Shared};
use datasets::tasks::{self, Splits, TASKS, Task};
use program::config::{self, Aliases, Config, Loaded, Problem};
use program::exit::usage;
use s4_config::{Backbone, NetworkConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};
use toml::Table;
use training::run;
use training::schedule::Goal;
use training::train_config::{Best, TrainConfig};
use transformations::content::Codec;

use crate::changed::{self, Changes};
use crate::pretrain::{self, PretrainConfig};

/// A complete experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the task.
    pub task: String,
    /// Where its data comes from: each task has settings of its own ([`Task::section`]).
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: Table,
    /// The network.
    #[serde(default)]
    pub model: NetworkConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
    /// What it is pretrained by, in place of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrain: Option<PretrainConfig>,
}

impl Config for Experiment {
    const ALIASES: &[Aliases] = &[s4_config::ALIASES];

    fn presets() -> Vec<(String, &'static str)> {
        let of = |task: &Task| {
            [(task.name.to_owned(), task.paper), (format!("{}-small", task.name), task.small)]
        };
        let classifiers = [
            ("sc09-classifier", include_str!("../../configs/lra/sc09-classifier.toml")),
            ("digits-classifier", include_str!("../../configs/lra/digits-classifier.toml")),
        ];
        let classifiers = classifiers.map(|(name, text)| (name.to_owned(), text));
        TASKS.iter().flat_map(of).chain(classifiers).collect()
    }

    fn complete(&mut self) -> Result<(), Problem> {
        // An unknown task is an error of its own.
        if let Ok(task) = self.task() {
            self.data = (task.section.complete)(task.name, &self.data)?;
            self.choose_best(task);
        }
        Ok(())
    }
}

/// The best checkpoint by a task's metric.
fn best(metric: &Metric) -> Best {
    let mode = match metric.better {
        Better::Higher => Goal::Max,
        Better::Lower => Goal::Min,
    };
    Best { metric: tag(metric), mode }
}

/// What a metric on the validation split is called.
pub(crate) fn tag(metric: &Metric) -> String {
    format!("val/{}", metric.name)
}

/// A ready-made experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "lowercase", parse_err_fn = unknown, parse_err_ty = Error)]
pub enum Preset {
    /// The papers' settings.
    Paper,
    /// Small enough to learn something on a laptop's CPU.
    Small,
}

fn unknown(name: &str) -> Error {
    usage(format!("there is no preset `{name}`; presets: paper, small"))
}

impl Experiment {
    /// The preset of a task, from `configs/` as it was when the program was built.
    ///
    /// # Errors
    /// If an override is wrong.
    pub fn preset(task: &Task, preset: Preset, overrides: &[String]) -> Result<Loaded<Self>> {
        let (name, text) = match preset {
            Preset::Paper => (format!("configs/lra/{}.toml", task.name), task.paper),
            Preset::Small => (format!("configs/lra/{}-small.toml", task.name), task.small),
        };
        run::Experiment::parse(&name, text, overrides)
    }

    /// The task.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn task(&self) -> Result<&'static Task> {
        tasks::find(&self.task)
    }

    /// The data. What it decides becomes settings, which are kept with the run.
    ///
    /// # Errors
    /// If the data is missing, damaged or not what it should be.
    pub fn open(&mut self, progress: bool) -> Result<Splits> {
        let mut splits = self.task()?.open(&self.data, progress)?;
        let (_, shared) = section::divided(&self.data);
        let Shared { augment, defect, fraction } = shared.clone().try_into()?;
        let (target, seed) = (splits.shape.target.clone(), self.train.seed);
        if let Some(defect) = &defect {
            splits.train =
                changed::without(splits.train, defect, &target).context("data.defect")?;
        }
        if let Some(share) = fraction {
            let some = splits.train.fraction(share, seed);
            splits.train = some.context("data.fraction")?;
            let train = &mut self.train;
            train.eval_batch_size.get_or_insert(train.batch_size);
            train.batch_size =
                train.batch_size.min((splits.train.len() / train.accumulate.max(1)).max(1));
        }
        ensure!(
            !splits.train.is_stream() || (augment.is_none() && defect.is_none()),
            "data.augment and data.defect change examples one by one, and these continue each other: set \
             data.carry = false"
        );
        let (defect, augment) = (defect.as_ref(), augment.as_deref());
        let changes = Changes::new(defect, augment, splits.medium.kind(), &target)?;
        if !changes.is_empty() {
            let inputs = self.task()?.inputs(&splits.config).ok();
            let codec = Codec::new(&splits.medium, &target, inputs)?;
            splits.train = changes.split(splits.train, codec, seed)?;
        }
        self.data = splits.config.clone();
        self.data.extend(shared);
        if let Some(config) = &mut self.pretrain {
            config.complete(&splits.medium, splits.shape.input)?;
            splits = pretrain::known(splits);
            if !config.with.is_empty() {
                let seed = self.train.seed;
                splits = pretrain::mixed(&self.task, splits, &mut config.with, seed, progress)?;
            }
        }
        self.choose_best(self.task()?);
        Ok(splits)
    }

    /// The best checkpoint is that by the task's metric, where the settings do not say otherwise and the
    /// data has decided which that is.
    fn choose_best(&mut self, task: &Task) {
        if self.pretrain.is_some() {
            return; // The lowest loss.
        }
        if let (None, Some(metric)) = (&self.train.best, (task.metric)(&self.data)) {
            self.train.best = Some(best(&metric));
        }
    }

    /// Every setting with its meaning and default, as TOML that is read back.
    ///
    /// # Errors
    /// If there is no such task.
    pub fn commented(&self) -> Result<String> {
        config::commented(self, &[("data", (self.task()?.section.schema)())])
    }

    /// Keeps what is decoded or generated in `dir`, where the task keeps anything.
    pub fn set_cache(&mut self, dir: &Path) {
        let schema = self.task().map(|task| (task.section.schema)());
        let properties = schema.as_ref().ok().and_then(|schema| schema.get("properties"));
        if properties.is_some_and(|properties| properties.get("cache").is_some()) {
            self.data.insert("cache".to_owned(), dir.display().to_string().into());
        }
    }

    /// Reads the task's files from `dir`.
    pub fn set_data_dir(&mut self, dir: &Path) {
        self.data.insert("dir".to_owned(), dir.display().to_string().into());
    }
}

impl run::Experiment for Experiment {
    const PROGRAM: Option<&str> = Some("lra-bench");

    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
        let (mut model, line) = self.model.clone().settle(Backbone::S4, set)?;
        model.pooling.get_or_insert_default();
        self.model = model;
        Ok(line)
    }

    fn validate(&self) -> Result<()> {
        self.task()?;
        self.model.validate()?;
        self.model.refuse_condition()?;
        if let Some(pretrain) = &self.pretrain {
            pretrain.validate()?;
        }
        self.train.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Training examples of a preset's data, where they are always as many.
    fn training_examples(experiment: &Experiment) -> u64 {
        let length = experiment.data.get("length").and_then(toml::Value::as_integer);
        let windows = |tokens: u64| tokens.div_ceil(length.unwrap() as u64);
        match experiment.task.as_str() {
            "wikitext-103" => windows(103_227_021),
            "wikitext-2" => windows(2_088_628),
            "shakespeare" => windows(1_003_854),
            "folder-text" => windows(1_000_000),
            "cifar-density" => 45_000,
            "mnist-density" => 54_000,
            "listops" => 96_000,
            "text" => 22_500, // Without a held-out tenth of 25,000.
            "retrieval" => 147_086,
            "image" | "scifar" => 45_000,
            "smnist" | "psmnist" | "fashion-mnist" => 54_000,
            "pathfinder" | "pathfinder64" | "path-x" | "path-256" => 160_000,
            "speech-commands" => 84_843,
            "fsdd" => 2_000,
            "folder" | "series" => 1_000,
            "etth1" | "etth2" => 8_161, // Windows of 384 + 96 hours.
            "ettm1" => 34_081,
            "weather" => 24_065,
            "ecl" => 17_933,
            "adding" => 50_000,
            "copying" => 10_000,
            "bidmc" => 5_564,
            "delay" | "reconstruct" => 16_384,
            other => panic!("how many examples has {other}?"),
        }
    }

    #[test]
    fn presets_plan_one_length() {
        for task in TASKS {
            for preset in [Preset::Paper, Preset::Small] {
                let experiment = Experiment::preset(task, preset, &[]).unwrap().value;
                let train = &experiment.train;
                let per_epoch =
                    training_examples(&experiment) / (train.batch_size * train.accumulate) as u64;
                let mismatch = train.schedule.mismatch(train.last_step(per_epoch), per_epoch);
                assert_eq!(mismatch, None, "{} {preset}", task.name);
            }
        }
    }

    #[test]
    fn every_preset_is_an_experiment() {
        for (name, text) in Experiment::presets() {
            let read: Loaded<Experiment> = run::Experiment::parse(&name, text, &[]).unwrap();
            read.value.commented().unwrap();
        }
    }

    #[test]
    fn presets_read_back_with_their_comments() {
        for task in TASKS {
            for preset in [Preset::Paper, Preset::Small] {
                let preset = Experiment::preset(task, preset, &[]).unwrap().value;
                let text = preset.commented().unwrap();
                assert!(text.contains("# dir = ...") || task.source == "generated", "{text}");
                let read: Loaded<Experiment> =
                    run::Experiment::parse("a.toml", &text, &[]).unwrap();
                assert_eq!(read.value, preset, "{text}");
            }
        }
    }
}

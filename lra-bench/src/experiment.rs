//! What one run is: a task, its data, a model and how it is trained; one TOML file.

use std::path::PathBuf;

use anyhow::{Error, Result, ensure};
use program::config::{Loaded, Renamed};
use program::exit::usage;
use s4_config::{Backbone, NetworkConfig};
use serde::{Deserialize, Serialize};
use training::run;
use training::train_config::TrainConfig;

use crate::data::recordings::Scale;
use crate::listops::Lengths;
use crate::pathfinder::Difficulty;
use crate::tasks::fsdd::{HeldOut, SplitBy};
use crate::tasks::speech_commands::Words;
use crate::tasks::text::Validation;
use crate::tasks::{self, Task};

/// A complete experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the task.
    pub task: String,
    /// Where its data comes from.
    #[serde(default)]
    pub data: DataConfig,
    /// The network.
    #[serde(default)]
    pub model: NetworkConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
}

/// Where data comes from. Tasks refuse what does not concern them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Folder with the task's files, in their official layout; absent: generated, where the task
    /// can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Difficulty of Pathfinder images: `easy`, `intermediate` or `hard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difficulty: Option<Difficulty>,
    /// Number of generated training examples; absent: as many as the official data has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Number of generated validation examples, and of test examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_count: Option<u64>,
    /// Seed of generated examples and of splits that the files do not make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Folder that generated examples and decoded audio are kept in; absent: `data/cache`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Positions kept of a sequence, a text's end token included; absent: all, or what the papers
    /// keep of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// The classes, in the order of their numbers; absent: all that the data has. Kept with a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Which words of Speech Commands are told apart: `all` or `ten`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Words>,
    /// Samples per second that audio is brought to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// One sample of so many is kept, without a filter: 2 for every 2nd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<usize>,
    /// What audio is standardised by; absent: measured on the training split. Kept with a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// What divides the recordings of spoken digits: `speaker` or `index`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_by: Option<SplitBy>,
    /// Speakers that are not trained on, where recordings are divided by speaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// Tokens of the shortest and of the longest generated ListOps expression: `[501, 1999]` where
    /// it is absent, as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Lengths>,
    /// What the reviews are that a model of `text` is chosen by: `held-out`, a tenth of the training
    /// reviews, or `test`, the test reviews, as in the official experiments. Absent: `held-out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// The characters that are not unknown, in the order of their tokens; absent: the frequent ones
    /// of the training texts. Kept with a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<String>,
}

impl DataConfig {
    /// Names of the settings that are given.
    pub fn given(&self) -> Vec<&'static str> {
        let given = [
            ("dir", self.dir.is_some()),
            ("difficulty", self.difficulty.is_some()),
            ("count", self.count.is_some()),
            ("eval_count", self.eval_count.is_some()),
            ("seed", self.seed.is_some()),
            ("cache", self.cache.is_some()),
            ("max_length", self.max_length.is_some()),
            ("classes", self.classes.is_some()),
            ("words", self.words.is_some()),
            ("sample_rate", self.sample_rate.is_some()),
            ("every", self.every.is_some()),
            ("scale", self.scale.is_some()),
            ("split_by", self.split_by.is_some()),
            ("held_out", self.held_out.is_some()),
            ("lengths", self.lengths.is_some()),
            ("validation", self.validation.is_some()),
            ("vocabulary", self.vocabulary.is_some()),
        ];
        given.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
    }
}

/// A ready-made experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The papers' settings.
    Paper,
    /// Small enough to learn something on a laptop's CPU.
    Small,
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Preset::Paper => "paper",
            Preset::Small => "small",
        })
    }
}

impl std::str::FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "paper" => Ok(Preset::Paper),
            "small" => Ok(Preset::Small),
            _ => Err(usage(format!("there is no preset `{text}`; presets: paper, small"))),
        }
    }
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
}

impl run::Experiment for Experiment {
    const RENAMED: Renamed = s4_config::RENAMED;

    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
        let (mut model, line) = self.model.clone().settle(Backbone::S4, set)?;
        model.pooling.get_or_insert_default();
        self.model = model;
        Ok(line)
    }

    fn validate(&self) -> Result<()> {
        let task = self.task()?;
        for name in self.data.given() {
            ensure!(
                task.data_keys.contains(&name),
                "data.{name} means nothing to {}; it knows: {}",
                task.name,
                task.data_keys.join(", ")
            );
        }
        for (name, value) in [("every", self.data.every), ("max_length", self.data.max_length)] {
            ensure!(value != Some(0), "data.{name} is 0; it must be at least 1");
        }
        self.model.validate()?;
        self.train.validate()
    }
}

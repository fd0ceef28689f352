//! One run of any program, as its folder tells it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use datasets::metric::Metric;
use datasets::provenance::{Provenance, Published};
use program::config::{Aliases, Config, to_table};
use s4_config::{Backbone, NetworkConfig};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use training::run;
use training::run::Experiment as _;
use training::run_dir;
use training::summary::Summary;
use training::train_config::TrainConfig;

use crate::experiment::{Experiment, tag};

/// A run: what it is and what came of it.
#[derive(Debug, Clone)]
pub struct Run {
    pub folder: PathBuf,
    /// The folder of several seeds that it is one of.
    pub seeds_of: Option<PathBuf>,
    /// What was trained on what.
    pub subject: Subject,
    pub model: NetworkConfig,
    pub seed: u64,
    /// All settings but the seed.
    settings: Table,
    /// Its results; none before its first evaluation.
    pub summary: Option<Summary>,
}

/// What a run is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The program that it is a run of.
    pub program: &'static str,
    pub task: String,
    /// By what its models are compared.
    pub metric: Metric,
    /// Number of classes, where it is about classes.
    pub classes: Option<usize>,
    pub data: Provenance,
    pub published: Option<Published>,
}

/// What a report reads of a run of `sashimi`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Audio {
    data: Table,
    #[serde(default)]
    model: NetworkConfig,
    #[serde(default)]
    train: TrainConfig,
    /// Which no other program has.
    preview: Table,
}

impl Config for Audio {
    const ALIASES: &[Aliases] = &[&[("data.rate", "data.sample_rate")], s4_config::ALIASES];
}

impl run::Experiment for Audio {
    const PROGRAM: Option<&str> = Some("sashimi");

    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
        let (model, line) = self.model.clone().settle(Backbone::Sashimi, set)?;
        self.model = model;
        Ok(line)
    }

    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

impl Audio {
    fn subject(&self) -> Subject {
        let text = |key: &str| self.data.get(key).and_then(Value::as_str);
        let number = |key: &str| self.data.get(key).and_then(Value::as_integer);
        let dir = text("dir").and_then(|dir| Path::new(dir).file_name()?.to_str());
        let rate = number("sample_rate").map(|rate| format!("{rate} Hz"));
        let bits = number("bits").map(|bits| format!("{bits} bits"));
        let words = [text("layout").or(dir).map(str::to_owned), rate, bits];
        Subject {
            program: "sashimi",
            task: "audio".to_owned(),
            metric: Metric::BITS_PER_SAMPLE,
            classes: None,
            data: Provenance {
                words: words.into_iter().flatten().collect::<Vec<_>>().join(", "),
                ..Provenance::default()
            },
            published: None,
        }
    }
}

impl Subject {
    fn of(experiment: &Experiment) -> Result<Self> {
        let task = experiment.task()?;
        let data = (task.provenance)(task, &experiment.data)?;
        let (program, task_name) = ("lra-bench", task.name.to_owned());
        if experiment.pretrain.is_some() {
            let task = format!("{task_name} (pretraining)");
            let metric = Metric::LOSS;
            return Ok(Self { program, task, metric, classes: None, data, published: None });
        }
        let found = experiment.data.get("classes").and_then(Value::as_array).map(Vec::len);
        Ok(Self {
            program,
            task: task_name,
            metric: (task.metric)(&experiment.data).unwrap_or(Metric::ACCURACY),
            classes: found.or(task.classes),
            data,
            published: task.published,
        })
    }
}

impl Run {
    /// Reads the run in `folder`, of whichever program.
    ///
    /// # Errors
    /// If its configuration or summary cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = run_dir::config_file(folder);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let table: Table = text.parse().with_context(|| file.display().to_string())?;
        let parent =
            folder.parent().filter(|parent| run_dir::seeds(parent).contains(&folder.into()));
        let run = if table.contains_key("task") {
            Self::of(folder, &Experiment::read(&file, &[])?.value)?
        } else if table.contains_key("preview") {
            let audio: Audio = Audio::read(&file, &[])?.value;
            let subject = audio.subject();
            Self::new(folder, subject, &audio.model, audio.train.seed, to_table(&audio)?)
        } else {
            bail!("it is a run of neither lra-bench nor sashimi: its config.toml has no task");
        };
        Ok(Self { seeds_of: parent.map(Path::to_owned), summary: Summary::read(folder)?, ..run })
    }

    /// A run of `experiment` of which there is nothing yet.
    ///
    /// # Errors
    /// If there is no such task.
    pub fn of(folder: &Path, experiment: &Experiment) -> Result<Self> {
        let (subject, seed) = (Subject::of(experiment)?, experiment.train.seed);
        Ok(Self::new(folder, subject, &experiment.model, seed, to_table(experiment)?))
    }

    fn new(
        folder: &Path,
        subject: Subject,
        model: &NetworkConfig,
        seed: u64,
        mut settings: Table,
    ) -> Self {
        if let Some(train) = settings.get_mut("train").and_then(Value::as_table_mut) {
            train.remove("seed");
        }
        let (folder, model) = (folder.to_owned(), model.clone());
        Self { folder, seeds_of: None, subject, model, seed, settings, summary: None }
    }

    /// Whether the two are runs of one experiment with different seeds. Those of a folder of seeds
    /// keep to themselves.
    pub fn differs_in_seed(&self, other: &Self) -> bool {
        self.seed != other.seed
            && self.settings == other.settings
            && self.seeds_of == other.seeds_of
    }

    /// Examples to train on: as they were counted, or as the settings have it.
    pub fn train_samples(&self) -> Option<u64> {
        let counted = self.summary.as_ref().and_then(|summary| summary.train_samples);
        counted.or(self.subject.data.train)
    }

    /// The metric on the test split of S4 in the papers, where the run is about the papers' data.
    pub fn published(&self) -> Option<f64> {
        let Published { figure, train } = self.subject.published?;
        let is_whole = self.train_samples()? >= train;
        let is_theirs = self.subject.data.as_published && is_whole;
        is_theirs.then(|| self.subject.metric.from_unit(figure))
    }

    /// The metric on the validation split: that by which the best weights were chosen, or the newest
    /// where they were chosen by another figure.
    pub fn val(&self) -> Option<f64> {
        let (summary, metric) = (self.summary.as_ref()?, &self.subject.metric);
        let best = summary.best.as_ref().filter(|best| best.metric == tag(metric));
        best.map(|best| best.value).or_else(|| summary.val.as_ref()?.get(metric.name))
    }

    /// The metric on the test split, once training is finished.
    pub fn test(&self) -> Option<f64> {
        self.summary.as_ref()?.test.as_ref()?.get(self.subject.metric.name)
    }

    /// Whether training came to its end.
    pub fn is_finished(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.finished)
    }
}

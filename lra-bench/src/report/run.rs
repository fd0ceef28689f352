//! One run, as its folder tells it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use datasets::metric::Metric;
use training::run::Experiment as _;
use training::run_dir;
use training::summary::Summary;

use crate::experiment::{Experiment, tag};

/// A run: what it is and what came of it.
#[derive(Debug, Clone)]
pub struct Run {
    pub folder: PathBuf,
    /// The folder of several seeds that it is one of.
    pub seeds_of: Option<PathBuf>,
    pub experiment: Experiment,
    /// Its results; none before its first evaluation.
    pub summary: Option<Summary>,
}

impl Run {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// If its configuration or summary cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let parent =
            folder.parent().filter(|parent| run_dir::seeds(parent).contains(&folder.into()));
        Ok(Self {
            folder: folder.to_owned(),
            seeds_of: parent.map(Path::to_owned),
            experiment: Experiment::read(&run_dir::config_file(folder), &[])?.value,
            summary: Summary::read(folder)?,
        })
    }

    /// Whether the two are runs of one experiment with different seeds. Those of a folder of seeds
    /// keep to themselves.
    pub fn differs_in_seed(&self, other: &Self) -> bool {
        let mut same = other.experiment.clone();
        same.train.seed = self.experiment.train.seed;
        self.experiment.train.seed != other.experiment.train.seed
            && self.experiment == same
            && self.seeds_of == other.seeds_of
    }

    /// The task's metric on the validation split: that by which the best weights were chosen, or the
    /// newest where they were chosen by another figure.
    pub fn val(&self, metric: &Metric) -> Option<f64> {
        let summary = self.summary.as_ref()?;
        let best = summary.best.as_ref().filter(|best| best.metric == tag(metric));
        best.map(|best| best.value).or_else(|| summary.val.as_ref()?.get(metric.name))
    }

    /// The task's metric on the test split, once training is finished.
    pub fn test(&self, metric: &Metric) -> Option<f64> {
        self.summary.as_ref()?.test.as_ref()?.get(metric.name)
    }

    /// Whether training came to its end.
    pub fn is_finished(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.finished)
    }
}

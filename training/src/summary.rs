//! `summary.json` in a run's folder: what came of the run, for reports.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::evaluate::Evaluation;
use program::files;

const FILE: &str = "summary.json";

/// The results of a run so far; renewed at each evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether training came to its end.
    pub finished: bool,
    /// Optimiser steps made.
    pub step: u64,
    /// Passes over the training split.
    pub epochs: f64,
    /// Samples of the training split; none in runs from before they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_samples: Option<u64>,
    /// Trained scalars of the model.
    pub parameters: usize,
    /// Where it was trained: `Cpu`, `Cuda(0)`.
    pub device: String,
    /// The best evaluation.
    pub best: Option<BestValue>,
    /// The newest evaluation of the validation split.
    pub val: Option<Evaluation>,
    /// The test split with the best weights, once training is finished.
    pub test: Option<Evaluation>,
    /// Seconds of training, evaluations apart.
    pub seconds: f64,
    /// Optimiser steps in a second.
    pub steps_per_s: f64,
    /// Training samples in a second, as the objective counts them.
    pub samples_per_s: f64,
    /// Peak memory.
    pub peak_mib: Option<f64>,
}

/// The best value of the selecting metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestValue {
    /// Its tag.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// After which step it was reached.
    pub step: u64,
}

impl Summary {
    /// Writes it to the folder `run`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, run: &Path) -> Result<()> {
        files::write(&run.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Reads that of the folder `run`; `None` where the run has not come to an evaluation.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let path = run.join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let summary = serde_json::from_slice(&text);
        summary.map(Some).with_context(|| format!("{} is damaged", path.display()))
    }
}

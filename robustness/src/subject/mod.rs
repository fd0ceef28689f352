//! What is put to the test: a trained model with the test part of its data.

mod codes;
mod task_model;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use datasets::batch::Label;
use datasets::metric::Metric;
use serde::{Deserialize, Serialize};
use tch::Device;
use training::run::{self, Run};
use transformations::content::{Content, Kind};

/// What a run is about, kept with its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The run's folder.
    pub run: PathBuf,
    /// The task, or "audio".
    pub task: String,
    /// The data, in a line.
    pub data: String,
    /// Step after which the weights were saved.
    pub step: u64,
    /// SHA-256 of the settings of model and data, and of the weights: with others, predictions are others.
    pub model: String,
    /// What examples are.
    pub kind: Kind,
    /// Names of the classes; none where there are none.
    pub classes: Vec<String>,
}

/// An example of the test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its number.
    pub index: usize,
    /// What it is to people.
    pub content: Content,
    /// What is right of it.
    pub label: Label,
}

/// What the model made of an example.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The figure whose mean is the metric: 1 or 0 for right or wrong, bits or nats a token, an error.
    pub value: f64,
    /// The class that it has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<usize>,
    /// The class that the model says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub predicted: Option<usize>,
    /// The probability that the model gives to what it says; of codes, per sample.
    pub confidence: f64,
}

/// A trained model with the test part of its data.
pub trait Subject {
    /// What it is.
    fn about(&self) -> &About;

    /// By which figure it is judged. It is the mean of the examples' [`Verdict::value`]s.
    fn metric(&self) -> Metric;

    /// Number of examples in the test part.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Example `index`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn item(&self, index: usize) -> Result<Item>;

    /// What example `index` is drawn by: its class, 0 where it has none.
    ///
    /// # Errors
    /// If it cannot be read.
    fn stratum(&self, index: usize) -> Result<usize>;

    /// The file that example `index` is, where it is one.
    fn file(&self, index: usize) -> Option<PathBuf>;

    /// The folder of recordings of noise that came with the data, if one did.
    fn background_noise(&self) -> Option<PathBuf> {
        None
    }

    /// What the model makes of items, each by itself; `rate` is the step of the input relative to the
    /// training data (2 for half the sampling rate).
    ///
    /// # Errors
    /// If an item cannot be an input of the model, or the device fails.
    fn judge(&self, items: &[Item], rate: f64) -> Result<Vec<Verdict>>;

    /// Whether it can be told another step of the input than 1.
    fn has_rate(&self) -> bool {
        false
    }

    /// Items that are judged at once.
    fn batch_size(&self) -> usize;

    /// Whether changes that add to an example can be judged.
    fn takes_any_length(&self) -> bool {
        true
    }

    /// Itself as a model whose gradients attacks can follow.
    ///
    /// # Errors
    /// Why there are no attacks on it.
    fn attackable(&self) -> Result<&TaskModel> {
        bail!("they are on classifiers, and this model is none")
    }

    /// Itself as a model of codes, if it is one.
    fn as_codes(&self) -> Option<&Codes> {
        None
    }
}

pub use codes::Codes;
pub use task_model::TaskModel;

/// `_background_noise_` in the folder of a data set, as Speech Commands has it.
fn noise_in(data: &Path) -> Option<PathBuf> {
    Some(data.join("_background_noise_")).filter(|folder| folder.is_dir())
}

/// The run that `name` means, with the test part of its data, which is looked for in `data` where that
/// is given.
///
/// # Errors
/// If there is no such run, its data is missing, or the model is of a kind that has no figure per example.
pub fn open(name: &str, data: Option<&PathBuf>, device: Device) -> Result<Box<dyn Subject>> {
    let is_of_sashimi = match run::program(name).as_deref() {
        Some("sashimi") => true,
        Some("lra-bench") => false,
        // It was made by another program, on the libraries, or that is not known.
        _ => Run::<sashimi::experiment::Experiment>::open(name).is_ok(),
    };
    if is_of_sashimi {
        let run: Run<sashimi::experiment::Experiment> = Run::open(name)?;
        return Ok(Box::new(Codes::open(run, data, device)?));
    }
    let run: Run<lra_bench::experiment::Experiment> = Run::open(name)?;
    Ok(Box::new(TaskModel::open(run, data, device)?))
}

//! The matrix of base x task x way of adapting x share of the examples x seed.
//!
//! Each cell is a run in a folder of its own, which is trained if it is not there; what came of it is
//! read from there, so that an interrupted matrix goes on where it stopped.

mod forgetting;
pub mod matrix;
mod table;

pub use forgetting::{Forgetting, forgetting};
pub use table::{chart, render};

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use datasets::metric::Metric;
use program::exit::usage;
use program::files;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use training::adapt::Adapt;
use training::checkpoint::Checkpoint;
use training::run::Run;
use training::run_dir;
use training::summary::Summary;

use crate::experiment::Experiment;

/// What a cell's folder says of it.
const RECORD: &str = "cell.json";

/// What becomes of a base.
#[derive(Debug, Clone, PartialEq, SerializeDisplay, DeserializeFromStr)]
pub enum Way {
    /// It is adapted.
    Adapted(Adapt),
    /// Its network is trained from scratch for as many steps.
    Scratch,
    /// Its network is trained from scratch for as long as pretraining and adapting take together.
    EqualCompute,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapted(adapt) => adapt.fmt(f),
            Self::Scratch => f.write_str(SCRATCH),
            Self::EqualCompute => f.write_str(EQUAL_COMPUTE),
        }
    }
}

const SCRATCH: &str = "scratch";
const EQUAL_COMPUTE: &str = "scratch, equal compute";

impl FromStr for Way {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            SCRATCH => Ok(Self::Scratch),
            EQUAL_COMPUTE => Ok(Self::EqualCompute),
            adapt => adapt.parse().map(Self::Adapted),
        }
    }
}

impl Way {
    /// Whether `name` means this way: `lora` is that of every rank, `scratch` both from scratch.
    pub fn is_called(&self, name: &str) -> bool {
        let own = self.to_string();
        own.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', ',']))
    }
}

/// One run of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The run that is adapted.
    pub base: String,
    pub task: String,
    pub way: Way,
    /// Share of the training examples.
    pub fraction: f64,
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
}

/// What came of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finished {
    pub seed: u64,
    /// The task's metric on the test split.
    pub test: f64,
    /// Scalars that were trained.
    pub trained: usize,
    pub steps: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Bytes of what was stored in place of a whole model.
    pub bytes: usize,
    /// The base's own loss before and after; none where there was no base.
    pub forgetting: Option<Forgetting>,
    pub run: PathBuf,
}

impl Cell {
    /// Its folder below `root`.
    pub fn folder(&self, root: &Path) -> PathBuf {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
                .collect()
        };
        let base = plain(self.base.trim_matches(['/', '.']));
        let place = [&base, &self.task, &plain(&self.way.to_string())];
        let folder = place.into_iter().fold(root.to_owned(), |folder, part| folder.join(part));
        folder.join(format!("fraction-{}", self.fraction)).join(format!("seed-{}", self.seed))
    }

    /// Writes in its folder below `root` what it is, and the `command` that trains it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn record(&self, root: &Path, command: &[String]) -> Result<()> {
        let folder = self.folder(root);
        files::create_folder(&folder)?;
        let record = Record { cell: self.clone(), command: command.to_vec() };
        files::write(&folder.join(RECORD), serde_json::to_string_pretty(&record)?.as_bytes())
    }

    /// Makes sure that a run that is there below `root` was trained by this `command`.
    ///
    /// # Errors
    /// If it was trained by another; says where they differ.
    pub fn check(&self, root: &Path, command: &[String]) -> Result<()> {
        let folder = self.folder(root);
        let file = folder.join(RECORD);
        if !run_dir::config_file(&folder).is_file() || !file.is_file() {
            return Ok(());
        }
        let there = Record::read(&file)?.command;
        let only = |a: &[String], b: &[String]| -> String {
            let words: Vec<&str> =
                a.iter().filter(|word| !b.contains(word)).map(String::as_str).collect();
            if words.is_empty() { "nothing more".to_owned() } else { words.join(" ") }
        };
        if there == command {
            return Ok(());
        }
        Err(usage(format!(
            "{} has other settings than are asked for (there: {}; asked for: {}): delete it, or keep the new \
             runs in another folder",
            folder.display(),
            only(&there, command),
            only(command, &there)
        )))
    }

    /// The cells that are recorded below `root`, in the order of their folders.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn recorded(root: &Path) -> Result<Vec<Self>> {
        let mut folders = vec![root.to_owned()];
        // Base, task and way are called anything.
        for beginning in ["", "", "", "fraction-", "seed-"] {
            let below = |folder: &PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
            let entries = folders.iter().flat_map(below);
            let named =
                entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning));
            folders = named.map(|entry| entry.path()).collect();
        }
        folders.sort();
        let files = folders.iter().map(|folder| folder.join(RECORD)).filter(|file| file.is_file());
        files.map(|file| Record::read(&file).map(|record| record.cell)).collect()
    }
}

/// A cell as its folder has it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// The words of `train` that decide what comes of it.
    command: Vec<String>,
}

impl Record {
    fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| file.display().to_string())
    }
}

/// What came of the run in `folder`, and in which metric, if it is finished.
///
/// # Errors
/// If it cannot be read.
pub fn outcome(folder: &Path, seed: u64) -> Result<Option<(Metric, Finished)>> {
    let Some(summary) = Summary::read(folder)?.filter(|summary| summary.finished) else {
        return Ok(None);
    };
    let experiment = Run::<Experiment>::read(folder)?.experiment;
    let metric = (experiment.task()?.metric)(&experiment.data).unwrap_or(Metric::ACCURACY);
    let test = summary.test.as_ref().and_then(|test| test.get(metric.name));
    let test = test.with_context(|| format!("{} tells no {}", folder.display(), metric.name))?;
    let checkpoint = Checkpoint::load_best(folder)?;
    let sizes = checkpoint.model.iter();
    let bytes = sizes.map(|(_, x)| x.numel() * x.kind().elt_size_in_bytes()).sum();
    let finished = Finished {
        seed,
        test,
        trained: summary.parameters,
        steps: summary.step,
        seconds: summary.seconds,
        bytes,
        forgetting: Forgetting::read(folder)?,
        run: folder.to_owned(),
    };
    Ok(Some((metric, finished)))
}

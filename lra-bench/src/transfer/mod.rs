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
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use training::adapt::Adapt;
use training::checkpoint::Checkpoint;
use training::summary::Summary;

/// What becomes of a base.
#[derive(Debug, Clone, PartialEq)]
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
            Self::Scratch => f.write_str("scratch"),
            Self::EqualCompute => f.write_str("scratch, equal compute"),
        }
    }
}

/// One run of the matrix.
#[derive(Debug, Clone)]
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
}

/// What came of the run in `folder`, if it is finished; `metric` is the task's.
///
/// # Errors
/// If it cannot be read.
pub fn outcome(folder: &Path, seed: u64, metric: &str) -> Result<Option<Finished>> {
    let Some(summary) = Summary::read(folder)?.filter(|summary| summary.finished) else {
        return Ok(None);
    };
    let test = summary.test.as_ref().and_then(|test| test.get(metric));
    let test = test.with_context(|| format!("{} tells no {metric}", folder.display()))?;
    let checkpoint = Checkpoint::load_best(folder)?;
    let sizes = checkpoint.model.iter();
    let bytes = sizes.map(|(_, x)| x.numel() * x.kind().elt_size_in_bytes()).sum();
    Ok(Some(Finished {
        seed,
        test,
        trained: summary.parameters,
        steps: summary.step,
        seconds: summary.seconds,
        bytes,
        forgetting: Forgetting::read(folder)?,
        run: folder.to_owned(),
    }))
}

//! What writing generated data to files takes.

use std::path::{Path, PathBuf};

use crate::pathfinder::Difficulty;

/// Writes what is asked for.
pub type Generate = fn(&Request) -> anyhow::Result<Outcome>;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Folder to write to; made if it is not there.
    pub out: &'a Path,
    /// Number of examples.
    pub count: u64,
    /// The same seed gives the same examples.
    pub seed: u64,
    /// Difficulty of Pathfinder images; `None`: hard.
    pub difficulty: Option<Difficulty>,
    /// Side of Pathfinder images in pixels; `None`: the task's.
    pub size: Option<usize>,
    /// Whether to show a bar, where there is a terminal.
    pub progress: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is there.
    Complete {
        /// The folder that was written.
        folder: PathBuf,
        /// What was done, in words.
        summary: String,
    },
    /// The user interrupted; what is kept, in words.
    Interrupted(String),
}

//! The tasks, one file each, found in one table.

mod audio;
mod fashion_mnist;
mod folder;
pub mod fsdd;
mod image;
mod listops;
mod mnist_files;
mod path_256;
mod path_x;
mod pathfinder;
mod pathfinder64;
mod psmnist;
mod retrieval;
mod scifar;
mod smnist;
pub mod speech_commands;
pub mod text;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use loader::Dataset;

use crate::data::batch::Batch;
use crate::experiment::DataConfig;
use crate::model::Shape;

/// A sequence classification task.
#[derive(Debug)]
pub struct Task {
    /// Its name on the command line and in configs.
    pub name: &'static str,
    /// What is classified, in half a line.
    pub about: &'static str,
    /// Positions a sequence, at most; absent: as the data has.
    pub length: Option<usize>,
    /// Number of classes; absent: as the data has.
    pub classes: Option<usize>,
    /// Test accuracy of S4 in the papers, in percent.
    pub paper_accuracy: Option<f64>,
    /// Preset with the papers' settings (text of the TOML file).
    pub paper: &'static str,
    /// Preset for a CPU.
    pub small: &'static str,
    /// The `[data]` keys that mean something here.
    pub data_keys: &'static [&'static str],
    /// Where data comes from where no folder is given.
    pub source: &'static str,
    /// Whether the official files are in a folder.
    pub is_there: fn(&Path) -> bool,
    /// Opens the data.
    pub open: fn(&DataConfig) -> Result<Splits>,
}

/// One part of a data set.
pub type Split = Arc<dyn Dataset<Batch = Batch>>;

/// A task's data, ready to be read.
pub struct Splits {
    /// What goes in and what is asked for.
    pub shape: Shape,
    /// Name of each class, in the order of their numbers.
    pub class_names: Vec<String>,
    /// The settings, with what the data decided filled in: kept with the run, so that whatever is
    /// opened with them is read in the same way.
    pub config: DataConfig,
    /// To learn from.
    pub train: Split,
    /// To choose by.
    pub val: Split,
    /// To report.
    pub test: Split,
    /// Where it came from, for the log: one line.
    pub origin: String,
}

/// All tasks, in the order in which they are listed.
pub const TASKS: &[Task] = &[
    listops::TASK,
    text::TASK,
    retrieval::TASK,
    image::TASK,
    pathfinder::TASK,
    path_x::TASK,
    pathfinder64::TASK,
    path_256::TASK,
    smnist::TASK,
    psmnist::TASK,
    fashion_mnist::TASK,
    scifar::TASK,
    speech_commands::TASK,
    fsdd::TASK,
    folder::TASK,
];

/// The task called `name`.
///
/// # Errors
/// If there is none; the message has the names that there are.
pub fn find(name: &str) -> Result<&'static Task> {
    TASKS.iter().find(|task| task.name == name).ok_or_else(|| {
        let names: Vec<_> = TASKS.iter().map(|task| task.name).collect();
        program::exit::usage(format!("there is no task `{name}`; tasks: {}", names.join(", ")))
    })
}

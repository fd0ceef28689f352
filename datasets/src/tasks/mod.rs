//! The tasks, one file each, found in one table.

mod audio;
mod bidmc;
mod cifar_density;
pub mod density;
mod fashion_mnist;
mod folder;
mod folder_text;
pub mod fsdd;
pub mod generate;
mod image;
mod image_files;
pub mod language;
mod listops;
mod lra_release;
mod mnist_density;
mod mnist_files;
mod path_256;
mod path_x;
mod pathfinder;
mod pathfinder64;
mod psmnist;
mod retrieval;
mod scifar;
mod series;
mod shakespeare;
mod signals;
mod smnist;
pub mod speech_commands;
pub mod text;
mod wikitext_103;
mod wikitext_2;

use std::path::Path;

use anyhow::{Context, Result};
use program::config;
use program::findings::Findings;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::fetch::Archive;
use crate::inputs::Inputs;
use crate::medium::{Kind, Medium};
use crate::metric::Metric;
use crate::provenance::{Provenance, Published};
use crate::section::{self, Section};
use crate::series::reader::Reader;
use crate::shape::Shape;
use crate::split::Split;
use generate::Generate;

/// A task: data, and what is asked of it.
#[derive(Debug)]
pub struct Task {
    /// Its name on the command line and in configs.
    pub name: &'static str,
    /// What is asked, in half a line.
    pub about: &'static str,
    /// What its examples are; `None`: its data decides.
    pub kind: Option<Kind>,
    /// Positions of the longest sequences; `None`: taken from the data.
    pub length: Option<usize>,
    /// Number of classes; `None`: taken from the data.
    pub classes: Option<usize>,
    /// By what models are compared, and the best checkpoint is chosen on the validation split, with
    /// this `[data]` section; `None` where only the data decides, and has not done so yet.
    pub metric: fn(&Table) -> Option<Metric>,
    /// What S4 reaches in the papers.
    pub published: Option<Published>,
    /// Which data a `[data]` section is about.
    pub provenance: Describe,
    /// Settings of an experiment as in the papers: the text of a TOML file.
    pub paper: &'static str,
    /// The same for a CPU.
    pub small: &'static str,
    /// Its `[data]` section.
    pub section: Section,
    /// Whether its examples are recordings, of which `data.every` keeps every n-th sample.
    pub has_sample_rate: bool,
    /// Where data comes from where no folder is given.
    pub source: &'static str,
    /// The official archives; none where there is no official address.
    pub archives: &'static [Archive],
    /// Writes generated data in the official layout, where it can be generated.
    pub generate: Option<Generate>,
    /// Whether the official files are in a folder.
    pub is_there: fn(&Path) -> bool,
    /// What [`Task::open`] calls, with the task itself.
    pub load: Load,
    /// What [`Task::inputs`] calls, where inputs from outside the data can be read.
    pub read: Option<Read>,
    /// How series from outside the data are read, of which a model tells the next steps.
    pub series: Option<ReadSeries>,
}

/// Opens the data of a task that the section describes; with `true`, what takes long shows a bar.
pub type Load = fn(&Task, &Table, bool) -> Result<Splits>;

/// Which data the section is about.
pub type Describe = fn(&Task, &Table) -> Result<Provenance>;

/// How inputs are read for a model that was trained with the section.
pub type Read = fn(&Task, &Table) -> Result<Inputs>;

/// How series are read for a model that was trained with the section.
pub type ReadSeries = fn(&Task, &Table) -> Result<Reader>;

/// A task's data, ready to be read.
pub struct Splits {
    /// What goes in and what is asked for.
    pub shape: Shape,
    /// What examples are to people.
    pub medium: Medium,
    /// The `[data]` section with what the data decided filled in: kept with a run, so that whatever
    /// is opened with it is read in the same way.
    pub config: Table,
    /// To learn from.
    pub train: Split,
    /// To choose by.
    pub val: Split,
    /// To report.
    pub test: Split,
    /// Where it came from, for the log: one line.
    pub origin: String,
    /// What was left out of it, and what is to be said about the rest.
    pub findings: Findings,
}

impl Task {
    /// What most rows begin with: settings of type `T`, judged by accuracy; no name yet, no files,
    /// no archive, nothing that could be generated.
    pub const fn of<T: Serialize + DeserializeOwned + JsonSchema>(load: Load) -> Self {
        Self {
            name: "",
            about: "",
            kind: None,
            length: None,
            classes: None,
            metric: |_| Some(Metric::ACCURACY),
            published: None,
            provenance: |_, _| Ok(Provenance::default()),
            paper: "",
            small: "",
            section: Section::of::<T>(),
            has_sample_rate: false,
            source: "",
            archives: &[],
            generate: None,
            is_there: |_| false,
            load,
            read: None,
            series: None,
        }
    }

    /// The data that the section `data` describes. With `progress`, what takes long shows a bar
    /// where there is a terminal.
    ///
    /// # Errors
    /// If the section is wrong, or the data is missing, damaged or not what it should be.
    pub fn open(&self, data: &Table, progress: bool) -> Result<Splits> {
        (self.load)(self, data, progress).with_context(|| format!("the data of {}", self.name))
    }

    /// How inputs from outside the data are read for a model that was trained with the section
    /// `data` of a run. The data need not be there.
    ///
    /// # Errors
    /// If the section does not say what the data decided, or the task has no such inputs.
    pub fn inputs(&self, data: &Table) -> Result<Inputs> {
        let read =
            self.read.with_context(|| format!("{} reads no inputs from files", self.name))?;
        read(self, data)
    }

    /// The section `data` as its type.
    ///
    /// # Errors
    /// If it has unknown keys or values of the wrong type.
    pub fn settings<T: DeserializeOwned>(&self, data: &Table) -> Result<T> {
        Ok(config::section("data", self.name, &section::divided(data).0)?)
    }
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
    wikitext_103::TASK,
    wikitext_2::TASK,
    shakespeare::TASK,
    folder_text::TASK,
    cifar_density::TASK,
    mnist_density::TASK,
    series::ETTH1,
    series::ETTH2,
    series::ETTM1,
    series::WEATHER,
    series::ECL,
    series::SERIES,
    bidmc::TASK,
    signals::ADDING,
    signals::COPYING,
    signals::DELAY,
    signals::RECONSTRUCT,
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

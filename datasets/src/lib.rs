//! Data sets of sequences with something asked of them, without libtorch: official files and
//! generators, splits and batches as plain data.
//!
//! A [`tasks::Task`] is one row of a table: where its data comes from, how it is opened, what is
//! asked and how answers are measured. What it opens are three [`split::Split`]s, each of which can
//! be cut, mixed and changed.
//!
//! ```no_run
//! use datasets::tasks;
//!
//! let task = tasks::find("smnist")?;
//! let data = toml::from_str("dir = \"data/mnist\"")?;
//! let splits = task.open(&data, false)?;
//! let few = splits.train.fraction(0.01, 0)?;
//! let batch = few.batch(&[0, 1, 2])?; // (3, 784) bytes and three labels
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`tasks`] | the table of tasks, one file each |
//! | [`split`], [`batch`], [`shape`], [`medium`] | examples, what can be made of them, what they are to models and to people |
//! | [`hold_out`] | divisions of data that comes without |
//! | [`inputs`] | inputs from outside a task's data, for models that were trained on it |
//! | [`examples`] | examples from images, texts, tokens, recordings and arrays |
//! | [`formats`], [`text`] | reading official files; characters and tokens, kept on disk |
//! | [`language`] | texts as windows of tokens, each of which is asked for |
//! | [`series`] | dated series: tables, calendars, windows |
//! | [`pathfinder`], [`listops`] | what is generated, and its official layout |
//! | [`provenance`], [`metric`] | which data a run is about, and by what it is judged: for reports |
//! | [`fetch`] | official archives, on request |

pub mod batch;
mod bit_reversal;
mod classes;
pub mod examples;
pub mod fetch;
pub mod formats;
pub mod hold_out;
pub mod inputs;
pub mod language;
pub mod listops;
mod locate;
pub mod medium;
pub mod metric;
pub mod pathfinder;
pub mod provenance;
pub mod section;
pub mod series;
pub mod shape;
pub mod split;
pub mod tasks;
pub mod text;

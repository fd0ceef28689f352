//! What every training run shares: a program brings a model ([`objective::Objective`]) and data
//! ([`loader::Dataset`]), and gets the rest from here.
//!
//! ```no_run
//! use std::path::Path;
//! use std::process::ExitCode;
//!
//! use anyhow::Result;
//! use serde::{Deserialize, Serialize};
//! use training::objective::Objective;
//! use training::run_dir::{self, RunDir};
//! use training::train_config::TrainConfig;
//! use training::trainer::{Outcome, RunSetup, Splits, Trainer};
//! use s4_core::heap;
//! use program::{config, exit, interrupt};
//! use training::seed;
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Experiment {
//!     train: TrainConfig,
//! }
//!
//! impl config::Config for Experiment {}
//!
//! fn train<O: Objective>(
//!     file: &Path,
//!     overrides: &[String],
//!     resume: Option<&str>,
//!     model: impl Fn(&Experiment) -> Result<O>,
//!     splits: Splits<O::Batch>,
//! ) -> Result<Outcome> {
//!     interrupt::install()?;
//!     let runs = Path::new("runs");
//!     let resumed = resume.map(|run| run_dir::find(runs, run)).transpose()?;
//!     let file = resumed.as_deref().map_or(file.to_owned(), run_dir::config_file);
//!     let experiment: Experiment = config::load(&file, overrides)?.value;
//!     let dir = match &resumed {
//!         Some(run) => RunDir::resume(run)?,
//!         None => RunDir::create_numbered(runs, "path-x", "small")?,
//!     };
//!     let setup = RunSetup { dir, config: config::to_toml(&experiment)?, progress: true };
//!     seed::seed_torch(experiment.train.seed, "init", 0);
//!     let objective = model(&experiment)?;
//!     Trainer::new(experiment.train, objective, splits, setup)?.run()
//! }
//!
//! fn main() -> ExitCode {
//!     heap::keep_freed_pages();
//! #   let run = || -> Result<Outcome> { anyhow::bail!("") };
//!     // let run = || train(...);
//!     exit::main_exit(run())
//! }
//! ```

pub mod args;
pub mod checkpoint;
pub mod device;
mod ema;
pub mod evaluate;
pub mod guard;
pub mod init;
pub mod memory;
mod meters;
pub mod objective;
pub mod optim;
pub mod pattern;
pub mod precision;
pub mod recorded;
pub mod run;
pub mod run_dir;
pub mod schedule;
pub mod seed;
pub mod show;
pub mod summary;
pub mod tensorboard;
pub mod train_config;
pub mod trainer;
pub mod upload;

//! What every training run shares: a program brings a model ([`objective::Objective`]) and data
//! ([`loader::Dataset`]), and gets the rest from here. Whole programs are in `examples/`: `own_data`,
//! and `own_loop`, which has the optimiser alone.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use anyhow::{Result, bail};
//! use distributed::World;
//! use program::config::{self, Loaded};
//! use program::{exit, interrupt};
//! use s4_core::heap;
//! use serde::{Deserialize, Serialize};
//! use training::objective::Objective;
//! use training::record::Data;
//! use training::run::Experiment;
//! use training::run_dir::RunDir;
//! use training::seed;
//! use training::train_config::TrainConfig;
//! use training::trainer::{Outcome, RunSetup, Splits, Trainer};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     train: TrainConfig,
//! }
//!
//! impl config::Config for Settings {}
//!
//! impl Experiment for Settings {
//!     fn validate(&self) -> Result<()> {
//!         self.train.validate()
//!     }
//! }
//!
//! /// The model and its data: what a program is about.
//! fn open(settings: &Settings) -> Result<(impl Objective<Batch = Vec<f32>>, Splits<Vec<f32>>)> {
//! #   use s4_core::params::ParamStore;
//! #   use training::objective::{Phase, StepOutput};
//! #   struct Model;
//! #   impl Objective for Model {
//! #       type Batch = Vec<f32>;
//! #       type OnDevice = ();
//! #       fn params(&self) -> &ParamStore { unimplemented!() }
//! #       fn params_mut(&mut self) -> &mut ParamStore { unimplemented!() }
//! #       fn upload(&self, _: &Vec<f32>) -> Result<()> { unimplemented!() }
//! #       fn step(&mut self, _: &(), _: Phase) -> Result<StepOutput> { unimplemented!() }
//! #   }
//! #   if true { bail!("not here") }
//! #   Ok((Model, Splits { train: unimplemented!(), val: None, test: None }))
//! }
//!
//! fn run() -> Result<Outcome> {
//!     interrupt::install();
//!     let Loaded { value: settings, .. } = Settings::read(Path::new("small.toml"), &[])?;
//!     seed::seed_model(settings.train.seed);
//!     let (objective, splits) = open(&settings)?;
//!     let dir = RunDir::create(Path::new("runs/path-x/small-001"))?;
//!     let data = Data::new("numbers", &splits, |batch| batch.iter().flat_map(|x| x.to_le_bytes()).collect())?;
//!     let setup = RunSetup { dir, config: config::to_toml(&settings)?, data, progress: true, world: World::alone() };
//!     Trainer::new(settings.train.clone(), objective, splits, setup)?.run()
//! }
//!
//! fn main() {
//!     heap::keep_freed_pages();
//!     exit::main_exit(run)
//! }
//! ```

pub mod adapt;
pub mod args;
pub mod canvas;
pub mod checkpoint;
mod checksum;
pub mod command;
pub mod device;
mod dry_run;
mod ema;
pub mod evaluate;
pub mod guard;
pub mod imported;
pub mod init;
pub mod memory;
mod meters;
pub mod metrics_file;
pub mod objective;
pub mod optim;
pub mod pattern;
pub mod precision;
pub mod record;
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

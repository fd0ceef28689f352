//! The Long Range Arena and other tasks on long sequences, with classes or values as labels, for S4.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lra_bench::experiment::Experiment;
//! use lra_bench::objective::Supervised;
//! use tch::Device;
//! use training::evaluate::{EvalOptions, evaluate};
//! use training::objective::Objective;
//! use training::run::Run;
//!
//! let mut run: Run<Experiment> = Run::open("smnist/small-001")?;
//! let splits = run.experiment.open(false)?;
//! let mut model = Supervised::new(&run.experiment, &splits.shape, Device::Cpu)?;
//! run.load_weights(model.params())?;
//! let options = EvalOptions::of(&run.experiment.train);
//! let evaluated = evaluate(&mut model, Arc::new(splits.test), options, |_, _| {})?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//! The tasks and their data are those of [`datasets`]; [`experiment`] is what one run is made of;
//! [`import`] the one that a checkpoint of the official code is of; [`objective`] a model with its loss, [`preview`] what is seen of it while it trains; `benchmark` times
//! models; [`cli`] the command line.

mod base;
mod baseline;
mod benchmark;
mod changed;
pub mod cli;
mod csv_text;
mod device_batch;
pub mod experiment;
mod features;
pub mod import;
mod last_tokens;
pub mod metrics;
mod next_token;
mod number;
pub mod objective;
mod picture_sheet;
pub mod pretrain;
pub mod preview;
mod report;
mod solve;
mod transfer;

/// What README.md and docs/adding.md show, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../docs/adding.md")]
mod shown {}

//! The Long Range Arena and other long-sequence classification tasks for S4.
//!
//! The tasks and their data are those of [`datasets`]; [`experiment`] is what one run is made of;
//! [`objective`] the loss of a classifier, [`preview`] what is seen of it while it trains; `benchmark` times models; [`cli`] the command line.

mod benchmark;
pub mod cli;
mod csv_text;
mod device_batch;
pub mod experiment;
mod metrics;
pub mod objective;
pub mod preview;
mod report;

/// What README.md and docs/adding.md show, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../docs/adding.md")]
mod shown {}

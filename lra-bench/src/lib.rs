//! The Long Range Arena and other long-sequence classification tasks for S4.
//!
//! [`tasks`] is the table of what there is; [`experiment`] what one run is made of; [`model`] the
//! classifier; [`objective`] its loss; [`data`], [`listops`] and [`pathfinder`] where examples come from;
//! [`benchmark`] times models; [`cli`] the command line.

pub mod benchmark;
pub mod cli;
pub mod data;
pub mod experiment;
pub mod fetch;
pub mod listops;
pub mod metrics;
pub mod model;
pub mod objective;
pub mod pathfinder;
pub mod report;
pub mod tasks;

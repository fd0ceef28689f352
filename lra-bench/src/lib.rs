//! The Long Range Arena and other long-sequence classification tasks for S4.
//!
//! [`tasks`] is the table of what there is; [`experiment`] what one run is made of; [`model`] the
//! classifier; [`objective`] its loss; [`data`] and [`pathfinder`] where examples come from;
//! [`cli`] the command line.

pub mod cli;
pub mod data;
pub mod experiment;
pub mod model;
pub mod objective;
pub mod pathfinder;
pub mod tasks;

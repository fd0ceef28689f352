//! The Long Range Arena and other long-sequence classification tasks for S4.

pub mod model;
pub mod pathfinder;

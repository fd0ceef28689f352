//! Dated series and the windows that forecasts are made from.
//!
//! [`table`] reads a CSV file onto a grid of equal steps, [`time`] is that grid, [`calendar`] what is told
//! of its dates, [`window`] what a model gets of it; [`reader`] prepares a file as a run's data was.

pub mod calendar;
pub mod reader;
pub mod table;
pub mod time;
pub mod window;

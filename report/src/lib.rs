//! What experiments are reported with: how sure a figure is, charts, pages.
//!
//! ```
//! use report::bootstrap::{Bootstrap, Units};
//! use report::page::{Page, Part};
//!
//! let correct = [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0];
//! let accuracy = |drawn: &[usize]| drawn.iter().map(|&i| correct[i]).sum::<f64>() / drawn.len() as f64;
//! let interval = Bootstrap::default().interval(&Units::each(8), accuracy);
//! assert!(interval.low < 0.75 && 0.75 < interval.high);
//!
//! let mut page = Page::new("Accuracy");
//! page.add(Part::Text(format!("75 % [{:.0}, {:.0}]", 100.0 * interval.low, 100.0 * interval.high)));
//! assert!(page.to_html().contains("75 %"));
//! ```
//! [`bootstrap`] resamples, [`interval`] is what comes of it; [`chart`] draws lines, [`bars`] values
//! with their intervals; [`page`] is one HTML file with everything in it, [`cell`] what its tables
//! hold, [`picture`] what is looked at there.

pub mod bars;
pub mod bootstrap;
pub mod cell;
pub mod chart;
pub mod fisher;
pub mod holm;
pub mod interval;
pub mod mcnemar;
pub mod page;
pub mod picture;

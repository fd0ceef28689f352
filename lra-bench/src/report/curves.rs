//! How runs came to their results.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use program::names::endings;
use report::chart::{Chart, Series};
use training::metrics_file;

use super::run::Run;

/// The split that curves are of.
const SPLIT: &str = "val";

/// The metric on the validation split after each evaluation of `runs`, a line for each, as an SVG
/// document.
///
/// # Errors
/// If the runs have different metrics, none has two evaluations, or a file cannot be read.
pub fn curves(runs: &[Run]) -> Result<String> {
    let metrics: BTreeSet<&str> = runs.iter().map(|run| run.subject.metric.name).collect();
    ensure!(
        metrics.len() <= 1,
        "runs of different metrics have no common curves ({}): name runs of one kind of task",
        metrics.iter().copied().collect::<Vec<_>>().join(", ")
    );
    let metric = metrics.first().copied().unwrap_or_default();
    let mut series = Vec::new();
    let folders: Vec<&Path> = runs.iter().map(|run| &*run.folder).collect();
    for (run, name) in runs.iter().zip(endings(&folders, 1)) {
        let points = metrics_file::read(&run.folder, SPLIT, metric)?;
        let points = points.into_iter().map(|(step, value)| (step as f64, value)).collect();
        series.push(Series { name, points, ..Series::default() });
    }
    series.retain(|series| series.points.len() >= 2);
    ensure!(!series.is_empty(), "none of the runs was evaluated twice while it trained");
    let y_label = format!("{SPLIT} {metric}");
    Chart { x_label: "step".to_owned(), y_label, series, ..Chart::default() }.to_svg()
}

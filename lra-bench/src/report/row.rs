//! One experiment: the runs that differ in their seed alone.

use std::path::PathBuf;

use datasets::metric::Metric;
use serde::Serialize;
use training::summary::Summary;

use super::run::{Run, Subject};

/// What came of an experiment. Shares are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The program that trained it.
    pub program: &'static str,
    /// The task's name.
    pub task: String,
    /// Which data it is about; empty where that is not known.
    pub data: String,
    /// Examples to train on.
    pub train_samples: Option<u64>,
    /// What `val`, `test` and `paper` are, and which way it improves.
    pub metric: Metric,
    /// What mixes the positions: `S4`, `S4D`, a baseline.
    pub model: String,
    /// Number of layers.
    pub layers: i64,
    pub width: i64,
    /// Trained scalars.
    pub parameters: Option<usize>,
    /// On the validation split, as the best weights have it.
    pub val: Option<Spread>,
    /// On the test split, of the runs that are finished.
    pub test: Option<Spread>,
    /// Chance accuracy, assuming balanced classes.
    pub chance: Option<f64>,
    /// Of S4 in the papers, where the data is theirs.
    pub paper: Option<f64>,
    /// Training samples in a second, on average.
    pub samples_per_s: Option<f64>,
    /// Peak memory in MiB, at most.
    pub peak_mib: Option<f64>,
    /// Optimiser steps made, on average.
    pub steps: Option<f64>,
    /// Where it was trained.
    pub device: Option<String>,
    pub seeds: Vec<u64>,
    /// How many of the runs came to their end.
    pub finished: usize,
    /// The runs' folders.
    pub runs: Vec<PathBuf>,
    /// The folder that they are the seeds of.
    #[serde(skip)]
    pub seeds_of: Option<PathBuf>,
}

/// A figure of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    /// Sample standard deviation (with n - 1); none of a single run.
    pub standard_deviation: Option<f64>,
    /// Number of runs that have the figure.
    pub count: usize,
}

impl Spread {
    /// The spread of these values; `None` where there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { mean, standard_deviation, count })
    }
}

impl Row {
    /// Of runs of one experiment, at least one.
    pub(super) fn of(runs: &[&Run]) -> Self {
        let first = runs[0];
        let Subject { program, task, metric, classes, data, .. } = &first.subject;
        let classes = classes.filter(|_| *metric == Metric::ACCURACY);
        let summaries: Vec<&Summary> = runs.iter().filter_map(|run| run.summary.as_ref()).collect();
        let all = |figure: fn(&Summary) -> Option<f64>| -> Vec<f64> {
            summaries.iter().filter_map(|summary| figure(summary)).collect()
        };
        let figures = |of: fn(&Run) -> Option<f64>| -> Vec<f64> {
            runs.iter().filter_map(|run| of(run)).collect()
        };
        let speeds = all(|summary| Some(summary.samples_per_s).filter(|speed| *speed > 0.0));
        Self {
            program,
            task: task.clone(),
            data: data.words.clone(),
            train_samples: first.train_samples(),
            metric: *metric,
            model: first.model.name().to_owned(),
            layers: first.model.depth(),
            width: first.model.width(),
            parameters: summaries.first().map(|summary| summary.parameters),
            val: Spread::of(&figures(Run::val)),
            test: Spread::of(&figures(Run::test)),
            chance: classes.map(|classes| 1.0 / classes as f64),
            paper: first.published(),
            samples_per_s: mean(&speeds),
            peak_mib: all(|summary| summary.peak_mib).into_iter().reduce(f64::max),
            steps: mean(&all(|summary| Some(summary.step as f64))),
            device: summaries.first().map(|summary| summary.device.clone()),
            seeds: runs.iter().map(|run| run.seed).collect(),
            finished: runs.iter().filter(|run| run.is_finished()).count(),
            runs: runs.iter().map(|run| run.folder.clone()).collect(),
            seeds_of: first.seeds_of.clone(),
        }
    }

    /// How far the runs are: nothing to say of those that are all finished.
    pub fn state(&self) -> String {
        match (self.finished, self.runs.len()) {
            (finished, all) if finished == all => String::new(),
            (_, 1) if self.steps.is_none() => "not evaluated yet".to_owned(),
            (_, 1) => "unfinished".to_owned(),
            (finished, all) => format!("{finished} of {all} finished"),
        }
    }

    /// The run's folder, or the one in which its seeds are, or the first with how many more.
    pub fn place(&self) -> String {
        let first = self.runs[0].display();
        match (self.runs.len(), &self.seeds_of) {
            (1, _) => first.to_string(),
            (_, Some(folder)) => folder.display().to_string(),
            (all, None) => format!("{first} and {} more", all - 1),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_a_sample() {
        let spread = Spread::of(&[0.2, 0.4, 0.9]).unwrap();
        assert!((spread.mean - 0.5).abs() < 1e-12);
        // Squares 0.09, 0.01, 0.16; over n - 1 = 2.
        assert!((spread.standard_deviation.unwrap() - 0.13f64.sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.7]).unwrap().standard_deviation, None);
        assert_eq!(Spread::of(&[]), None);
    }
}

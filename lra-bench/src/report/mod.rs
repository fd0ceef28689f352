//! What came of runs, side by side.
//!
//! [`run`] reads their folders, those of other programs too; runs that differ in their seed alone become one [`row`]; [`average`]
//! is that of the Long Range Arena; [`table`] shows it all, and [`curves`] how it came.

pub mod average;
pub mod curves;
pub mod row;
pub mod run;
pub mod table;

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use average::Average;
use row::Row;
use run::Run;

/// Runs, grouped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// One row an experiment, in the order of the runs.
    pub experiments: Vec<Row>,
    /// The average over the Long Range Arena of every model that was trained on all of it.
    pub lra_average: Vec<Average>,
}

impl Report {
    /// A report of the runs in these folders.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn of(folders: &[PathBuf]) -> Result<Self> {
        let runs = folders.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>>>()?;
        Ok(Self::of_runs(&runs))
    }

    /// A report of these runs.
    pub fn of_runs(runs: &[Run]) -> Self {
        let mut groups: Vec<Vec<&Run>> = Vec::new();
        for run in runs {
            let is_theirs =
                |group: &&mut Vec<&Run>| group.iter().all(|other| other.differs_in_seed(run));
            match groups.iter_mut().find(is_theirs) {
                Some(group) => group.push(run),
                None => groups.push(vec![run]),
            }
        }
        let experiments: Vec<Row> = groups.iter().map(|group| Row::of(group)).collect();
        let lra_average = average::averages(&experiments);
        Self { experiments, lra_average }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use datasets::tasks;

    use super::*;
    use crate::experiment::{Experiment, Preset};

    fn run(name: &str, seed: u64, width: i64, seeds_of: Option<&str>) -> Run {
        let task = tasks::find("smnist").unwrap();
        let mut experiment = Experiment::preset(task, Preset::Small, &[]).unwrap().value;
        experiment.train.seed = seed;
        experiment.model.d_model = Some(width);
        let seeds_of = seeds_of.map(PathBuf::from);
        let mut run = Run::of(Path::new(name), &experiment).unwrap();
        run.seeds_of = seeds_of;
        run
    }

    #[test]
    fn runs_that_differ_in_their_seed_alone_are_one_row() {
        let runs = [
            run("a", 1, 8, None),
            run("wide", 2, 9, None),
            run("g/seed-1", 1, 8, Some("g")),
            run("b", 2, 8, None),
            run("again", 1, 8, None), // a seed that is there
            run("g/seed-2", 2, 8, Some("g")),
        ];
        let report = Report::of_runs(&runs);
        let rows: Vec<&[PathBuf]> = report.experiments.iter().map(|row| &*row.runs).collect();
        let expected: [&[&str]; 4] =
            [&["a", "b"], &["wide"], &["g/seed-1", "g/seed-2"], &["again"]];
        assert_eq!(rows.len(), expected.len(), "{rows:?}");
        for (row, names) in rows.iter().zip(expected) {
            assert!(
                row.iter().map(|path| path.to_str().unwrap()).eq(names.iter().copied()),
                "{row:?}"
            );
        }
        assert_eq!(report.experiments[0].state(), "0 of 2 finished");
        assert_eq!(report.experiments[1].state(), "not evaluated yet");
    }
}

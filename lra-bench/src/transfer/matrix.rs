//! All cells of a matrix, and their rows.

use datasets::metric::Metric;
use serde::Serialize;

use super::{Cell, Finished, Way};
use crate::report::row::Spread;

/// Cells that differ in their seed alone.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub base: String,
    pub task: String,
    pub way: String,
    pub fraction: f64,
    pub metric: Metric,
    /// Of the test split.
    pub test: Option<Spread>,
    pub seeds: Vec<Finished>,
}

/// What a matrix is of.
#[derive(Debug)]
pub struct Axes<'a> {
    pub bases: &'a [String],
    pub tasks: &'a [String],
    pub ways: &'a [Way],
    pub fractions: &'a [f64],
    pub seeds: &'a [u64],
}

impl Axes<'_> {
    /// Every cell, those of a row next to each other; `steps` says how many one of a base, task and way
    /// takes.
    pub fn cells(&self, steps: impl Fn(&str, &str, &Way) -> u64) -> Vec<Cell> {
        let mut cells = Vec::new();
        for base in self.bases {
            for task in self.tasks {
                for &fraction in self.fractions {
                    for way in self.ways {
                        for &seed in self.seeds {
                            let steps = steps(base, task, way);
                            let (base, task, way) = (base.clone(), task.clone(), way.clone());
                            cells.push(Cell { base, task, way, fraction, seed, steps });
                        }
                    }
                }
            }
        }
        cells
    }
}

/// The rows of cells with what came of each, in the order of base, task and share.
pub fn rows(cells: &[(Cell, Option<(Metric, Finished)>)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (cell, outcome) in cells {
        let result = outcome.as_ref().map(|(_, result)| result.clone());
        let way = cell.way.to_string();
        let is_its = |row: &&mut Row| {
            row.base == cell.base
                && row.task == cell.task
                && row.way == way
                && row.fraction == cell.fraction
        };
        match rows.iter_mut().find(is_its) {
            Some(row) => row.seeds.extend(result),
            None => rows.push(Row {
                base: cell.base.clone(),
                task: cell.task.clone(),
                way,
                fraction: cell.fraction,
                metric: outcome.as_ref().map_or(Metric::ACCURACY, |(metric, _)| *metric),
                test: None,
                seeds: result.into_iter().collect(),
            }),
        }
    }
    let order = |of: &[&str], name: &str| of.iter().position(|known| *known == name);
    let bases: Vec<&str> = cells.iter().map(|(cell, _)| cell.base.as_str()).collect();
    let tasks: Vec<&str> = cells.iter().map(|(cell, _)| cell.task.as_str()).collect();
    rows.sort_by(|a, b| {
        let place = |row: &Row| (order(&bases, &row.base), order(&tasks, &row.task));
        place(a).cmp(&place(b)).then(a.fraction.total_cmp(&b.fraction))
    });
    for row in &mut rows {
        row.seeds.sort_by_key(|result| result.seed);
        let values: Vec<f64> = row.seeds.iter().map(|result| result.test).collect();
        row.test = Spread::of(&values);
    }
    rows
}

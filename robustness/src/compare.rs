//! Two models on the same slices: which of them got worse?

use std::collections::HashMap;

use anyhow::{Result, ensure};
use report::cell::Judgement;
use report::holm;
use serde::Serialize;

use crate::results::{Change, Figure, Results, Sample};
use crate::slice::Slice;

/// Below this a difference is significant, after Holm's correction.
pub const LEVEL: f64 = 0.05;

/// Two results side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// By which figure.
    pub metric: Figure,
    /// A row a slice that both have.
    pub rows: Vec<Row>,
    /// Identifiers of slices that only one has.
    pub unmatched: Vec<String>,
}

/// Two models on one slice.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The slice, with the members that both were judged on.
    pub slice: Slice,
    /// Mean of the first model.
    pub a: f64,
    /// Mean of the second.
    pub b: f64,
    /// Second minus first, on the same examples.
    pub change: Change,
}

impl Row {
    /// Whether the second model is significantly worse.
    pub fn is_regression(&self, metric: &Figure) -> bool {
        self.change.judgement(metric) == Some(Judgement::Worse)
    }
}

impl Comparison {
    /// `b` against `a`, on the slices and examples that both have.
    ///
    /// # Errors
    /// If they are of different tasks or metrics, or have no slice in common.
    pub fn of(a: &Results, b: &Results) -> Result<Self> {
        ensure!(
            a.about.task == b.about.task && a.metric == b.metric,
            "results of {} by {} and of {} by {} cannot be compared",
            a.about.task,
            a.metric.name,
            b.about.task,
            b.metric.name
        );
        let mut others: HashMap<String, _> =
            b.rows.iter().map(|row| (row.slice.identifier(), row)).collect();
        let (mut rows, mut unmatched) = (Vec::new(), Vec::new());
        for row in &a.rows {
            let Some(other) = others.remove(&row.slice.identifier()) else {
                unmatched.push(row.slice.identifier());
                continue;
            };
            let theirs: HashMap<usize, f64> =
                other.slice.members.iter().copied().zip(other.values()).collect();
            let both: Vec<(usize, f64, f64)> = row
                .slice
                .members
                .iter()
                .zip(row.values())
                .filter_map(|(&example, a)| theirs.get(&example).map(|&b| (example, a, b)))
                .collect();
            let before: Vec<f64> = both.iter().map(|it| it.1).collect();
            let after: Vec<f64> = both.iter().map(|it| it.2).collect();
            let sample = Sample { values: &after, clusters: None };
            let Some(change) = sample.change_from(&before, &a.metric) else { continue };
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let members = both.iter().map(|it| it.0).collect();
            let slice = Slice { members, ..row.slice.clone() };
            rows.push(Row { slice, a: mean(&before), b: mean(&after), change });
        }
        let mut left: Vec<String> = others.into_keys().collect();
        left.sort();
        unmatched.extend(left);
        ensure!(!rows.is_empty(), "the two results have no slice with common examples");
        let p: Vec<f64> = rows.iter().map(|row| row.change.p).collect();
        for (row, p) in rows.iter_mut().zip(holm::adjust(&p)) {
            row.change.p_holm = p;
        }
        Ok(Self { metric: a.metric.clone(), rows, unmatched })
    }

    /// Slices on which the second model is significantly worse.
    pub fn regressions(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_regression(&self.metric))
    }
}

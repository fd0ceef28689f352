//! Every score of sets of sounds, with intervals: what `sashimi metrics` prints and writes.

use std::fmt;

use anyhow::Result;
use report::bootstrap::{Bootstrap, Units};
use report::interval::Interval;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::fid::Moments;
use super::ndb::{self, Cells};
use super::probabilities::Probabilities;
use super::{am, inception, mis};

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Its 95 % bootstrap interval.
    #[serde(flatten)]
    pub interval: Interval,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { low, high } = self.interval;
        let digits = if self.value < 10.0 { 2 } else { 0 };
        let text = format!("{:.digits$} [{low:.digits$}, {high:.digits$}]", self.value);
        f.pad(&text)
    }
}

/// The scores of a set of sounds.
#[derive(Debug, Clone, Serialize)]
pub struct Scores {
    /// Fréchet distance to the reference; lower is better.
    pub fid: Figure,
    /// Inception score; higher is better.
    pub is: Figure,
    /// Modified inception score; higher is better.
    pub mis: Figure,
    /// AM score, nats; lower is better.
    pub am: Figure,
    /// Share of statistically different bins; lower is better.
    pub ndb: Figure,
    /// What the official code prints where that is another figure.
    pub official: Official,
}

/// Figures of the official code.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Official {
    /// Its inception score, along the wrong axis.
    pub is: f64,
    /// Its modified inception score, of 10,000 drawn pairs.
    pub mis: f64,
}

/// What sets are compared with.
pub struct Reference<'a> {
    features: &'a Tensor,
    probabilities: &'a Probabilities,
    moments: Moments,
    cells: Cells,
    bootstrap: Bootstrap,
}

impl<'a> Reference<'a> {
    /// Sounds with these features (n, d) and probabilities.
    ///
    /// # Errors
    /// If there are fewer than two.
    pub fn new(
        features: &'a Tensor,
        probabilities: &'a Probabilities,
        bootstrap: Bootstrap,
    ) -> Result<Self> {
        let moments = Moments::of(features)?;
        // At least ten sounds a cell, so that chance can be told from difference.
        let cells = ndb::CELLS.min(probabilities.len() / 10).max(1);
        let cells = Cells::fit(features, cells, bootstrap.seed)?;
        Ok(Self { features, probabilities, moments, cells, bootstrap })
    }

    /// The scores of sounds with these features (n, d) and probabilities.
    ///
    /// # Errors
    /// If there are fewer than two.
    pub fn scores(&self, features: &Tensor, probabilities: &Probabilities) -> Result<Scores> {
        let units = Units::each(probabilities.len());
        let of_classes = |score: &dyn Fn(&Probabilities) -> f64| {
            let drawn = |drawn: &[usize]| score(&probabilities.select(&rows(drawn)));
            Self::figure(score(probabilities), &self.bootstrap.replicates(&units, drawn))
        };
        let distance = |a: &[usize], b: &[usize]| {
            let moments = |x: &Tensor, drawn| Moments::of(&x.index_select(0, &rows(drawn)));
            match (moments(self.features, a), moments(features, b)) {
                (Ok(a), Ok(b)) => a.distance(&b),
                _ => f64::NAN,
            }
        };
        let theirs = Units::each(self.probabilities.len());
        let distances = self.bootstrap.replicates_of_two((&theirs, &units), distance);
        let labels = self.cells.assign(features)?;
        let different = |drawn: &[usize]| {
            self.cells.score(&drawn.iter().map(|&i| labels[i]).collect::<Vec<_>>())
        };
        let different = self.bootstrap.replicates(&units, different);
        Ok(Scores {
            fid: Self::figure(self.moments.distance(&Moments::of(features)?), &distances),
            is: of_classes(&inception::score),
            mis: of_classes(&mis::score),
            am: of_classes(&|probabilities| am::score(self.probabilities, probabilities)),
            ndb: Self::figure(self.cells.score(&labels), &different),
            official: Official {
                is: inception::official(probabilities),
                mis: mis::official(probabilities, mis::PAIRS),
            },
        })
    }

    /// Sounds that are drawn twice make every score worse or better than it is: intervals are centred.
    /// No score is negative.
    fn figure(value: f64, replicates: &[f64]) -> Figure {
        let Interval { low, high } = Interval::centred(value, replicates);
        Figure { value, interval: Interval { low: low.max(0.0), high } }
    }
}

fn rows(drawn: &[usize]) -> Tensor {
    Tensor::from_slice(&drawn.iter().map(|&i| i as i64).collect::<Vec<_>>())
}

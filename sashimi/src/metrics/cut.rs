//! The official evaluation of SC09 leaves out the least likely and the likeliest samples, and looks
//! for the cut with the best score.

use tch::{Device, Kind, Tensor};

use super::probabilities::Probabilities;

/// Which share of the samples is kept, of samples in the order of their likelihood.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Cut {
    /// What is left out at the beginning, in [0, 1).
    pub lower: f64,
    /// Where the end is left out from, in (0, 1].
    pub upper: f64,
}

impl Cut {
    /// The official cuts: from 0, 10, ..., 40 % to 60, 65, ..., 95 %.
    pub fn grid() -> Vec<Self> {
        // The numbers of numpy's `arange`, which truncates to other places than exact ones would.
        let upper_step = (0.6 + 0.05) - 0.6;
        let lower = (0..5).map(|i| f64::from(i) * 0.1);
        let cuts = lower.map(|lower| {
            (0..8).map(move |i| Self { lower, upper: 0.6 + f64::from(i) * upper_step })
        });
        cuts.flatten().collect()
    }

    /// The rows of `count` that are kept.
    pub fn rows(self, count: usize) -> Tensor {
        let end = |share: f64| (share * count as f64) as i64;
        Tensor::arange_start(end(self.lower), end(self.upper), (Kind::Int64, Device::Cpu))
    }

    /// The cut with the highest `score` of samples in the order of their likelihood, and that score;
    /// `None` where no cut keeps any. The official search never updates its best score: it ends with
    /// its last cut, 40 % to 95 %, whatever the samples are.
    pub fn best(
        sorted: &Probabilities,
        score: impl Fn(&Probabilities) -> f64,
    ) -> Option<(Self, f64)> {
        let cuts = Self::grid().into_iter().map(|cut| (cut, cut.rows(sorted.len())));
        let scores = cuts.filter(|(_, rows)| rows.numel() > 0);
        scores
            .map(|(cut, rows)| (cut, score(&sorted.select(&rows))))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

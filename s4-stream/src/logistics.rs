//! Scores of levels by a mixture of discretised logistic distributions, as the crate `models` says it.
//!
//! A position's scores are the logarithms of (1 - ε) Σ π (σ((v + h - μ) / s) - σ((v - h - μ) / s)) +
//! ε / V. In float64: a step takes one logarithm and one exponential for each border of each component.

use s4_config::LogisticsConfig;

use crate::past::Past;
use crate::settings::size;
use crate::simd::{Lanes, WIDTH};

/// Numbers of a component beside the weights of predictions.
const OWN: usize = LogisticsConfig::OWN as usize;

/// From numbers of components to scores of levels.
#[derive(Debug, Clone)]
pub(crate) struct Logistics {
    components: usize,
    /// Places before the next code, less than 0 where its level is taken off.
    predictors: Vec<Vec<i64>>,
    levels: usize,
}

/// Room for the predictions of a position and for the logarithms of all levels.
#[derive(Debug)]
pub(crate) struct Scratch {
    predictions: Vec<f64>,
    logarithms: Vec<f64>,
}

impl Logistics {
    pub fn new(config: &LogisticsConfig, levels: usize) -> Self {
        let LogisticsConfig { components, predictors } = config;
        Self { components: size(*components), predictors: predictors.clone(), levels }
    }

    pub fn scratch(&self) -> Scratch {
        Scratch {
            predictions: vec![0.0; self.predictors.len()],
            logarithms: vec![0.0; self.levels],
        }
    }

    /// Levels that have scores.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Numbers that the network says of a position.
    pub fn inputs(&self) -> usize {
        self.components * (OWN + self.predictors.len())
    }

    /// The scores of all levels of what follows sequence `row`, from what the network `said`.
    pub fn score(
        &self,
        said: &[Lanes],
        past: &Past,
        row: usize,
        scratch: &mut Scratch,
        scores: &mut [f32],
    ) {
        let Scratch { predictions, logarithms } = scratch;
        for (prediction, lags) in predictions.iter_mut().zip(&self.predictors) {
            *prediction = self.prediction(lags, past, row);
        }
        let numbers = OWN + predictions.len();
        let said = |component: usize, number: usize| {
            let place = component * numbers + number;
            f64::from(said[place / WIDTH].0[place % WIDTH])
        };
        let shares = (0..self.components).map(|component| said(component, 0));
        let total = shares.fold(f64::NEG_INFINITY, log_sum);
        logarithms.fill(f64::NEG_INFINITY);
        for component in 0..self.components {
            let mean = mixed(predictions, |number| said(component, OWN + number));
            let mean = mean + said(component, 1) * LogisticsConfig::SHIFT;
            let log_scale = (said(component, 2) + self.first_scale(component))
                .clamp(LogisticsConfig::SCALES.0, LogisticsConfig::SCALES.1);
            self.add(said(component, 0) - total, mean, (-log_scale).exp(), logarithms);
        }
        let floor = (LogisticsConfig::FLOOR / self.levels as f64).ln();
        for (score, log) in scores.iter_mut().zip(logarithms) {
            *score = log_sum(*log + (-LogisticsConfig::FLOOR).ln_1p(), floor) as f32;
        }
    }

    /// A sum of earlier levels in [-1, 1]; before the first, they are in the middle.
    fn prediction(&self, lags: &[i64], past: &Past, row: usize) -> f64 {
        let level = |&lag: &i64| {
            let code = past.code(row, size(lag.abs()));
            lag.signum() as f64 * code.map_or(0.0, |code| self.place(code as usize))
        };
        lags.iter().map(level).sum::<f64>().clamp(-1.0, 1.0)
    }

    fn first_scale(&self, component: usize) -> f64 {
        let (low, high) = LogisticsConfig::FIRST_SCALES;
        match self.components {
            1 => f64::midpoint(low, high),
            count => low + (high - low) * component as f64 / (count - 1) as f64,
        }
    }

    fn half(&self) -> f64 {
        1.0 / (self.levels - 1) as f64
    }

    fn place(&self, level: usize) -> f64 {
        2.0 * self.half() * level as f64 - 1.0
    }

    /// Adds a component's share of each level to the logarithms `all`.
    fn add(&self, log_share: f64, mean: f64, steepness: f64, all: &mut [f64]) {
        let width = (-(-2.0 * self.half() * steepness).exp_m1()).ln();
        // log(1 - σ) at the border below: at the first level there is none.
        let mut above = 0.0;
        for (level, log) in all.iter_mut().enumerate() {
            let is_first = level == 0;
            let border = (self.place(level) + self.half() - mean) * steepness;
            // log σ at the border above: at the last level there is none.
            let below = if level + 1 < self.levels { -softplus(-border) } else { 0.0 };
            let is_inside = !is_first && level + 1 < self.levels;
            let cell = below + above + if is_inside { width } else { 0.0 };
            *log = log_sum(*log, log_share + cell);
            above = below - border;
        }
    }
}

/// A mean of the predictions, with weights that sum to 1.
fn mixed(predictions: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
    let count = predictions.len();
    let mean = (0..count).map(&weight).sum::<f64>() / count as f64;
    let each = predictions.iter().enumerate();
    each.map(|(number, p)| p * (weight(number) - mean + 1.0 / count as f64)).sum()
}

/// log(1 + eˣ).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// log(eᵃ + eᵇ).
fn log_sum(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY { b } else { a.max(b) + (-(a - b).abs()).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::pack;

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// Against differences of distribution functions, written out.
    #[test]
    fn scores_are_logarithms_of_a_mixture_of_cells() {
        let config = LogisticsConfig { components: 2, predictors: vec![vec![1], vec![1, 2, -3]] };
        let logistics = Logistics::new(&config, 6);
        let said = [0.3f32, -1.0, 2.5, 0.2, -0.4, -0.6, 2.0, 1.0, 0.7, 0.1];
        assert_eq!(logistics.inputs(), said.len());
        let (said, mut scratch) = (pack(said), logistics.scratch());
        let mut past = Past::new(2, 3);
        [[0, 4], [1, 2], [0, 5]].iter().for_each(|codes| past.push(codes));
        let mut scores = [0.0; 6];
        logistics.score(&said, &past, 1, &mut scratch, &mut scores);
        let place = |level: f64| 0.4 * level - 1.0;
        let predictions = [place(5.0), (place(5.0) + place(2.0) - place(4.0)).clamp(-1.0, 1.0)];
        let shares = [0.3f64.exp(), (-0.6f64).exp()].map(|x| x / (0.3f64.exp() + (-0.6f64).exp()));
        let means = [
            0.8 * predictions[0] + 0.2 * predictions[1] - 0.1,
            0.8 * predictions[0] + 0.2 * predictions[1] + 0.2,
        ];
        let scales = [(2.5f64 - 5.0).exp(), (1.0f64 - 2.0).exp()];
        let mut sum = 0.0;
        for (level, &score) in scores.iter().enumerate() {
            let cdf = |border: f64, k: usize| sigmoid((border - means[k]) / scales[k]);
            let cell = |k: usize| {
                let upper = if level == 5 { 1.0 } else { cdf(place(level as f64) + 0.2, k) };
                let lower = if level == 0 { 0.0 } else { cdf(place(level as f64) - 0.2, k) };
                upper - lower
            };
            let probability: f64 = (0..2).map(|k| shares[k] * cell(k)).sum();
            let probability = 0.9999 * probability + 0.0001 / 6.0;
            assert!((f64::from(score) - probability.ln()).abs() < 1e-5, "{level}: {score}");
            sum += f64::from(score).exp();
        }
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}

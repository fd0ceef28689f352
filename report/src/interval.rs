//! How sure a figure is.

use serde::{Deserialize, Serialize};

/// Confidence of intervals where no other is asked for.
pub const LEVEL: f64 = 0.95;

/// The normal distribution's 97.5th percentile.
const Z: f64 = 1.959_963_984_540_054;

/// What a figure may be, at the confidence [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// From the `replicates` of a figure, the middle 95 % (linear interpolation, as numpy). What is
    /// not finite is left out; NaN where nothing is left.
    pub fn percentile(replicates: &[f64]) -> Self {
        let sorted = sorted(replicates);
        let tail = (1.0 - LEVEL) / 2.0;
        Self { low: quantile(&sorted, tail), high: quantile(&sorted, 1.0 - tail) }
    }

    /// As [`Self::percentile`], moved so that the replicates' median is `estimate`. For figures that
    /// are biased in resamples, where examples occur more than once: distances between distributions.
    pub fn centred(estimate: f64, replicates: &[f64]) -> Self {
        let shift = estimate - quantile(&sorted(replicates), 0.5);
        let Self { low, high } = Self::percentile(replicates);
        Self { low: low + shift, high: high + shift }
    }

    /// Of a proportion (Wilson 1927): `successes` of `trials`. From 0 to 1 where there are no trials.
    pub fn wilson(successes: usize, trials: usize) -> Self {
        if trials == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let n = trials as f64;
        let p = successes as f64 / n;
        let centre = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let end = |sum: f64| (sum / (1.0 + Z * Z / n)).clamp(0.0, 1.0);
        Self { low: end(centre - half), high: end(centre + half) }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Interval, low: f64, high: f64) {
        assert!((a.low - low).abs() < 1e-6 && (a.high - high).abs() < 1e-6, "{a:?}");
    }

    #[test]
    fn proportions_are_wilsons() {
        near(Interval::wilson(8, 10), 0.490_162, 0.943_318); // statsmodels, method "wilson"
        near(Interval::wilson(0, 10), 0.0, 0.277_533);
        near(Interval::wilson(0, 0), 0.0, 1.0);
    }

    #[test]
    fn percentiles_are_interpolated() {
        let replicates: Vec<f64> = (0..=100).rev().map(f64::from).chain([f64::NAN]).collect();
        near(Interval::percentile(&replicates), 2.5, 97.5);
        near(Interval::centred(60.0, &replicates), 12.5, 107.5);
        assert!(Interval::percentile(&[]).low.is_nan());
    }
}

//! Drawing the next code from the model's scores.

use anyhow::{Result, ensure};
use clap::Args;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

/// How codes are drawn.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, PartialEq, SmartDefault, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Divides the scores: below 1 likelier codes become likelier still; 0 always takes the best
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    #[default(1.0)]
    pub temperature: f64,
    /// Draw from the K likeliest codes only
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Draw from the likeliest codes that make up this probability only
    #[arg(long, value_name = "P")]
    pub top_p: Option<f64>,
}

impl Sampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { temperature, top_k, top_p } = *self;
        ensure!(
            temperature.is_finite() && temperature >= 0.0,
            "the temperature is {temperature}; it must be a number of at least 0"
        );
        ensure!(top_k != Some(0), "top-k is 0; at least one code must be left to draw");
        if let Some(p) = top_p {
            ensure!(p > 0.0 && p <= 1.0, "top-p is {p}; it must be above 0 and at most 1");
        }
        Ok(())
    }

    /// Draws a code from `scores`, the logarithms of unnormalised probabilities.
    ///
    /// # Errors
    /// If a score is NaN: the model has diverged.
    pub fn draw(&self, scores: &[f32], rng: &mut impl Rng) -> Result<usize> {
        ensure!(
            !scores.iter().any(|score| score.is_nan()),
            "the model's scores are NaN: its weights are damaged, or its recurrence is unstable \
             (of sound, `sashimi stability` tells)"
        );
        let mut order = Descending::new(scores);
        if self.temperature == 0.0 {
            return Ok(order.at(0));
        }
        let best = f64::from(scores[order.at(0)]);
        let weight = |code: usize| ((f64::from(scores[code]) - best) / self.temperature).exp();
        let (mut count, mut total) = match self.top_k.filter(|&k| k < scores.len()) {
            None => (scores.len(), (0..scores.len()).map(weight).sum::<f64>()),
            Some(k) => (k, (0..k).map(|place| weight(order.at(place))).sum()),
        };
        if let Some(p) = self.top_p {
            let mut sum = 0.0;
            let enough = (0..count).position(|place| {
                sum += weight(order.at(place));
                sum >= p * total
            });
            if let Some(last) = enough {
                (count, total) = (last + 1, sum);
            }
        }
        let mut left = rng.random::<f64>() * total;
        for place in 0..count {
            let code = order.at(place);
            left -= weight(code);
            if left < 0.0 {
                return Ok(code);
            }
        }
        // Rounding can leave a crumb.
        Ok(order.at(count - 1))
    }
}

/// Codes from the likeliest to the least likely, equal ones by their number, sorted as far as they are looked at.
struct Descending<'a> {
    scores: &'a [f32],
    order: Vec<usize>,
    sorted: usize,
}

impl<'a> Descending<'a> {
    fn new(scores: &'a [f32]) -> Self {
        Self { scores, order: (0..scores.len()).collect(), sorted: 0 }
    }

    fn at(&mut self, place: usize) -> usize {
        let Self { scores, order, sorted } = self;
        if place >= *sorted {
            let by_score = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
            let next = (4 * *sorted).max(64).max(place + 1).min(order.len());
            let rest = &mut order[*sorted..];
            rest.select_nth_unstable_by(next - *sorted - 1, by_score);
            rest[..next - *sorted].sort_unstable_by(by_score);
            *sorted = next;
        }
        order[place]
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn shares(sampling: Sampling, scores: &[f32]) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = vec![0.0; scores.len()];
        for _ in 0..20_000 {
            counts[sampling.draw(scores, &mut rng).unwrap()] += 1.0 / 20_000.0;
        }
        counts
    }

    fn assert_shares(sampling: Sampling, scores: &[f32], expected: &[f64]) {
        for (found, expected) in shares(sampling, scores).iter().zip(expected) {
            assert!((found - expected).abs() < 0.015, "{found} instead of {expected}");
        }
    }

    /// Probabilities 0.1, 0.4, 0.2, 0.3.
    fn scores() -> Vec<f32> {
        [0.1f32, 0.4, 0.2, 0.3].iter().map(|p| p.ln() + 5.0).collect()
    }

    #[test]
    fn codes_come_as_often_as_they_should() {
        let plain = Sampling::default();
        assert_shares(plain, &scores(), &[0.1, 0.4, 0.2, 0.3]);
        let squared = [0.01, 0.16, 0.04, 0.09].map(|p| p / 0.3);
        assert_shares(Sampling { temperature: 0.5, ..plain }, &scores(), &squared);
        let two = [0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0];
        assert_shares(Sampling { top_k: Some(2), ..plain }, &scores(), &two);
        assert_shares(Sampling { top_p: Some(0.65), ..plain }, &scores(), &two);
        assert_shares(Sampling { top_p: Some(1e-9), ..plain }, &scores(), &[0.0, 1.0, 0.0, 0.0]);
        assert_shares(Sampling { temperature: 0.0, ..plain }, &scores(), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn codes_are_in_order_however_many_there_are() {
        for count in [1, 63, 64, 65, 1000] {
            let scores: Vec<f32> = (0..count).map(|i| (i * 7919 % 101) as f32).collect();
            let mut expected: Vec<usize> = (0..count).collect();
            expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let mut order = Descending::new(&scores);
            let found: Vec<usize> = (0..count).map(|place| order.at(place)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn large_scores_and_infinite_ones_are_fine() {
        let scores = [1e30, f32::NEG_INFINITY, 1e30];
        assert_shares(Sampling::default(), &scores, &[0.5, 0.0, 0.5]);
    }

    #[test]
    fn nan_is_an_error_and_ranges_are_checked() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(Sampling::default().draw(&[0.0, f32::NAN], &mut rng).is_err());
        let plain = Sampling::default();
        for wrong in [
            Sampling { temperature: -1.0, ..plain },
            Sampling { temperature: f64::NAN, ..plain },
            Sampling { top_k: Some(0), ..plain },
            Sampling { top_p: Some(0.0), ..plain },
            Sampling { top_p: Some(1.1), ..plain },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }
}

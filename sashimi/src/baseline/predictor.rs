//! Linear prediction of the next sample from the previous ones.
//!
//! [`Fixed`] has the filter of the training set, as in classical linear predictive coding.
//! [`Adaptive`] is the cascade of strong lossless audio coders: a long filter that follows slowly
//! (normalised least mean squares), and behind it a short one that is the exact least-squares
//! solution over a sliding exponential window.

use std::collections::VecDeque;

/// Weights of the previous samples, the latest first, with the least squared error on `pieces`,
/// of each of which the mean is taken off.
pub(super) fn least_squares<'a>(
    pieces: impl Iterator<Item = &'a [u16]>,
    values: &[f64],
    order: usize,
) -> Vec<f64> {
    let mut correlation = vec![0.0; order + 1];
    let mut samples = Vec::new();
    for codes in pieces {
        samples.clear();
        let value = |&code: &u16| values[usize::from(code)];
        let mean = codes.iter().map(value).sum::<f64>() / codes.len() as f64;
        samples.extend(codes.iter().map(|code| value(code) - mean));
        for (lag, sum) in correlation.iter_mut().enumerate() {
            let later = samples.get(lag..).unwrap_or_default();
            *sum += samples.iter().zip(later).map(|(a, b)| a * b).sum::<f64>();
        }
    }
    let ridge = 1e-6 * correlation[0] + f64::MIN_POSITIVE;
    let matrix = |i: usize, j: usize| correlation[i.abs_diff(j)] + if i == j { ridge } else { 0.0 };
    solve(matrix, &correlation[1..]).unwrap_or_else(|| vec![0.0; order])
}

/// The filter of the training set.
#[derive(Debug)]
pub(super) struct Fixed<'a> {
    weights: &'a [f64],
    history: History,
}

/// A long and a short filter that follow the signal.
#[derive(Debug)]
pub(super) struct Adaptive {
    long: Nlms,
    short: Windowed,
}

impl<'a> Fixed<'a> {
    pub(super) fn new(weights: &'a [f64]) -> Self {
        Self { weights, history: History::new(weights.len()) }
    }

    pub(super) fn predict(&self) -> f64 {
        dot(self.weights, self.history.latest())
    }

    pub(super) fn update(&mut self, sample: f64) {
        self.history.push(sample);
    }
}

impl Adaptive {
    /// The short filter begins with `weights`; the long one adapts at `rate`, 0 to 1.
    pub(super) fn new(weights: &[f64], rate: f64) -> Self {
        Self { long: Nlms::new(LONG_TAPS, rate), short: Windowed::new(weights) }
    }

    pub(super) fn predict(&self) -> f64 {
        self.long.predict() + self.short.predict()
    }

    pub(super) fn update(&mut self, sample: f64) {
        self.short.update(sample - self.long.predict());
        self.long.update(sample);
    }
}

/// Taps of the long filter.
const LONG_TAPS: usize = 512;
/// The window of the short filter, in samples a tap.
const WINDOW: f64 = 10.0;
/// Samples between two solutions for the short filter.
const SOLVE_EVERY: usize = 16;
/// Keeps the solution tame; relative to the signal's energy in the window.
const RIDGE: f64 = 1e-3;

/// Normalised least mean squares.
#[derive(Debug)]
struct Nlms {
    weights: Vec<f64>,
    history: History,
    energy: f64,
    rate: f64,
    prediction: f64,
}

impl Nlms {
    fn new(taps: usize, rate: f64) -> Self {
        let history = History::new(taps);
        Self { weights: vec![0.0; taps], history, energy: 0.0, rate, prediction: 0.0 }
    }

    fn predict(&self) -> f64 {
        self.prediction
    }

    fn update(&mut self, sample: f64) {
        let gain = self.rate * (sample - self.prediction) / (self.energy + 1e-4);
        let history = self.history.latest();
        self.weights.iter_mut().zip(history).for_each(|(weight, x)| *weight += gain * x);
        let oldest = history[history.len() - 1];
        // A running sum; rounding may leave it a little below 0 in silence.
        self.energy = (self.energy + sample * sample - oldest * oldest).max(0.0);
        self.history.push(sample);
        self.prediction = dot(&self.weights, self.history.latest());
    }
}

/// Least squares over an exponential window.
///
/// With r_t[k] = sum over n of λ^(t-n) x[n] x[n-k], entry (i, j) of the normal equations at time t
/// is r_(t-1-i)[j-i]: keeping the last r is keeping the whole matrix, at a cost linear in the order.
#[derive(Debug)]
struct Windowed {
    weights: Vec<f64>,
    history: History,
    /// r of the latest time first.
    correlations: VecDeque<Vec<f64>>,
    decay: f64,
    until_solved: usize,
}

impl Windowed {
    fn new(weights: &[f64]) -> Self {
        let lags = weights.len() + 1;
        Self {
            weights: weights.to_vec(),
            history: History::new(lags),
            correlations: vec![vec![0.0; lags]; lags].into(),
            decay: 1.0 - 1.0 / (WINDOW * weights.len() as f64),
            // Not before there is something to solve for.
            until_solved: 2 * weights.len(),
        }
    }

    fn predict(&self) -> f64 {
        dot(&self.weights, &self.history.latest()[..self.weights.len()])
    }

    fn update(&mut self, sample: f64) {
        self.history.push(sample);
        self.correlations.rotate_right(1);
        let (newest, rest) = self.correlations.make_contiguous().split_at_mut(1);
        for ((sum, before), x) in newest[0].iter_mut().zip(&rest[0]).zip(self.history.latest()) {
            *sum = self.decay * before + sample * x;
        }
        self.until_solved -= 1;
        if self.until_solved == 0 {
            self.until_solved = SOLVE_EVERY;
            self.solve();
        }
    }

    fn solve(&mut self) {
        let r = &self.correlations;
        // The last term is for silence, where anything solves the equations.
        let ridge = RIDGE * r[0][0] + 1e-9;
        let matrix = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            r[i + 1][j - i] + if i == j { ridge } else { 0.0 }
        };
        if let Some(weights) = solve(matrix, &r[0][1..]) {
            self.weights = weights;
        }
    }
}

/// The last samples as one slice.
#[derive(Debug)]
struct History {
    /// Every sample is written twice, `len` apart, so that a window never wraps around.
    twice: Vec<f64>,
    at: usize,
}

impl History {
    fn new(len: usize) -> Self {
        Self { twice: vec![0.0; 2 * len], at: 0 }
    }

    fn latest(&self) -> &[f64] {
        &self.twice[self.at..self.at + self.twice.len() / 2]
    }

    fn push(&mut self, sample: f64) {
        let len = self.twice.len() / 2;
        self.at = if self.at == 0 { len - 1 } else { self.at - 1 };
        self.twice[self.at] = sample;
        self.twice[self.at + len] = sample;
    }
}

/// In eight partial sums, which the compiler can keep in vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f64>()
}

/// The solution of a symmetric positive definite system by Cholesky's decomposition; `None` where
/// the matrix is not positive definite.
fn solve(matrix: impl Fn(usize, usize) -> f64, right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    let mut lower = vec![0.0; n * n];
    let mut x = right.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let known = dot(&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
            let rest = matrix(i, j) - known;
            if i > j {
                lower[i * n + j] = rest / lower[j * n + j];
            } else if rest > 0.0 {
                lower[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
        x[i] = (x[i] - dot(&lower[i * n..i * n + i], &x[..i])) / lower[i * n + i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i * n + i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// x[n] = 1.2 x[n-1] - 0.7 x[n-2] + noise
    fn resonance(length: usize, noise: f64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (mut a, mut b) = (0.0, 0.0);
        (0..length)
            .map(|_| {
                (a, b) = (1.2 * a - 0.7 * b + noise * rng.random_range(-1.0..1.0), a);
                a
            })
            .collect()
    }

    #[test]
    fn least_squares_finds_the_filter() {
        let values: Vec<f64> = (0..=60_000).map(|code| f64::from(code) / 1e4 - 3.0).collect();
        let samples = resonance(50_000, 0.5);
        let codes: Vec<u16> = samples.iter().map(|x| ((x + 3.0) * 1e4).round() as u16).collect();
        let weights = least_squares([codes.as_slice()].into_iter(), &values, 3);
        for (found, expected) in weights.iter().zip([1.2, -0.7, 0.0]) {
            assert!((found - expected).abs() < 0.02, "{weights:?}");
        }
        let silence = vec![30_000; 100];
        assert_eq!(least_squares([silence.as_slice()].into_iter(), &values, 2), [0.0, 0.0]);
    }

    #[test]
    fn windowed_normal_equations_are_those_of_the_naive_sum() {
        let samples = resonance(300, 1.0);
        let mut windowed = Windowed::new(&[0.0; 4]);
        samples.iter().for_each(|&x| windowed.update(x));
        windowed.solve();
        let x = |n: usize, lag: usize| if n >= lag { samples[n - lag] } else { 0.0 };
        let sum = |i: usize, j: usize| -> f64 {
            let weight = |n: usize| windowed.decay.powi((299 - n) as i32);
            (0..300).map(|n| weight(n) * x(n, i) * x(n, j)).sum()
        };
        let ridge = RIDGE * sum(0, 0) + 1e-9;
        let right: Vec<f64> = (1..=4).map(|i| sum(0, i)).collect();
        let naive = solve(|i, j| sum(i + 1, j + 1) + if i == j { ridge } else { 0.0 }, &right);
        for (a, b) in windowed.weights.iter().zip(naive.unwrap()) {
            assert!((a - b).abs() < 1e-10, "{a} {b}");
        }
    }

    #[test]
    fn the_cascade_learns_a_tone_and_the_fixed_filter_does_not_change() {
        let tone: Vec<f64> = (0..4000).map(|n| 0.5 * (0.3 * f64::from(n)).sin()).collect();
        let mut adaptive = Adaptive::new(&[0.0; 16], 0.02);
        let weights = [1.0];
        let mut fixed = Fixed::new(&weights);
        let (mut adaptive_error, mut fixed_error) = (0.0, 0.0);
        for (n, &x) in tone.iter().enumerate() {
            if n >= 2000 {
                adaptive_error += (x - adaptive.predict()).powi(2);
                fixed_error += (x - fixed.predict()).powi(2);
            }
            adaptive.update(x);
            fixed.update(x);
        }
        assert!(adaptive_error < 1e-4 * fixed_error, "{adaptive_error} {fixed_error}");
        let expected = (2000..4000).map(|n| (tone[n] - tone[n - 1]).powi(2)).sum::<f64>();
        assert!((fixed_error - expected).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn solutions_solve(entries in prop::collection::vec(-1.0..1.0f64, 49), right in prop::collection::vec(-1.0..1.0f64, 7)) {
            // B Bᵀ + I is positive definite.
            let product: Vec<f64> = (0..49)
                .map(|at| (0..7).map(|k| entries[at / 7 * 7 + k] * entries[at % 7 * 7 + k]).sum())
                .collect();
            let matrix = |i: usize, j: usize| product[i * 7 + j] + f64::from(i == j);
            let x = solve(matrix, &right).unwrap();
            for (i, right) in right.iter().enumerate() {
                let left: f64 = (0..7).map(|j| matrix(i, j) * x[j]).sum();
                prop_assert!((left - right).abs() < 1e-10);
            }
            prop_assert!(solve(|i, j| -matrix(i, j), &right).is_none());
        }

        #[test]
        fn predictions_stay_finite(samples in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), Just(-1.0), -1.0..1.0f64], 1..600)) {
            let mut adaptive = Adaptive::new(&[0.5; 16], 0.1);
            for x in samples.iter().cycle().take(2000) {
                prop_assert!(adaptive.predict().is_finite());
                adaptive.update(*x);
            }
        }
    }
}

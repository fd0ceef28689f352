//! The baseline of lossless audio coders: predict the sample linearly, code the residual with a
//! density that follows its size.

use derive_more::Display;
use rayon::prelude::*;

use super::density::{Bins, Spread, Weights};
use super::marginal::Marginal;
use super::pieces::sample;
use super::predictor::{Adaptive, Fixed, least_squares};

/// Codes for the weights of the density, and for comparing the kinds.
const SAMPLE: usize = 1 << 18;
/// Samples that the running mean reaches back: filters predict what is left after it, as recordings
/// may have an offset.
const MEAN_REACH: f64 = 4096.0;

/// A kind of predictor.
#[derive(Debug, Clone, Copy, PartialEq, Display)]
pub(super) enum Kind {
    /// The filter of the training set.
    #[display("order {order}, fixed")]
    Fixed {
        /// Previous samples.
        order: usize,
    },
    /// Filters that follow the signal.
    #[display("order {order}, adaptive at {rate}")]
    Adaptive {
        /// Previous samples of the short filter.
        order: usize,
        /// Step size of the long filter.
        rate: f64,
    },
}

/// All kinds that are tried.
const KINDS: [Kind; 7] = [
    Kind::Fixed { order: 8 },
    Kind::Fixed { order: 16 },
    Kind::Fixed { order: 32 },
    Kind::Adaptive { order: 16, rate: 0.05 },
    Kind::Adaptive { order: 32, rate: 0.05 },
    Kind::Adaptive { order: 16, rate: 0.2 },
    Kind::Adaptive { order: 32, rate: 0.2 },
];

/// A fitted model.
#[derive(Debug)]
pub(super) struct Linear {
    kind: Kind,
    weights: Vec<f64>,
    bins: Bins,
    prior: Weights,
}

/// The kind with the fewest bits on `tune` after fitting on `fit`.
pub(super) fn choose(fit: &[&[u16]], tune: &[&[u16]], values: &[f64], marginal: &Marginal) -> Kind {
    let tune = sample(tune, SAMPLE);
    let bits: Vec<f64> = KINDS
        .par_iter()
        .map(|&kind| {
            let model = Linear::fit(fit, kind, values, marginal);
            tune.iter().map(|codes| model.bits(codes)).sum()
        })
        .collect();
    let best = KINDS.iter().zip(bits).min_by(|a, b| a.1.total_cmp(&b.1));
    *best.expect("there are kinds").0
}

impl Linear {
    /// Fits filter and density on `pieces`.
    pub(super) fn fit(pieces: &[&[u16]], kind: Kind, values: &[f64], marginal: &Marginal) -> Self {
        let (Kind::Fixed { order } | Kind::Adaptive { order, .. }) = kind;
        let mut model = Self {
            kind,
            weights: least_squares(pieces.iter().copied(), values, order),
            bins: Bins::new(values, marginal),
            prior: Weights::fit(&[]),
        };
        let rows: Vec<_> = sample(pieces, SAMPLE)
            .par_iter()
            .flat_map_iter(|codes| {
                let mut rows = Vec::with_capacity(codes.len());
                model.run(codes, |prediction, spread, code| {
                    rows.push(model.bins.masses(prediction, spread, code));
                });
                rows
            })
            .collect();
        model.prior = Weights::fit(&rows);
        model
    }

    /// Bits of all `codes` of a sequence together.
    pub(super) fn bits(&self, codes: &[u16]) -> f64 {
        let mut weights = self.prior.clone();
        let mut bits = 0.0;
        self.run(codes, |prediction, spread, code| {
            let masses = self.bins.masses(prediction, spread, code);
            bits -= weights.probability(&masses).log2();
            weights.follow(&masses, &self.prior);
        });
        bits
    }

    /// Calls `on_code` for each code with what was known before it.
    fn run(&self, codes: &[u16], on_code: impl FnMut(f64, &Spread, u16)) {
        match self.kind {
            Kind::Fixed { .. } => {
                let mut filter = Fixed::new(&self.weights);
                self.predict(codes, &mut filter, Fixed::predict, Fixed::update, on_code);
            }
            Kind::Adaptive { rate, .. } => {
                let mut filter = Adaptive::new(&self.weights, rate);
                self.predict(codes, &mut filter, Adaptive::predict, Adaptive::update, on_code);
            }
        }
    }

    fn predict<F>(
        &self,
        codes: &[u16],
        filter: &mut F,
        predict: impl Fn(&F) -> f64,
        update: impl Fn(&mut F, f64),
        mut on_code: impl FnMut(f64, &Spread, u16),
    ) {
        let mut spread = Spread::new(&self.bins);
        let (mut mean, mut seen) = (0.0, 0.0);
        for &code in codes {
            let prediction = self.bins.within(mean + predict(filter));
            on_code(prediction, &spread, code);
            let value = self.bins.value(code);
            spread.update(&self.bins, value - prediction);
            update(filter, value - mean);
            seen = (seen + 1.0_f64).min(MEAN_REACH);
            mean += (value - mean) / seen;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::marginal::Histogram;
    use super::*;

    /// x[n] = 1.6 x[n-1] - 0.8 x[n-2] + noise, about `offset`, in 256 levels.
    fn resonance(offset: f64) -> Vec<u16> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut a, mut b) = (0.0, 0.0);
        (0..8000)
            .map(|_| {
                (a, b) = (1.6 * a - 0.8 * b + rng.random_range(-6.0..6.0), a);
                (128.0 + offset + a).round() as u16
            })
            .collect()
    }

    fn bits(kind: Kind, train: &[u16], test: &[u16]) -> f64 {
        let values: Vec<f64> = (0..256).map(|code| f64::from(code - 128) / 128.0).collect();
        let marginal = Marginal::new(&Histogram::new(256));
        let model = Linear::fit(&[train], kind, &values, &marginal);
        model.bits(test) / test.len() as f64
    }

    #[test]
    fn an_offset_costs_next_to_nothing() {
        let (centred, shifted) = (resonance(0.0), resonance(60.0));
        let kind = Kind::Fixed { order: 8 };
        let expected = bits(kind, &centred, &centred);
        // The noise spans 12 levels.
        assert!((12f64.log2()..12f64.log2() + 0.5).contains(&expected), "{expected}");
        for (train, test) in [(&centred, &shifted), (&shifted, &centred), (&shifted, &shifted)] {
            let found = bits(kind, train, test);
            assert!((found - expected).abs() < 0.1, "{found} {expected}");
        }
    }

    #[test]
    fn adaptation_finds_what_training_did_not_have() {
        let noise: Vec<u16> = {
            let mut rng = ChaCha8Rng::seed_from_u64(12);
            (0..8000).map(|_| rng.random_range(90..166)).collect()
        };
        let test = resonance(0.0);
        let fixed = bits(Kind::Fixed { order: 16 }, &noise, &test);
        let adaptive = bits(Kind::Adaptive { order: 16, rate: 0.05 }, &noise, &test);
        assert!(adaptive < fixed - 0.5, "{adaptive} {fixed}");
    }
}

//! From a predicted sample to a distribution over codes.
//!
//! A mixture of logistic densities around the prediction, in multiples of how large the residual
//! has been of late (over a short and over a long while), and of the marginal. A code gets the
//! mass between the midpoints to its neighbours, the outermost ones all that is beyond; hence
//! every part of the mixture sums to 1, and the mixture does.

use super::marginal::Marginal;

/// Scales of the logistics, in units of the recent mean absolute residual.
const SCALES: [f64; 7] = [0.05, 0.12, 0.25, 0.45, 0.8, 1.5, 4.0];
/// How many samples the two means of the residual reach back.
const REACH: [f64; 2] = [24.0, 200.0];
/// Parts of the mixture: the marginal and the logistics.
const PARTS: usize = 1 + REACH.len() * SCALES.len();
/// After every sample, the weights go from their posterior this far back to what training gave.
const FORGET: f64 = 0.1;
const EM_ROUNDS: usize = 30;

/// What is known of the codes, apart from the weights.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    /// The sample of each code.
    values: Vec<f64>,
    /// Borders between neighbouring codes, infinite at both ends: one more than codes.
    edges: Vec<f64>,
    marginal: Marginal,
    /// Below this the residual is taken to be quantisation only.
    finest: f64,
}

/// Probabilities of one code under each part.
type Masses = [f64; PARTS];

/// How large the residual has been of late.
#[derive(Debug)]
pub(super) struct Spread {
    means: [f64; REACH.len()],
}

/// Weights of the parts, which sum to 1.
#[derive(Debug, Clone)]
pub(super) struct Weights([f64; PARTS]);

impl Bins {
    pub(super) fn new(values: &[f64], marginal: &Marginal) -> Self {
        let between = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
        let edges = [f64::NEG_INFINITY].into_iter().chain(between).chain([f64::INFINITY]).collect();
        let gap = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        Self { values: values.to_vec(), edges, marginal: marginal.clone(), finest: 0.1 * gap }
    }

    pub(super) fn value(&self, code: u16) -> f64 {
        self.values[usize::from(code)]
    }

    /// A prediction within the range of samples.
    pub(super) fn within(&self, prediction: f64) -> f64 {
        prediction.clamp(self.values[0], self.values[self.values.len() - 1])
    }

    /// Of `code` under each part.
    pub(super) fn masses(&self, prediction: f64, spread: &Spread, code: u16) -> Masses {
        let code = usize::from(code);
        let (low, high) = (self.edges[code] - prediction, self.edges[code + 1] - prediction);
        // In the lower tail, where differences keep their digits.
        let (low, high) = if low > 0.0 { (-high, -low) } else { (low, high) };
        let mut masses = [0.0; PARTS];
        masses[0] = self.marginal.probability(code as u16);
        let scales = spread.means.iter().flat_map(|mean| SCALES.map(|scale| scale * mean));
        for (mass, scale) in masses[1..].iter_mut().zip(scales) {
            *mass = logistic(high / scale) - logistic(low / scale);
        }
        masses
    }
}

impl Spread {
    /// Where nothing is known yet: as if the residual were as large as the step from 0.
    pub(super) fn new(bins: &Bins) -> Self {
        Self { means: [bins.finest.max(0.02); REACH.len()] }
    }

    pub(super) fn update(&mut self, bins: &Bins, residual: f64) {
        for (mean, reach) in self.means.iter_mut().zip(REACH) {
            *mean = (*mean + (residual.abs() - *mean) / reach).max(bins.finest);
        }
    }
}

impl Weights {
    /// The most likely weights for `rows` by expectation maximisation. A few imagined samples a
    /// part keep all of them possible.
    pub(super) fn fit(rows: &[Masses]) -> Self {
        let mut weights = [1.0 / PARTS as f64; PARTS];
        for _ in 0..EM_ROUNDS {
            let mut shares = [1.0 + 1e-4 * rows.len() as f64; PARTS];
            for row in rows {
                let posterior = Self(weights).posterior(row);
                shares.iter_mut().zip(posterior).for_each(|(share, p)| *share += p);
            }
            let total: f64 = shares.iter().sum();
            weights = shares.map(|share| share / total);
        }
        Self(weights)
    }

    pub(super) fn probability(&self, masses: &Masses) -> f64 {
        self.0.iter().zip(masses).map(|(weight, mass)| weight * mass).sum()
    }

    /// Moves towards the parts that explained the last sample, and back towards `prior`.
    pub(super) fn follow(&mut self, masses: &Masses, prior: &Self) {
        let posterior = self.posterior(masses);
        for ((weight, posterior), prior) in self.0.iter_mut().zip(posterior).zip(prior.0) {
            *weight = (1.0 - FORGET) * posterior + FORGET * prior;
        }
    }

    fn posterior(&self, masses: &Masses) -> [f64; PARTS] {
        let total = self.probability(masses);
        let mut posterior = self.0;
        posterior.iter_mut().zip(masses).for_each(|(weight, mass)| *weight *= mass / total);
        posterior
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::marginal::Histogram;
    use super::*;

    fn bins() -> Bins {
        let values: Vec<f64> = (-20..20).map(|i| (f64::from(i) / 20.0).powi(3)).collect();
        let mut histogram = Histogram::new(40);
        histogram.add(&[3, 3, 20]);
        Bins::new(&values, &Marginal::new(&histogram))
    }

    #[test]
    fn the_prediction_is_most_likely_and_the_spread_follows() {
        let bins = bins();
        let mut spread = Spread::new(&bins);
        let uniform = Weights::fit(&[]);
        let at = |spread: &Spread, code| uniform.probability(&bins.masses(0.125, spread, code));
        let before = at(&spread, 30);
        assert!((0..40).all(|code| at(&spread, code) <= before));
        (0..500).for_each(|_| spread.update(&bins, 1e-3));
        assert!(at(&spread, 30) > before);
        (0..500).for_each(|_| spread.update(&bins, 1.0));
        assert!(at(&spread, 30) < before);
    }

    #[test]
    fn weights_go_where_the_data_is() {
        let bins = bins();
        let spread = Spread::new(&bins);
        let rows = vec![bins.masses(0.9, &spread, 3); 1000];
        let fitted = Weights::fit(&rows);
        assert!(fitted.0[0] > 0.95, "{fitted:?}");
        let mut following = fitted.clone();
        for _ in 0..100 {
            following.follow(&bins.masses(0.125, &spread, 30), &fitted);
        }
        assert!(following.0[0] < 0.5, "{following:?}");
    }

    proptest! {
        #[test]
        fn sums_to_one(
            prediction in -1.0..1.0f64,
            residuals in prop::collection::vec(0.0..2.0f64, 0..300),
            codes in prop::collection::vec(0u16..40, 0..50),
        ) {
            let bins = bins();
            let mut spread = Spread::new(&bins);
            residuals.iter().for_each(|&residual| spread.update(&bins, residual));
            let rows: Vec<Masses> =
                codes.iter().map(|&code| bins.masses(prediction, &spread, code)).collect();
            let prior = Weights::fit(&rows);
            let mut weights = prior.clone();
            rows.iter().for_each(|row| weights.follow(row, &prior));
            let all: Vec<f64> = (0..40)
                .map(|code| weights.probability(&bins.masses(prediction, &spread, code)))
                .collect();
            prop_assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(all.iter().all(|&p| p > 0.0));
        }
    }
}

//! The memoryless baseline: how often each code occurs.

/// Counts of codes.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    pub(super) fn new(levels: usize) -> Self {
        Self { counts: vec![0; levels] }
    }

    pub(super) fn add(&mut self, codes: &[u16]) {
        codes.iter().for_each(|&code| self.counts[usize::from(code)] += 1);
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bits per code of the distribution itself; 0 where nothing was counted.
    pub(super) fn entropy(&self) -> f64 {
        let total = self.total() as f64;
        let share = |&n: &u64| n as f64 / total;
        self.counts.iter().filter(|&&n| n > 0).map(share).map(|p| p * (1.0 / p).log2()).sum()
    }
}

/// A histogram as a distribution in which no code is impossible: one more of each was seen.
#[derive(Debug, Clone)]
pub(super) struct Marginal {
    probabilities: Vec<f64>,
}

impl Marginal {
    pub(super) fn new(histogram: &Histogram) -> Self {
        let total = (histogram.total() + histogram.counts.len() as u64) as f64;
        let probabilities = histogram.counts.iter().map(|&n| (n + 1) as f64 / total).collect();
        Self { probabilities }
    }

    pub(super) fn probability(&self, code: u16) -> f64 {
        self.probabilities[usize::from(code)]
    }

    /// Bits of all `codes` together.
    pub(super) fn bits(&self, codes: &[u16]) -> f64 {
        codes.iter().map(|&code| -self.probability(code).log2()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_numbers() {
        let mut histogram = Histogram::new(4);
        assert_eq!(histogram.entropy(), 0.0);
        histogram.add(&[0, 0, 1, 2]);
        assert_eq!(histogram.entropy(), 1.5);
        let marginal = Marginal::new(&histogram);
        let probabilities: Vec<f64> = (0..4).map(|code| marginal.probability(code)).collect();
        assert_eq!(probabilities, [3.0 / 8.0, 2.0 / 8.0, 2.0 / 8.0, 1.0 / 8.0]);
        assert_eq!(marginal.bits(&[3, 1, 3]), 8.0);
    }

    proptest! {
        #[test]
        fn sums_to_one(codes in prop::collection::vec(0u16..9, 0..200)) {
            let mut histogram = Histogram::new(9);
            histogram.add(&codes);
            let marginal = Marginal::new(&histogram);
            let sum: f64 = (0..9).map(|code| marginal.probability(code)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}

//! The bootstrap (Efron 1979): a figure's spread over samples drawn from the sample.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::interval::Interval;

/// What is drawn, with replacement: single examples, or clusters of them.
#[derive(Debug, Clone)]
pub struct Units(Vec<Vec<usize>>);

impl Units {
    /// Each of `count` examples by itself.
    pub fn each(count: usize) -> Self {
        Self((0..count).map(|example| vec![example]).collect())
    }

    /// Examples with equal `labels` together: what one speaker said, the crops of one picture.
    /// Examples of a cluster depend on each other, and drawn one by one would promise too much.
    pub fn clusters<T: Ord>(labels: &[T]) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&example| &labels[example]);
        let clusters = order.chunk_by(|&a, &b| labels[a] == labels[b]);
        Self(clusters.map(<[usize]>::to_vec).collect())
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Examples of as many units as there are, drawn with replacement.
    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let drawn = (0..self.len()).map(|_| random.random_range(0..self.len()));
        drawn.flat_map(|unit| self.0[unit].iter().copied()).collect()
    }
}

/// How often is drawn, and which draws: the same seed gives the same intervals.
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap {
    /// Number of resamples.
    pub replicates: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { replicates: 1000, seed: 0 }
    }
}

impl Bootstrap {
    /// A figure of each resample; `figure` gets the numbers of the examples in it.
    pub fn replicates(&self, units: &Units, mut figure: impl FnMut(&[usize]) -> f64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        (0..self.replicates).map(|_| figure(&units.draw(&mut random))).collect()
    }

    /// As [`Self::replicates`], of two samples that are drawn independently of each other.
    pub fn replicates_of_two(
        &self,
        (a, b): (&Units, &Units),
        mut figure: impl FnMut(&[usize], &[usize]) -> f64,
    ) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        (0..self.replicates).map(|_| figure(&a.draw(&mut random), &b.draw(&mut random))).collect()
    }

    /// The percentile interval of a figure.
    pub fn interval(&self, units: &Units, figure: impl FnMut(&[usize]) -> f64) -> Interval {
        Interval::percentile(&self.replicates(units, figure))
    }

    /// The percentile interval of mean(b) - mean(a), where a and b are two figures of the same
    /// examples: both are drawn together, so that what is hard for both cancels.
    ///
    /// # Panics
    /// If they are not as many.
    pub fn paired(&self, units: &Units, a: &[f64], b: &[f64]) -> Interval {
        assert_eq!(a.len(), b.len(), "paired figures are of the same examples");
        let mean = |drawn: &[usize]| {
            drawn.iter().map(|&i| b[i] - a[i]).sum::<f64>() / drawn.len().max(1) as f64
        };
        self.interval(units, mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl Fn(&[usize]) -> f64 + '_ {
        |drawn| drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64
    }

    #[test]
    fn a_mean_is_as_sure_as_its_standard_error_says() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 200) / 200.0).collect();
        let Interval { low, high } =
            Bootstrap::default().interval(&Units::each(200), mean(&values));
        let half = 1.96 * (1.0 / 12.0f64 / 200.0).sqrt(); // of uniform values
        assert!((high - low - 2.0 * half).abs() < 0.15 * half, "{low} to {high}");
        let again = Bootstrap::default().interval(&Units::each(200), mean(&values));
        assert_eq!(again, Interval { low, high });
    }

    #[test]
    fn clusters_are_drawn_whole() {
        let units = Units::clusters(&["b", "a", "b", "c"]);
        assert_eq!(units.len(), 3);
        let bootstrap = Bootstrap { replicates: 50, seed: 1 };
        bootstrap.replicates(&units, |drawn| {
            let count = |example| drawn.iter().filter(|&&other| other == example).count();
            assert_eq!(count(0), count(2));
            assert_eq!(count(0) + count(1) + count(3), 3);
            0.0
        });
        // Ten copies of each example are no more than the examples.
        let values: Vec<f64> = (0..300).map(|i| f64::from(i / 10 * 7 % 30)).collect();
        let speakers: Vec<usize> = (0..300).map(|i| i / 10).collect();
        let width = |units| {
            let Interval { low, high } = Bootstrap::default().interval(&units, mean(&values));
            high - low
        };
        assert!(width(Units::clusters(&speakers)) > 2.5 * width(Units::each(300)));
    }

    #[test]
    fn pairs_share_what_is_hard() {
        let a: Vec<f64> = (0..50).map(|i| f64::from(i % 10)).collect();
        let b: Vec<f64> = a.iter().map(|a| a + 0.5).collect();
        let interval = Bootstrap::default().paired(&Units::each(50), &a, &b);
        assert_eq!(interval, Interval { low: 0.5, high: 0.5 });
    }
}

//! Examples of several splits in given shares.

use anyhow::{Result, ensure};
use program::seed::derive_bytes;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Split;

impl Split {
    /// `len` examples, of each part in proportion to its weight, in an order that follows from
    /// `seed`. A part is used up before one of its examples occurs again.
    ///
    /// # Errors
    /// If a weight is negative or not finite, if all are 0, or if a part without examples has one.
    pub fn mixture(parts: &[(Self, f64)], len: usize, seed: u64) -> Result<Self> {
        let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
        let mut picks = Vec::with_capacity(len);
        let mut reached = 0.0;
        for (number, (part, weight)) in parts.iter().enumerate() {
            ensure!(
                weight.is_finite() && *weight >= 0.0 && total > 0.0,
                "a mixture with a weight of {weight} of {total}; weights are positive numbers"
            );
            ensure!(*weight == 0.0 || !part.is_empty(), "part {number} of a mixture is empty");
            // Rounded so that all counts together are `len`.
            reached += weight;
            let upto = (len as f64 * reached / total).round() as usize;
            let mut order: Vec<_> = (0..part.len()).map(|index| (number, index)).collect();
            let bytes = derive_bytes(seed, "mixture part", number as u64);
            order.shuffle(&mut ChaCha8Rng::from_seed(bytes));
            picks.extend(order.iter().cycle().take(upto - picks.len()));
        }
        picks.shuffle(&mut ChaCha8Rng::from_seed(derive_bytes(seed, "mixture", 0)));
        Ok(Self::selection(parts.iter().map(|(part, _)| part.clone()).collect(), picks))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Counting;
    use super::*;

    #[test]
    fn parts_have_their_shares_and_repeat_only_when_used_up() {
        let all = Split::new(Counting(100));
        let (low, high) = (all.subset(0..10).unwrap(), all.subset(50..100).unwrap());
        let mixed =
            |seed| Split::mixture(&[(low.clone(), 3.0), (high.clone(), 1.0)], 60, seed).unwrap();
        let lengths = |split: &Split| (0..split.len()).map(|i| split.length(i)).collect::<Vec<_>>();
        let of = lengths(&mixed(1));
        assert_eq!(of.len(), 60);
        // 45 of 10 examples: each four or five times; 15 of 50: each once.
        for example in 0..10 {
            let times = of.iter().filter(|&&length| length == example).count();
            assert!((4..=5).contains(&times), "{example}: {times}");
        }
        let mut once: Vec<usize> = of.iter().copied().filter(|&length| length >= 50).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), 15);
        assert_eq!(of, lengths(&mixed(1)));
        assert_ne!(of, lengths(&mixed(2)));
    }

    #[test]
    fn impossible_mixtures_are_refused() {
        let some = Split::new(Counting(3));
        let none = some.subset([]).unwrap();
        for weights in [[1.0, -1.0], [0.0, 0.0], [f64::NAN, 1.0]] {
            let parts = weights.map(|weight| (some.clone(), weight));
            assert!(Split::mixture(&parts, 4, 0).is_err(), "{weights:?}");
        }
        assert!(Split::mixture(&[(some.clone(), 1.0), (none.clone(), 1.0)], 4, 0).is_err());
        assert_eq!(Split::mixture(&[(some, 1.0), (none, 0.0)], 4, 0).unwrap().len(), 4);
    }
}

//! A share of a split, of every class alike.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use program::seed::derive_bytes;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Split;
use crate::batch::Label;

impl Split {
    /// About `share` of the examples, at least one of each class, in their order. Which they are
    /// follows from `seed`, and a smaller share is part of a larger one: 1% of 10%.
    ///
    /// # Errors
    /// If `share` is not above 0 and at most 1, or a class cannot be read.
    pub fn fraction(&self, share: f64, seed: u64) -> Result<Self> {
        ensure!(share > 0.0 && share <= 1.0, "a share of {share}; it is above 0 and at most 1");
        let labels = (0..self.len()).into_par_iter().map(|index| self.label(index));
        let mut classes: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (index, label) in labels.collect::<Result<Vec<_>>>()?.into_iter().enumerate() {
            let class = match label {
                Label::Class(class) => class,
                _ => 0, // All are of one kind.
            };
            classes.entry(class).or_default().push(index);
        }
        let mut kept = Vec::new();
        for (class, mut members) in classes {
            let bytes = derive_bytes(seed, "fraction", class as u64);
            members.shuffle(&mut ChaCha8Rng::from_seed(bytes));
            members.truncate(((members.len() as f64 * share).round() as usize).max(1));
            kept.extend(members);
        }
        kept.sort_unstable();
        self.subset(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Counting;
    use super::*;

    fn kept(share: f64, seed: u64) -> Vec<usize> {
        let some = Split::new(Counting(300)).fraction(share, seed).unwrap();
        (0..some.len()).map(|index| some.length(index)).collect()
    }

    #[test]
    fn every_class_gives_its_share_and_small_ones_are_part_of_large_ones() {
        for seed in 0..5 {
            let (small, large) = (kept(0.1, seed), kept(0.37, seed));
            for (of, each) in [(&small, 10), (&large, 37)] {
                for class in 0..3 {
                    assert_eq!(of.iter().filter(|&&index| index % 3 == class).count(), each);
                }
                assert!(of.is_sorted());
            }
            assert!(small.iter().all(|index| large.contains(index)));
        }
        assert_eq!(kept(0.1, 1), kept(0.1, 1));
        assert_ne!(kept(0.1, 1), kept(0.1, 2));
        assert_eq!(kept(1e-9, 0).len(), 3, "one of each class");
        assert_eq!(kept(1.0, 0).len(), 300);
        for wrong in [0.0, 1.1, -1.0, f64::NAN] {
            assert!(Split::new(Counting(3)).fraction(wrong, 0).is_err(), "{wrong}");
        }
    }
}

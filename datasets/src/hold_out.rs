//! Holds out a validation split where a data set has none.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The official experiments keep a tenth of the training examples for validation.
const SHARE: usize = 10;

/// Seed of the division where none is given.
pub const DEFAULT_SEED: u64 = 42;

/// The numbers below `len`, divided at random: all but a tenth to train on, and that tenth.
pub fn hold_out_tenth(len: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let held_out = order.split_off(len - len / SHARE);
    (order, held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs are compared on the same held-out examples: the division must not change unnoticed.
    #[test]
    fn the_division_is_pinned_and_complete() {
        let (train, mut val) = hold_out_tenth(50, DEFAULT_SEED);
        assert_eq!(val, PINNED);
        val.extend(train);
        val.sort_unstable();
        assert_eq!(val, (0..50).collect::<Vec<_>>());
        assert_ne!(hold_out_tenth(50, 1).1, PINNED);
    }

    const PINNED: [usize; 5] = [42, 34, 8, 30, 25];
}

//! Holds out validation and test splits where a data set has none.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The official experiments keep a tenth of the examples for each.
const SHARE: usize = 10;

/// Seed of the division where none is given, as in the official experiments.
pub const DEFAULT_SEED: u64 = 42;

/// The numbers below `len`, divided by a random permutation: those to train on, and `N` tenths
/// (rounded down) that are held out.
///
/// The sizes are those of the official S4 code, and the same `len` and seed always give the same
/// parts. The permutation is not torch's: which example is in which part differs from the official
/// code's, as it also does between versions of torch.
pub fn hold_out_tenths<const N: usize>(len: usize, seed: u64) -> (Vec<usize>, [Vec<usize>; N]) {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let held_out = [(); N].map(|()| order.split_off(order.len() - len / SHARE));
    (order, held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_complete() {
        for count in [0, 1, 9, 10, 11, 50, 199, 200, 12_345] {
            let (train, [test, val]) = hold_out_tenths(count, DEFAULT_SEED);
            assert_eq!((val.len(), test.len()), (count / 10, count / 10));
            let mut all = [train, val, test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn a_seed_decides() {
        assert_eq!(hold_out_tenths::<2>(1000, 42), hold_out_tenths(1000, 42));
        assert_ne!(hold_out_tenths::<2>(1000, 42), hold_out_tenths(1000, 43));
        assert_ne!(hold_out_tenths(50, 1).1, [PINNED]);
    }

    /// Runs are compared on the same held-out examples: the division must not change unnoticed.
    #[test]
    fn the_division_is_the_same_as_ever() {
        assert_eq!(hold_out_tenths(50, DEFAULT_SEED).1, [PINNED]);
        let (_, [test, _]) = hold_out_tenths(200, DEFAULT_SEED);
        assert_eq!(test, PINNED_TEST);
    }

    const PINNED: [usize; 5] = [42, 34, 8, 30, 25];
    const PINNED_TEST: [usize; 20] =
        [131, 56, 98, 163, 33, 189, 80, 45, 177, 129, 65, 176, 113, 187, 48, 34, 84, 25, 135, 124];

    #[test]
    fn parts_are_drawn_evenly() {
        let (_, [test, _]) = hold_out_tenths(100_000, 1);
        let mean = test.iter().sum::<usize>() as f64 / test.len() as f64;
        // The mean of 10,000 draws without replacement has a standard deviation of 274.
        assert!((mean - 50_000.0).abs() < 1200.0, "{mean}");
    }
}

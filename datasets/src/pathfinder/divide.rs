//! Dividing the published images, which come without a split, into training, validation and test.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The seed that S4's experiments use.
pub const DEFAULT_DIVISION_SEED: u64 = 42;

/// Image numbers of the three parts: disjoint, in random order, together all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Four fifths, and what the rounding of the others leaves.
    pub train: Vec<usize>,
    /// A tenth, rounded down.
    pub val: Vec<usize>,
    /// A tenth, rounded down.
    pub test: Vec<usize>,
}

/// Divides `count` images 80/10/10 by a random permutation.
///
/// The sizes are those of the official S4 code, and the same count and seed always give the same
/// parts. The permutation is not torch's: which image is in which part differs from the official
/// code's, as it also does between versions of torch.
pub fn divide(count: usize, seed: u64) -> Parts {
    let tenth = count / 10;
    let mut train: Vec<usize> = (0..count).collect();
    train.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let test = train.split_off(count - tenth);
    let val = train.split_off(count - 2 * tenth);
    Parts { train, val, test }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_complete() {
        for count in [0, 1, 9, 10, 11, 199, 200, 12_345] {
            let parts = divide(count, DEFAULT_DIVISION_SEED);
            assert_eq!(parts.val.len(), count / 10);
            assert_eq!(parts.test.len(), count / 10);
            let mut all = [parts.train, parts.val, parts.test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn a_seed_decides() {
        assert_eq!(divide(1000, 42), divide(1000, 42));
        assert_ne!(divide(1000, 42), divide(1000, 43));
    }

    /// Pinned, so that runs of different versions are evaluated on the same test images.
    #[test]
    fn the_division_is_the_same_as_ever() {
        let parts = divide(200, DEFAULT_DIVISION_SEED);
        assert_eq!(parts.test, GOLDEN);
    }

    const GOLDEN: [usize; 20] =
        [131, 56, 98, 163, 33, 189, 80, 45, 177, 129, 65, 176, 113, 187, 48, 34, 84, 25, 135, 124];

    #[test]
    fn parts_are_drawn_evenly() {
        let parts = divide(100_000, 1);
        let mean = parts.test.iter().sum::<usize>() as f64 / parts.test.len() as f64;
        // The mean of 10,000 draws without replacement has a standard deviation of 274.
        assert!((mean - 50_000.0).abs() < 1200.0, "{mean}");
    }
}

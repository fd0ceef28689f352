//! Randomness that follows from what it is for.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::Severity;

/// The generator for one change of one example: another for each seed, transformation, severity and
/// example, and the same on every machine, in every order and on every thread.
pub fn random(seed: u64, name: &str, severity: Severity, example: usize) -> ChaCha8Rng {
    let severity = u64::from(severity.number());
    generator(name, &[seed, severity, example as u64])
}

/// The generator that follows from a purpose and numbers.
pub fn generator(purpose: &str, numbers: &[u64]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose);
    for number in numbers {
        hash.update(number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn every_change_of_every_example_has_numbers_of_its_own() {
        let [one, two, ..] = Severity::ALL;
        let first = |seed, name, severity, example| -> u64 {
            random(seed, name, severity, example).random()
        };
        let all = [
            first(0, "a", one, 0),
            first(1, "a", one, 0),
            first(0, "b", one, 0),
            first(0, "a", two, 0),
            first(0, "a", one, 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        // Kept results name these seeds: the numbers must stay what they are.
        assert_eq!(first(0, "a", one, 0), 2_733_341_676_300_139_958);
    }
}

//! New expressions, after the procedure of the Long Range Arena (`data/listops.py`).
//!
//! A random tree is grown and kept if its length fits: from the root on, a node is a digit with
//! probability 3/4, and always at depth 10; else it is a list of 2 to 10 nodes. Digits, operators and
//! numbers of entries are uniform. No two of the accepted trees are the same.

use std::collections::HashSet;
use std::ops::ControlFlow;

use anyhow::{Result, ensure};
use program::seed;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::grammar::{self, CLOSE, Operator, VALUES};

/// Names what this file makes; a change of it must change the number.
const VERSION: u32 = 1;

/// Depth of the deepest digits; the root is at depth 1.
const MAX_DEPTH: usize = 10;

/// Entries of a list.
const ENTRIES: std::ops::RangeInclusive<u32> = 2..=10;

/// Probability that a node is a list.
const LIST: f64 = 0.25;

/// Fewer tokens than this make no list.
const SHORTEST_LIST: usize = 4;

/// Trees drawn for one expression, at most. One in twelve is of published length.
const MOST_TREES: u32 = 10_000_000;

/// Expressions drawn for one place until they are new.
const MOST_DUPLICATES: u32 = 100;

/// Expressions made between two reports of progress.
const CHUNK: u64 = 512;

/// Number of tokens of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[usize; 2]", into = "[usize; 2]")]
#[schemars(with = "[usize; 2]")]
pub struct Lengths {
    /// Tokens of the shortest expressions.
    pub shortest: usize,
    /// Tokens of the longest expressions.
    pub longest: usize,
}

impl Lengths {
    /// Above 500 and below 2,000.
    pub const PUBLISHED: Self = Self { shortest: 501, longest: 1999 };
}

impl From<[usize; 2]> for Lengths {
    fn from([shortest, longest]: [usize; 2]) -> Self {
        Self { shortest, longest }
    }
}

impl From<Lengths> for [usize; 2] {
    fn from(lengths: Lengths) -> Self {
        [lengths.shortest, lengths.longest]
    }
}

/// Which expressions are made. The same recipe always makes the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Seed of everything.
    pub seed: u64,
    /// Number of expressions for training, validation and test.
    pub counts: [u64; 3],
    /// How long they are.
    pub lengths: Lengths,
}

/// What an expression is for, in the order of [`Recipe::counts`].
const PURPOSES: [&str; 3] = ["listops train", "listops val", "listops test"];

impl Recipe {
    /// Checks that there are such expressions, and that sequences of `most` tokens have room for them.
    ///
    /// # Errors
    /// With the lengths and what is allowed.
    pub fn validate(&self, most: usize) -> Result<()> {
        let Lengths { shortest, longest } = self.lengths;
        ensure!(
            SHORTEST_LIST <= shortest && shortest <= longest && longest <= most,
            "lengths of {shortest} to {longest} tokens cannot be had: the shortest must be at least \
             {SHORTEST_LIST}, the longest not below it and at most {most}"
        );
        ensure!(self.counts.iter().all(|&count| count > 0), "0 expressions were asked for");
        Ok(())
    }

    /// SHA-256 of everything that the expressions follow from.
    pub fn fingerprint(&self) -> [u8; 32] {
        let Lengths { shortest, longest } = self.lengths;
        let numbers = [u64::from(VERSION), self.seed, shortest as u64, longest as u64];
        let mut hash = Sha256::new_with_prefix("listops");
        numbers.iter().chain(&self.counts).for_each(|number| hash.update(number.to_le_bytes()));
        hash.finalize().into()
    }

    /// The expressions for training, validation and test, all different, as tokens of
    /// [`grammar`]. `progress` is called with how many are made; when it breaks, there are none.
    ///
    /// An expression follows from seed, part and position, unless one before it is the same: test
    /// expressions come before those for validation, and those before training, so that another
    /// number to train on leaves the others as they are.
    ///
    /// # Errors
    /// If there are too few different expressions of these lengths.
    pub fn generate(
        &self,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<[Vec<Vec<u8>>; 3]>> {
        let mut parts = [const { Vec::new() }; 3];
        let mut known = HashSet::new();
        let mut done = 0;
        for (part, count) in self.counts.into_iter().enumerate().rev() {
            for start in (0..count).step_by(CHUNK as usize) {
                let positions = start..count.min(start + CHUNK);
                let drawn = positions.into_par_iter().map(|position| {
                    let mut source = self.source(part, position);
                    Ok((source.next(self.lengths)?, source))
                });
                for drawn in drawn.collect::<Result<Vec<_>>>()? {
                    let (mut expression, mut source) = drawn;
                    let mut duplicates = 0;
                    while !known.insert(digest(&expression)) {
                        duplicates += 1;
                        ensure!(
                            duplicates < MOST_DUPLICATES,
                            "there are too few different expressions of {} to {} tokens for {} of \
                             them: ask for fewer or longer ones",
                            self.lengths.shortest,
                            self.lengths.longest,
                            self.counts.iter().sum::<u64>()
                        );
                        expression = source.next(self.lengths)?;
                    }
                    parts[part].push(expression);
                    done += 1;
                }
                if progress(done).is_break() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(parts))
    }

    fn source(&self, part: usize, position: u64) -> Source {
        let seed = seed::derive_bytes(self.seed, PURPOSES[part], position);
        Source(ChaCha8Rng::from_seed(seed))
    }
}

/// Tells expressions apart in less memory than they take.
fn digest(expression: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(expression).into();
    digest[..16].try_into().expect("half of 32 bytes")
}

/// Random expressions.
#[derive(Debug)]
struct Source(ChaCha8Rng);

impl Source {
    /// The next of a length that fits.
    fn next(&mut self, lengths: Lengths) -> Result<Vec<u8>> {
        let mut tokens = Vec::new();
        for _ in 0..MOST_TREES {
            tokens.clear();
            if self.grow(1, lengths.longest, &mut tokens) && tokens.len() >= lengths.shortest {
                return Ok(tokens);
            }
        }
        anyhow::bail!(
            "no expression of {} to {} tokens in {MOST_TREES} random ones: allow more lengths",
            lengths.shortest,
            lengths.longest
        )
    }

    /// Adds a random tree to `tokens`; false, and only a part of it, where it gets too long.
    fn grow(&mut self, depth: usize, longest: usize, tokens: &mut Vec<u8>) -> bool {
        let rng = &mut self.0;
        if depth == MAX_DEPTH || rng.random::<f64>() > LIST {
            tokens.push(grammar::digit(rng.random_range(0..u32::from(VALUES)) as u8));
            return tokens.len() <= longest;
        }
        let entries = rng.random_range(ENTRIES);
        let operator = rng.random_range(0..Operator::ALL.len() as u32);
        tokens.push(Operator::ALL[operator as usize].token());
        let complete = (0..entries).all(|_| self.grow(depth + 1, longest, tokens));
        tokens.push(CLOSE);
        complete && tokens.len() <= longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(seed: u64, counts: [u64; 3], lengths: [usize; 2]) -> Recipe {
        Recipe { seed, counts, lengths: lengths.into() }
    }

    fn generate(recipe: Recipe) -> [Vec<Vec<u8>>; 3] {
        recipe.generate(|_| ControlFlow::Continue(())).unwrap().unwrap()
    }

    #[test]
    fn expressions_follow_from_seed_part_and_position() {
        let [train, val, test] = generate(recipe(1, [20, 5, 5], [20, 90]));
        let [more, same_val, same_test] = generate(recipe(1, [600, 5, 5], [20, 90]));
        assert_eq!((&more[..20], same_val, same_test), (&train[..], val.clone(), test.clone()));
        let [other, ..] = generate(recipe(2, [20, 5, 5], [20, 90]));
        assert!(other.iter().all(|expression| !train.contains(expression)));
        assert!(val.iter().chain(&test).all(|expression| !train.contains(expression)));
    }

    /// Runs of different versions are compared on the same expressions.
    #[test]
    fn expressions_are_pinned() {
        let [train, ..] = generate(recipe(0, [1, 1, 1], [12, 20]));
        assert_eq!(grammar::text(&train[0]), PINNED);
    }

    const PINNED: &str = "( ( ( ( ( ( ( ( [MIN 1 ) 6 ) 7 ) 3 ) 7 ) ( ( ( ( ( [MAX 7 ) \
                          ( ( ( ( ( ( [SM 9 ) 3 ) 8 ) 3 ) 0 ) ] ) ) 2 ) 8 ) ] ) ) 6 ) ] )";

    #[test]
    fn no_expression_comes_twice_even_where_there_are_few() {
        // 4 operators and 100 pairs of digits.
        let [train, val, test] = generate(recipe(3, [200, 20, 20], [4, 4]));
        let all: HashSet<_> = train.iter().chain(&val).chain(&test).collect();
        assert_eq!(all.len(), 240);
        let few = recipe(3, [400, 1, 1], [4, 4]).generate(|_| ControlFlow::Continue(()));
        let message = few.unwrap_err().to_string();
        assert!(message.contains("too few different expressions of 4 to 4"), "{message}");
    }

    #[test]
    fn impossible_recipes_are_refused() {
        for lengths in [[3, 10], [10, 9], [501, 2048]] {
            let message = recipe(0, [1, 1, 1], lengths).validate(2047).unwrap_err().to_string();
            assert!(message.contains(&format!("{} to {}", lengths[0], lengths[1])), "{message}");
        }
        assert!(recipe(0, [1, 0, 1], [10, 20]).validate(2047).is_err());
        recipe(0, [1, 1, 1], [4, 2047]).validate(2047).unwrap();
    }

    #[test]
    fn every_part_of_a_recipe_is_in_its_fingerprint() {
        let prints = [
            recipe(0, [3, 2, 1], [10, 20]),
            recipe(1, [3, 2, 1], [10, 20]),
            recipe(0, [2, 3, 1], [10, 20]),
            recipe(0, [3, 2, 1], [10, 21]),
            recipe(0, [3, 2, 1], [9, 20]),
        ]
        .map(|recipe| recipe.fingerprint());
        assert_eq!(HashSet::from(prints).len(), 5);
    }

    #[test]
    fn progress_can_end_it() {
        let mut reported = Vec::new();
        let ended = recipe(0, [2000, 1, 1], [4, 9]).generate(|done| {
            reported.push(done);
            if done > 500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended.unwrap(), None);
        assert_eq!(reported, [1, 2, 514]);
    }
}

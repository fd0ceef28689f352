//! Which positions are asked for.
//!
//! In validation that follows from the example alone, so that two evaluations differ by the weights and
//! not by the masks; in training from all of the batch, which is put together anew in every epoch.

use std::ops::{Range, RangeInclusive};

use anyhow::Result;
use datasets::batch::{Batch, Example, Label};
use datasets::split::Split;
use loader::Dataset;
use program::seed::{derive, derive_bytes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{PretrainConfig, Question};

/// Sequences with the positions that are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// The sequences; labels mean nothing.
    pub batch: Batch,
    /// (row, position) of each.
    pub places: Vec<(usize, usize)>,
}

/// What masks follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The batch that an example is in.
    PerBatch,
    /// The example.
    PerExample,
}

/// A split without its labels.
pub struct MaskedSplit {
    split: Split,
    masks: Masks,
    draw: Draw,
    seed: u64,
}

/// How masks are drawn; without, all positions are asked for.
type Masks = Option<(f64, RangeInclusive<usize>)>;

impl MaskedSplit {
    /// The sequences of `split`.
    pub fn new(split: &Split, config: &PretrainConfig, draw: Draw, seed: u64) -> Self {
        let masks = match config.objective {
            Some(Question::Causal) => None,
            _ => Some((config.rate.unwrap_or(0.5), config.spans())),
        };
        let unlabelled = |_, example| Ok(Example { label: Label::Class(0), ..example });
        Self { split: split.transform(unlabelled), masks, draw, seed }
    }
}

impl Dataset for MaskedSplit {
    type Batch = Masked;

    fn len(&self) -> usize {
        self.split.len()
    }

    fn length(&self, index: usize) -> usize {
        self.split.length(index)
    }

    fn batch(&self, indices: &[usize]) -> Result<Masked> {
        self.rows(indices, 0..indices.len())
    }

    fn rows(&self, indices: &[usize], part: Range<usize>) -> Result<Masked> {
        let batch = self.split.rows_of(indices, part.clone())?;
        let rows = batch.sequences.len() / batch.length.max(1);
        let of_batch =
            indices.iter().fold(self.seed, |seed, &index| derive(seed, "batch", index as u64));
        let mut places = Vec::new();
        for row in 0..rows {
            let length = batch.lengths.as_ref().map_or(batch.length, |all| all[row] as usize);
            // Pairs: all first sequences, then all second ones.
            let (place, tower) = (part.start + row % part.len(), row / part.len());
            let (example, of_all) = (indices[place], tower * indices.len() + place);
            let bytes = match self.draw {
                Draw::PerBatch => derive_bytes(of_batch, "mask", of_all as u64),
                Draw::PerExample => {
                    derive_bytes(derive(self.seed, "mask", tower as u64), "mask", example as u64)
                }
            };
            let positions = match &self.masks {
                None => (0..length).collect(),
                Some((rate, spans)) => {
                    masked(length, *rate, spans, &mut ChaCha8Rng::from_seed(bytes))
                }
            };
            places.extend(positions.into_iter().map(|position| (row, position)));
        }
        Ok(Masked { batch, places })
    }
}

/// Positions of `length`, each with a probability of `rate`, in spans of these lengths; one at least.
fn masked(
    length: usize,
    rate: f64,
    spans: &RangeInclusive<usize>,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let mut mask = vec![false; length];
    // Begun so often that a position is hit by a span with the probability that is wanted.
    let mean = (spans.start() + spans.end()) as f64 / 2.0;
    let begin = 1.0 - (1.0 - rate).powf(1.0 / mean);
    let longest = *spans.end();
    for start in 0..length + longest - 1 {
        if rng.random_bool(begin) {
            let span = rng.random_range(spans.clone());
            // A span may begin before the sequence: its first positions are like the others.
            let first = (start + 1).saturating_sub(longest);
            let end = (start + 1 + span).saturating_sub(longest).min(length);
            mask[first.min(end)..end].fill(true);
        }
    }
    if !mask.contains(&true) && length > 0 {
        mask[rng.random_range(0..length)] = true;
    }
    (0..length).filter(|&position| mask[position]).collect()
}

#[cfg(test)]
mod tests {
    use datasets::batch::Sequences;
    use datasets::split::Examples;

    use super::*;

    struct Rows;

    impl Examples for Rows {
        fn len(&self) -> usize {
            6
        }

        fn example(&self, index: usize) -> Result<Example> {
            let sequences = vec![Sequences::Tokens(vec![1; 20 + index])];
            Ok(Example { sequences, label: Label::Class(3) })
        }

        fn padding(&self) -> Option<f32> {
            Some(0.0)
        }
    }

    fn split(draw: Draw) -> MaskedSplit {
        MaskedSplit::new(&Split::new(Rows), &PretrainConfig::default(), draw, 1)
    }

    fn of_row(masked: &Masked, row: usize) -> Vec<usize> {
        masked.places.iter().filter(|place| place.0 == row).map(|place| place.1).collect()
    }

    #[test]
    fn masks_of_validation_stay_and_those_of_training_do_not() {
        let fixed = split(Draw::PerExample);
        let (all, alone) = (fixed.batch(&[0, 1, 2, 3]).unwrap(), fixed.batch(&[2]).unwrap());
        assert_eq!(of_row(&all, 2), of_row(&alone, 0));
        assert_ne!(of_row(&all, 2), of_row(&all, 1));
        let drawn = split(Draw::PerBatch);
        let (all, alone) = (drawn.batch(&[0, 1, 2, 3]).unwrap(), drawn.batch(&[2]).unwrap());
        assert_ne!(of_row(&all, 2), of_row(&alone, 0));
        assert_eq!(all, drawn.batch(&[0, 1, 2, 3]).unwrap());
        // A process that has rows of it has their masks.
        let rows = drawn.rows(&[0, 1, 2, 3], 1..3).unwrap();
        assert_eq!([of_row(&rows, 0), of_row(&rows, 1)], [of_row(&all, 1), of_row(&all, 2)]);
        // Padding is not asked for.
        let padded = drawn.batch(&[0, 5]).unwrap();
        assert!(of_row(&padded, 0).iter().all(|&position| position < 20));
    }

    #[test]
    fn the_share_is_what_was_asked_for_and_spans_are_long() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (spans, rate) in [(1..=1, 0.15), (5..=15, 0.25), (10..=100, 0.5)] {
            let positions = masked(40_000, rate, &spans, &mut rng);
            let share = positions.len() as f64 / 40_000.0;
            assert!((share - rate).abs() < 0.03, "{spans:?}: {share} for {rate}");
            let breaks = positions.windows(2).filter(|pair| pair[1] > pair[0] + 1).count() + 1;
            let length = positions.len() as f64 / breaks as f64;
            assert!(length >= *spans.start() as f64, "{spans:?}: {length}");
        }
        assert_eq!(masked(1, 1e-9, &(1..=1), &mut rng), [0], "one at least");
        assert!(masked(0, 0.5, &(1..=1), &mut rng).is_empty());
    }
}

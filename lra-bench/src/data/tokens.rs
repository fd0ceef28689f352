//! Labelled sequences of tokens, and a split of them as the trainer wants it.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use loader::Dataset;

use super::batch::{Batch, Sequences};

/// Fills a batch behind its shorter sequences.
pub const PAD: u8 = 0;
/// Stands for everything that a vocabulary does not have.
pub const UNKNOWN: u8 = 1;
/// Ends every sequence.
pub const END: u8 = 2;
/// The first token that is a vocabulary's own.
pub const FIRST: u8 = 3;

/// All examples of a task in memory, a byte a token: one sequence an example or two to be compared,
/// and a class. They come in parts, such as training and test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSet {
    /// All sequences, one behind the other.
    pub(super) tokens: Vec<u8>,
    /// Where each sequence ends in `tokens`.
    pub(super) ends: Vec<usize>,
    /// Class of each example.
    pub(super) labels: Vec<u8>,
    /// Sequences an example.
    pub(super) width: usize,
    /// Where each part ends in `labels`.
    pub(super) parts: Vec<usize>,
}

impl TokenSet {
    /// An empty set of examples with `width` sequences each.
    pub fn new(width: usize) -> Self {
        Self { tokens: Vec::new(), ends: Vec::new(), labels: Vec::new(), width, parts: Vec::new() }
    }

    /// Adds tokens to the sequence that [`TokenSet::end_sequence`] ends.
    pub fn extend(&mut self, tokens: impl IntoIterator<Item = u8>) {
        self.tokens.extend(tokens);
    }

    /// Ends a sequence.
    pub fn end_sequence(&mut self) {
        self.ends.push(self.tokens.len());
    }

    /// Ends an example, all of whose sequences have ended.
    pub fn end_example(&mut self, label: u8) {
        self.labels.push(label);
        debug_assert_eq!(self.ends.len(), self.labels.len() * self.width);
    }

    /// Ends a part: what follows belongs to the next.
    pub fn end_part(&mut self) {
        self.parts.push(self.labels.len());
    }

    /// The examples of a part.
    pub fn part(&self, number: usize) -> Range<usize> {
        let start = number.checked_sub(1).map_or(0, |previous| self.parts[previous]);
        start..self.parts[number]
    }

    /// The sequences of an example.
    pub fn sequences(&self, example: usize) -> impl Iterator<Item = &[u8]> {
        let numbers = example * self.width..(example + 1) * self.width;
        numbers.map(|number| &self.tokens[self.start(number)..self.ends[number]])
    }

    /// The class of an example.
    pub fn label(&self, example: usize) -> u8 {
        self.labels[example]
    }

    /// Where a sequence starts in `tokens`.
    pub(super) fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |previous| self.ends[previous])
    }
}

/// Some of a set's examples: one split.
#[derive(Debug)]
pub struct TokenSplit {
    set: Arc<TokenSet>,
    examples: Vec<usize>,
}

impl TokenSplit {
    /// The examples `examples` of `set`, in that order.
    pub fn new(set: Arc<TokenSet>, examples: impl IntoIterator<Item = usize>) -> Self {
        Self { set, examples: examples.into_iter().collect() }
    }
}

impl Dataset for TokenSplit {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.examples.len()
    }

    /// Of the longer of two sequences.
    fn length(&self, index: usize) -> usize {
        self.set.sequences(self.examples[index]).map(<[u8]>::len).max().unwrap_or(0)
    }

    /// Padded to the longest of the batch; of pairs, all first sequences before all second ones.
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let length = indices.iter().map(|&index| self.length(index)).max().unwrap_or(0);
        let rows = self.set.width * indices.len();
        let mut tokens = vec![i64::from(PAD); rows * length];
        let mut lengths = vec![0; rows];
        for (number, &index) in indices.iter().enumerate() {
            for (tower, sequence) in self.set.sequences(self.examples[index]).enumerate() {
                let row = tower * indices.len() + number;
                let slots = &mut tokens[row * length..][..sequence.len()];
                for (slot, &token) in slots.iter_mut().zip(sequence) {
                    *slot = token.into();
                }
                lengths[row] = sequence.len() as i64;
            }
        }
        let label = |&index: &usize| self.set.label(self.examples[index]).into();
        Ok(Batch {
            sequences: Sequences::Tokens(tokens),
            length,
            lengths: Some(lengths),
            labels: indices.iter().map(label).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> TokenSet {
        let mut set = TokenSet::new(2);
        for (a, b, label) in [(&[7u8, 8][..], &[9][..], 1), (&[4], &[5, 6, 7], 0), (&[3], &[3], 1)]
        {
            for sequence in [a, b] {
                set.extend(sequence.iter().copied());
                set.end_sequence();
            }
            set.end_example(label);
            if label == 0 {
                set.end_part();
            }
        }
        set.end_part();
        set
    }

    #[test]
    fn parts_follow_each_other() {
        let set = pairs();
        assert_eq!((set.part(0), set.part(1)), (0..2, 2..3));
        assert_eq!(set.sequences(1).collect::<Vec<_>>(), [&[4][..], &[5, 6, 7]]);
        assert_eq!(set.label(0), 1);
    }

    #[test]
    fn the_first_sequences_of_pairs_come_before_the_second_ones() {
        let split = TokenSplit::new(Arc::new(pairs()), [2, 0, 1]);
        assert_eq!([0, 1, 2].map(|index| split.length(index)), [1, 2, 3]);
        let batch = split.batch(&[1, 2]).unwrap();
        let tokens = vec![7, 8, 0, 4, 0, 0, 9, 0, 0, 5, 6, 7];
        assert_eq!(batch.sequences, Sequences::Tokens(tokens));
        assert_eq!(batch.lengths, Some(vec![2, 1, 1, 3]));
        assert_eq!((batch.length, batch.labels), (3, vec![1, 0]));
    }

    #[test]
    fn a_batch_is_no_longer_than_its_longest_sequence() {
        let split = TokenSplit::new(Arc::new(pairs()), 0..3);
        assert_eq!(split.batch(&[2]).unwrap().length, 1);
    }
}

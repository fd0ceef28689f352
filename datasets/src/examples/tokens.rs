//! Labelled sequences of tokens in memory.

use std::ops::Range;

use anyhow::Result;

use crate::batch::{Example, Label, Sequences};
use crate::split::{Examples, Split};

/// Pads the shorter sequences of a batch.
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
    /// All sequences, concatenated.
    pub(crate) tokens: Vec<u8>,
    /// Where each sequence ends in `tokens`.
    pub(crate) ends: Vec<usize>,
    /// Class of each example.
    pub(crate) labels: Vec<u8>,
    /// Sequences an example.
    pub(crate) width: usize,
    /// Where each part ends in `labels`.
    pub(crate) parts: Vec<usize>,
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

    /// The splits that three parts are.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn into_parts(self) -> [Split; 3] {
        let parts = [0, 1, 2].map(|part| self.part(part));
        let all = Split::new(self);
        parts.map(|part| all.subset(part).expect("a part is within its set"))
    }

    /// The sequences of an example.
    pub fn sequences(&self, example: usize) -> impl Iterator<Item = &[u8]> {
        let numbers = example * self.width..(example + 1) * self.width;
        numbers.map(|number| &self.tokens[self.start(number)..self.ends[number]])
    }

    /// Where a sequence starts in `tokens`.
    pub(crate) fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |previous| self.ends[previous])
    }
}

/// Tokens as a sequence.
pub fn sequence(tokens: impl IntoIterator<Item = u8>) -> Sequences {
    Sequences::Tokens(tokens.into_iter().map(i64::from).collect())
}

impl Examples for TokenSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let sequences = self.sequences(index).map(|tokens| sequence(tokens.iter().copied()));
        Ok(Example { sequences: sequences.collect(), label: self.labels[index].into() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.labels[index].into())
    }

    /// Positions of the longer of two sequences.
    fn length(&self, index: usize) -> usize {
        self.sequences(index).map(<[u8]>::len).max().unwrap_or(0)
    }

    fn padding(&self) -> Option<f32> {
        Some(PAD.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Labels;

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
        assert_eq!(set.label(0).unwrap(), 1.into());
    }

    #[test]
    fn the_first_sequences_of_pairs_come_before_the_second_ones() {
        let split = Split::new(pairs()).subset([2, 0, 1]).unwrap();
        assert_eq!([0, 1, 2].map(|index| split.length(index)), [1, 2, 3]);
        let batch = split.batch(&[1, 2]).unwrap();
        let tokens = vec![7, 8, 0, 4, 0, 0, 9, 0, 0, 5, 6, 7];
        assert_eq!(batch.sequences, Sequences::Tokens(tokens));
        assert_eq!(batch.lengths, Some(vec![2, 1, 1, 3]));
        assert_eq!((batch.length, batch.labels), (3, Labels::Classes(vec![1, 0])));
    }

    #[test]
    fn a_batch_is_no_longer_than_its_longest_sequence() {
        let split = Split::new(pairs());
        assert_eq!(split.batch(&[2]).unwrap().length, 1);
    }
}

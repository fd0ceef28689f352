//! Examples of one split or of several, in any order.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Examples, Split};
use crate::batch::{Example, Label};

pub(super) struct Selection {
    parts: Vec<Split>,
    /// Part of each example, and its number there.
    picks: Vec<(usize, usize)>,
}

impl Split {
    /// The examples `picks` of `parts`, each a part and a number in it. Shorter sequences are filled
    /// up as in the first part.
    pub(super) fn selection(parts: Vec<Self>, picks: Vec<(usize, usize)>) -> Self {
        Self::new(Selection { parts, picks })
    }

    /// The examples `indices`, in that order; one may occur several times.
    ///
    /// # Errors
    /// If there is no example of one of these numbers.
    pub fn subset(&self, indices: impl IntoIterator<Item = usize>) -> Result<Self> {
        let picks: Vec<_> = indices.into_iter().map(|index| (0, index)).collect();
        if let Some((_, largest)) = picks.iter().max() {
            ensure!(*largest < self.len(), "a subset asks for example {largest} of {}", self.len());
        }
        Ok(Self::selection(vec![self.clone()], picks))
    }

    /// The same, where none continues another.
    pub fn apart(&self) -> Self {
        let picks = (0..self.len()).map(|index| (0, index)).collect();
        Self::selection(vec![self.clone()], picks)
    }

    /// The same, where shorter sequences of a batch may be filled up with zeros.
    pub fn padded(&self) -> Self {
        Self::new(Padded(self.clone()))
    }

    /// All examples of the first of `parts`, then those of the next, and so on.
    pub fn concatenation(parts: Vec<Self>) -> Self {
        let numbered = parts.iter().enumerate();
        let picks = numbered.flat_map(|(number, part)| (0..part.len()).map(move |i| (number, i)));
        let picks = picks.collect();
        Self::selection(parts, picks)
    }
}

struct Padded(Split);

impl Examples for Padded {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        self.0.example(index)
    }

    fn source(&self, index: usize) -> Result<Example> {
        self.0.source(index)
    }

    fn label(&self, index: usize) -> Result<Label> {
        self.0.label(index)
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.0.name(index)
    }

    fn length(&self, index: usize) -> usize {
        self.0.length(index)
    }

    fn padding(&self) -> Option<f32> {
        Some(self.0.padding().unwrap_or(0.0))
    }

    fn is_stream(&self) -> bool {
        self.0.is_stream()
    }
}

impl Selection {
    fn find(&self, index: usize) -> (&Split, usize) {
        let (part, index) = self.picks[index];
        (&self.parts[part], index)
    }
}

impl Examples for Selection {
    fn len(&self) -> usize {
        self.picks.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (part, index) = self.find(index);
        part.example(index)
    }

    fn source(&self, index: usize) -> Result<Example> {
        let (part, index) = self.find(index);
        part.source(index)
    }

    fn label(&self, index: usize) -> Result<Label> {
        let (part, index) = self.find(index);
        part.label(index)
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        let (part, index) = self.find(index);
        part.name(index)
    }

    fn length(&self, index: usize) -> usize {
        let (part, index) = self.find(index);
        part.length(index)
    }

    fn padding(&self) -> Option<f32> {
        self.parts.first().and_then(|part| part.padding())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Counting;
    use super::*;

    #[test]
    fn examples_come_in_the_order_asked_for() {
        let all = Split::new(Counting(9));
        let some = all.subset([5, 2, 5]).unwrap();
        assert_eq!((some.len(), some.length(1), some.label(0).unwrap()), (3, 2, 2.into()));
        assert_eq!(some.batch(&[0, 1]).unwrap(), all.batch(&[5, 2]).unwrap());
        let message = all.subset([0, 9]).err().unwrap().to_string();
        assert!(message.contains("example 9 of 9"), "{message}");
    }

    #[test]
    fn parts_follow_each_other() {
        let all = Split::new(Counting(9));
        let parts = [&[4, 1][..], &[], &[8]].map(|part| all.subset(part.iter().copied()).unwrap());
        let both = Split::concatenation(parts.into());
        assert_eq!((both.len(), both.length(2), both.label(1).unwrap()), (3, 8, 1.into()));
        assert_eq!(both.batch(&[2, 0, 1]).unwrap(), all.batch(&[8, 4, 1]).unwrap());
        assert!(Split::concatenation(Vec::new()).is_empty());
    }
}

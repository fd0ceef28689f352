//! Splits in sequence.

use anyhow::Result;

use super::{Examples, Split};
use crate::batch::Example;

struct Concatenation {
    parts: Vec<Split>,
    /// Number of the first example after each part.
    ends: Vec<usize>,
}

impl Split {
    /// All examples of the first of `parts`, then those of the next, and so on. Shorter sequences
    /// are filled up as in the first.
    pub fn concatenation(parts: Vec<Self>) -> Self {
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        Self::new(Concatenation { ends: ends.collect(), parts })
    }
}

impl Concatenation {
    /// The part that example `index` is in, and its number there.
    fn find(&self, index: usize) -> (&Split, usize) {
        let part = self.ends.partition_point(|&end| end <= index);
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        (&self.parts[part], index - start)
    }
}

impl Examples for Concatenation {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (part, index) = self.find(index);
        part.example(index)
    }

    fn label(&self, index: usize) -> Result<i64> {
        let (part, index) = self.find(index);
        part.label(index)
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
    fn parts_follow_each_other() {
        let all = Split::new(Counting(9));
        let parts = [&[4, 1][..], &[], &[8]].map(|part| all.subset(part.iter().copied()).unwrap());
        let both = Split::concatenation(parts.into());
        assert_eq!((both.len(), both.length(2), both.label(1).unwrap()), (3, 8, 1));
        assert_eq!(both.batch(&[2, 0, 1]).unwrap(), all.batch(&[8, 4, 1]).unwrap());
        assert!(Split::concatenation(Vec::new()).is_empty());
    }
}

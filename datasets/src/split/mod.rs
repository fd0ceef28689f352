//! A part of a data set: examples that can be had in any order, alone or in batches, and what can
//! be made of it.

mod fraction;
mod mixture;
mod selection;
mod transform;

use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use loader::Dataset;

use crate::batch::{Batch, Example, Label};

/// Examples by number, read from any number of threads.
pub trait Examples: Send + Sync {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Example `index`, below [`Examples::len`].
    ///
    /// # Errors
    /// If it cannot be read.
    fn example(&self, index: usize) -> Result<Example>;

    /// What example `index` was made of, where a model is given something else: of a spectrogram the
    /// samples.
    ///
    /// # Errors
    /// If it cannot be read.
    fn source(&self, index: usize) -> Result<Example> {
        self.example(index)
    }

    /// What is right of example `index`, without its sequences where that is cheaper.
    ///
    /// # Errors
    /// If it cannot be read.
    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.example(index)?.label)
    }

    /// The file that example `index` is, where it is one.
    fn name(&self, index: usize) -> Option<PathBuf> {
        let _ = index;
        None
    }

    /// Positions of the longest sequence of example `index`, where examples differ in length.
    fn length(&self, index: usize) -> usize {
        let _ = index;
        1
    }

    /// What the shorter sequences of a batch are filled up with; `None` where all sequences are of
    /// one length.
    fn padding(&self) -> Option<f32> {
        None
    }

    /// Whether each example continues the one before: [`Dataset::is_stream`].
    fn is_stream(&self) -> bool {
        false
    }
}

/// One part of a data set, in batches. Clones share the examples.
#[derive(Clone)]
pub struct Split(Arc<dyn Examples>);

impl Split {
    /// A split of these examples.
    pub fn new(examples: impl Examples + 'static) -> Self {
        Self(Arc::new(examples))
    }

    /// The batch made of the examples `indices`, in that order.
    ///
    /// # Errors
    /// If an example cannot be read, or they do not fit together.
    pub fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let examples = indices.iter().map(|&index| self.example(index));
        Batch::of(&examples.collect::<Result<Vec<_>>>()?, self.padding())
    }

    /// Some rows of that batch, as they are in it.
    ///
    /// # Errors
    /// As [`Split::batch`].
    pub fn rows_of(&self, indices: &[usize], rows: Range<usize>) -> Result<Batch> {
        let longest = indices.iter().map(|&index| self.length(index)).max().unwrap_or(0);
        let examples = indices[rows].iter().map(|&index| self.example(index));
        Batch::of_length(&examples.collect::<Result<Vec<_>>>()?, self.padding(), longest)
    }
}

impl Deref for Split {
    type Target = dyn Examples;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Dataset for Split {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn length(&self, index: usize) -> usize {
        self.0.length(index)
    }

    fn is_stream(&self) -> bool {
        self.0.is_stream()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        Self::batch(self, indices)
    }

    fn rows(&self, indices: &[usize], rows: Range<usize>) -> Result<Batch> {
        self.rows_of(indices, rows)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::batch::{Labels, Sequences};

    /// Example i is the token i, i times, and of class i mod 3.
    pub(crate) struct Counting(pub(crate) usize);

    impl Examples for Counting {
        fn len(&self) -> usize {
            self.0
        }

        fn example(&self, index: usize) -> Result<Example> {
            let sequence = Sequences::Tokens(vec![index as i64; index]);
            Ok(Example { sequences: vec![sequence], label: (index as i64 % 3).into() })
        }

        fn length(&self, index: usize) -> usize {
            index
        }

        fn padding(&self) -> Option<f32> {
            Some(0.0)
        }
    }

    #[test]
    fn batches_are_padded_to_their_longest() {
        let batch = Split::new(Counting(9)).batch(&[2, 4]).unwrap();
        assert_eq!(batch.sequences, Sequences::Tokens(vec![2, 2, 0, 0, 4, 4, 4, 4]));
        assert_eq!((batch.length, batch.lengths), (4, Some(vec![2, 4])));
        assert_eq!(batch.labels, Labels::Classes(vec![2, 1]));
    }

    #[test]
    fn rows_of_a_batch_are_as_they_are_in_it() {
        let batch = Split::new(Counting(9)).rows_of(&[2, 3, 4], 0..2).unwrap();
        assert_eq!(batch.sequences, Sequences::Tokens(vec![2, 2, 0, 0, 3, 3, 3, 0]));
        assert_eq!((batch.length, batch.lengths), (4, Some(vec![2, 3])));
    }
}

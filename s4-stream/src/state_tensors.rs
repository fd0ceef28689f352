//! The tensors of a state that other code has computed, a convolution of libtorch for one.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

/// The tensors of a state in order, from which some sequences take their rows.
#[derive(Debug)]
pub(crate) struct StateTensors<'a> {
    all: &'a [Vec<f32>],
    taken: usize,
    /// Sequences that every tensor has rows of.
    batch: usize,
    /// Those whose rows are taken.
    sequences: Range<usize>,
}

impl<'a> StateTensors<'a> {
    pub fn new(all: &'a [Vec<f32>], batch: usize, sequences: Range<usize>) -> Self {
        Self { all, taken: 0, batch, sequences }
    }

    /// The rows of the next tensor, of `size` numbers each; `what` names the tensor in errors.
    pub fn next(&mut self, what: &str, size: usize) -> Result<&'a [f32]> {
        let number = self.taken;
        let tensor = self.all.get(number).with_context(|| {
            format!("the state has {number} tensors, but the model's has more: the next {what}")
        })?;
        ensure!(
            tensor.len() == self.batch * size,
            "tensor {number} of the state, {what}, has {} numbers, expected {size} for each of {} \
             sequences",
            tensor.len(),
            self.batch
        );
        self.taken += 1;
        Ok(&tensor[self.sequences.start * size..self.sequences.end * size])
    }

    /// Refuses tensors that the model has no use for.
    pub fn finish(&self) -> Result<()> {
        ensure!(
            self.taken == self.all.len(),
            "the state has {} tensors, the model's has {}",
            self.all.len(),
            self.taken
        );
        Ok(())
    }
}

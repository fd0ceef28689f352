//! What an attack has found so far.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::{Inputs, Victim};

/// The examples that still stand, and the best that was found for each example. The first success of an
/// example ends its search: later steps could only cost.
pub(super) struct Search {
    best: Tensor,
    loss: Tensor,
    /// Rows that still stand, (n) int64.
    standing: Tensor,
    /// Their inputs.
    pub inputs: Inputs,
}

impl Search {
    /// Nothing found yet.
    pub fn new(victim: &Victim<'_>) -> Self {
        let (inputs, device) = (&victim.inputs, victim.inputs.x.device());
        let rows = inputs.x.size()[0];
        let standing = Tensor::arange(rows, (Kind::Int64, device));
        Self {
            best: inputs.x.copy(),
            loss: Tensor::full([rows], f64::NEG_INFINITY, (Kind::Double, device)),
            inputs: inputs.rows(&standing),
            standing,
        }
    }

    /// Takes note of `x` for the examples that stand, with its logits and losses, and returns which of
    /// these stand still: their places among those before, (n) int64.
    ///
    /// # Errors
    /// If the device fails.
    pub fn note(&mut self, x: &Tensor, logits: &Tensor, loss: &Tensor) -> Result<Tensor> {
        let fooled = logits.argmax(1, false).ne_tensor(&self.inputs.labels);
        let better = fooled.logical_or(&loss.gt_tensor(&self.loss()));
        let places = better.nonzero().squeeze_dim(1);
        let rows = self.standing.index_select(0, &places);
        let _ = self.best.index_copy_(0, &rows, &x.index_select(0, &places));
        let _ = self.loss.index_copy_(0, &rows, &loss.index_select(0, &places));
        let kept = fooled.logical_not().nonzero().squeeze_dim(1);
        self.keep(&kept);
        Ok(kept)
    }

    /// Ends the search for all but these of those that stand.
    pub fn keep(&mut self, kept: &Tensor) {
        if kept.size()[0] < self.standing.size()[0] {
            self.standing = self.standing.index_select(0, kept);
            self.inputs = self.inputs.rows(kept);
        }
    }

    /// Whether none stands.
    pub fn is_done(&self) -> bool {
        self.standing.size()[0] == 0
    }

    /// The rows that stand.
    pub fn standing(&self) -> Vec<usize> {
        let rows = Vec::<i64>::try_from(&self.standing).unwrap_or_default();
        rows.into_iter().map(|row| row as usize).collect()
    }

    /// The best for those that stand.
    pub fn best(&self) -> Tensor {
        self.best.index_select(0, &self.standing)
    }

    /// Its losses.
    pub fn loss(&self) -> Tensor {
        self.loss.index_select(0, &self.standing)
    }

    /// The best for all.
    pub fn into_best(self) -> Tensor {
        self.best
    }
}

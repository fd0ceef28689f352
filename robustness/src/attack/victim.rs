//! What is attacked.

use std::ops::Range;

use anyhow::Result;
use program::interrupt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use transformations::seed;

use super::{Ball, Budget, Loss};

/// A model whose gradients can be had.
pub trait Model {
    /// Values (B, L, features), or tokens (B, L), as what gradients to tokens are gradients to: (B, H, L).
    ///
    /// # Errors
    /// If the input does not fit the model.
    fn embed(&self, x: &Tensor) -> Result<Tensor>;

    /// Logits (B, classes) of embedded sequences, of which these are the valid positions (B).
    ///
    /// # Errors
    /// If the input does not fit the model.
    fn logits(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor>;
}

/// Labelled examples, in one batch.
#[derive(Debug)]
pub struct Inputs {
    /// Values (B, L, features), in the units of the field, or tokens (B, L).
    pub x: Tensor,
    /// What each is compared with, which is left as it is.
    pub second: Option<Tensor>,
    /// Valid positions, (B), or (2B) where there are second sequences; `None`: all.
    pub lengths: Option<Tensor>,
    /// Classes, (B).
    pub labels: Tensor,
    /// Their numbers, which randomness follows from.
    pub examples: Vec<usize>,
}

/// What inputs may be.
#[derive(Debug, Clone)]
pub enum Domain {
    /// Values between these two.
    Values(Range<f64>),
    /// These tokens; others are left as they are.
    Tokens(Range<i64>),
}

/// What is attacked, and how hard.
pub struct Victim<'a> {
    /// The model.
    pub model: &'a dyn Model,
    /// The examples. They should be right: who is wrong needs no attack.
    pub inputs: Inputs,
    /// What inputs may be.
    pub domain: Domain,
    /// How much may change.
    pub budget: Budget,
    /// Steps or queries.
    pub steps: usize,
    /// What all randomness follows from, with the examples' numbers.
    pub seed: u64,
}

/// A loss and its gradient at some inputs.
pub(super) struct Slope {
    /// (B, classes).
    pub logits: Tensor,
    /// (B), float64.
    pub loss: Tensor,
    /// Of the loss, to values as they are, or to embedded tokens (B, H, L).
    pub gradient: Tensor,
}

impl Inputs {
    /// Those of the rows of which `kept` has the numbers, (n) int64.
    pub fn rows(&self, kept: &Tensor) -> Self {
        let of = |x: &Tensor| x.index_select(0, kept);
        let count = self.labels.size()[0];
        let numbers = Vec::<i64>::try_from(kept).unwrap_or_default();
        let lengths = self.lengths.as_ref().map(|lengths| match self.second {
            None => of(lengths),
            Some(_) => lengths.index_select(0, &Tensor::cat(&[kept, &(kept + count)], 0)),
        });
        Self {
            x: of(&self.x),
            second: self.second.as_ref().map(of),
            lengths,
            labels: of(&self.labels),
            examples: numbers.iter().map(|&row| self.examples[row as usize]).collect(),
        }
    }

    /// Valid positions of each.
    pub fn valid_lengths(&self) -> Vec<usize> {
        let (rows, positions) = (self.examples.len(), self.x.size()[1] as usize);
        let lengths = self.lengths.as_ref().and_then(|it| Vec::<i64>::try_from(it).ok());
        match lengths {
            Some(lengths) => lengths[..rows].iter().map(|&length| length as usize).collect(),
            None => vec![positions; rows],
        }
    }

    /// Whether each position is no padding, (B, L).
    pub fn valid(&self) -> Tensor {
        let (rows, positions) = (self.x.size()[0], self.x.size()[1]);
        let options = (Kind::Int64, self.x.device());
        match &self.lengths {
            None => Tensor::ones([rows, positions], (Kind::Bool, self.x.device())),
            Some(lengths) => {
                let lengths = lengths.narrow(0, 0, rows).unsqueeze(1);
                Tensor::arange(positions, options).unsqueeze(0).lt_tensor(&lengths)
            }
        }
    }
}

impl Victim<'_> {
    /// What values may be.
    ///
    /// # Errors
    /// If the inputs are tokens, or the budget is none of values.
    pub fn ball(&self) -> Result<Ball> {
        Ball::around(&self.inputs, &self.domain, self.budget)
    }

    /// A generator for each example, the same in any batch.
    pub fn generators(&self, purpose: &str) -> Vec<ChaCha8Rng> {
        let of = |&example: &usize| seed::generator(purpose, &[self.seed, example as u64]);
        self.inputs.examples.iter().map(of).collect()
    }

    /// Logits (B, classes) of `x` in the place of the inputs'.
    ///
    /// # Errors
    /// If the model fails, or the user interrupts.
    pub fn logits(&self, inputs: &Inputs, x: &Tensor) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        self.forward(inputs, x)
    }

    /// A loss of values `x`, with its gradient to them.
    pub(super) fn slope(&self, inputs: &Inputs, x: &Tensor, loss: Loss) -> Result<Slope> {
        let x = x.detach().set_requires_grad(true);
        let logits = self.forward(inputs, &x)?;
        Ok(slope(&logits, inputs, &x, loss))
    }

    /// A loss of tokens `x`, with its gradient to what they are embedded as.
    pub(super) fn slope_of_tokens(&self, inputs: &Inputs, x: &Tensor, loss: Loss) -> Result<Slope> {
        interrupt::check()?;
        let embedded = self.model.embed(&joined(inputs, x))?.detach().set_requires_grad(true);
        let logits = self.model.logits(&embedded, inputs.lengths.as_ref())?;
        let slope = slope(&logits, inputs, &embedded, loss);
        Ok(Slope { gradient: slope.gradient.narrow(0, 0, x.size()[0]), ..slope })
    }

    fn forward(&self, inputs: &Inputs, x: &Tensor) -> Result<Tensor> {
        interrupt::check()?;
        let embedded = self.model.embed(&joined(inputs, x))?;
        self.model.logits(&embedded, inputs.lengths.as_ref())
    }
}

fn joined(inputs: &Inputs, x: &Tensor) -> Tensor {
    match &inputs.second {
        None => x.shallow_clone(),
        Some(second) => Tensor::cat(&[x, second], 0),
    }
}

fn slope(logits: &Tensor, inputs: &Inputs, to: &Tensor, loss: Loss) -> Slope {
    let loss = loss.of(logits, &inputs.labels);
    // Each example's loss depends on that example alone.
    let gradient = Tensor::run_backward(&[loss.sum(Kind::Double)], &[to], false, false).remove(0);
    Slope { logits: logits.detach(), loss: loss.detach(), gradient }
}

impl Slope {
    /// Of each example, whether the gradient is zero everywhere.
    pub fn flat(&self) -> Vec<bool> {
        let largest = self.gradient.flatten(1, -1).abs().amax([1i64], false);
        Vec::<f64>::try_from(largest.to_kind(Kind::Double))
            .map(|largest| largest.iter().map(|&it| it == 0.0).collect())
            .unwrap_or_default()
    }
}

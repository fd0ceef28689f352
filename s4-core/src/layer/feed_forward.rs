//! A position-wise network with one hidden layer.

use anyhow::Result;
use s4_config::Activation;
use tch::Tensor;

use super::activation::activate;
use super::dropout::Dropout;
use super::linear::Linear;
use super::{Pass, SequenceLayer, State, Stepper};
use crate::params::{Hyper, Scope};
use crate::recurrence::StepMode;

/// W₂ drop(gelu(W₁ x)).
#[derive(Debug)]
pub struct FeedForward {
    hidden: Linear,
    output: Linear,
    dropout: Dropout,
}

impl FeedForward {
    /// Registers `ff.0.0.*` and `ff.2.*` for `width` channels and `expand`·`width` hidden ones.
    /// `pointwise` weights are stored like those of 1 x 1 convolutions, (out, in, 1).
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        scope: &mut Scope,
        width: i64,
        expand: i64,
        pointwise: bool,
        dropout: Dropout,
    ) -> Result<Self> {
        let linear = if pointwise { Linear::pointwise } else { Linear::new };
        let inner = expand * width;
        Ok(Self {
            hidden: linear(&mut scope.sub("ff.0.0"), width, inner, Hyper::NO_DECAY)?,
            output: linear(&mut scope.sub("ff.2"), inner, width, Hyper::NO_DECAY)?,
            dropout,
        })
    }
}

impl SequenceLayer for FeedForward {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let hidden = activate(Activation::Gelu, &self.hidden.forward_in(x, pass.dense));
        Ok(self.output.forward_in(&self.dropout.forward(&hidden, pass.train), pass.dense))
    }

    fn forward_with_state(&self, x: &Tensor, _: &State, pass: &Pass) -> Result<(Tensor, State)> {
        Ok((self.forward(x, pass)?, State::new()))
    }

    fn state_len(&self) -> usize {
        0
    }

    fn takes_bf16(&self) -> bool {
        true
    }

    fn default_state(&self, _: i64) -> Result<State> {
        Ok(State::new())
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        Ok(Box::new(FeedForwardStepper(self)))
    }
}

#[derive(Debug)]
struct FeedForwardStepper<'a>(&'a FeedForward);

impl Stepper for FeedForwardStepper<'_> {
    fn step(&self, x: &Tensor, _: &State) -> (Tensor, State) {
        let hidden = activate(Activation::Gelu, &self.0.hidden.step(x));
        (self.0.output.step(&hidden), State::new())
    }
}

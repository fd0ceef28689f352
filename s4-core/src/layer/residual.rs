//! A residual block: normalisation, layer, dropout and the sum with its input.

use anyhow::Result;
use tch::Tensor;

use super::dropout::Dropout;
use super::norm::Norm;
use super::{Pass, SequenceLayer, State, Stepper};
use crate::recurrence::StepMode;

/// x + drop(layer(norm(x))) with pre-norm, norm(x + drop(layer(x))) with post-norm.
#[derive(Debug)]
pub struct Residual {
    /// The layer inside.
    pub layer: Box<dyn SequenceLayer>,
    /// The normalisation.
    pub norm: Norm,
    /// Normalise in front of the layer rather than behind the sum.
    pub prenorm: bool,
    /// Dropout on the layer's output.
    pub dropout: Dropout,
}

impl Residual {
    fn around<S>(
        &self,
        x: &Tensor,
        train: bool,
        layer: impl FnOnce(&Tensor) -> Result<(Tensor, S)>,
    ) -> Result<(Tensor, S)> {
        if self.prenorm {
            let (y, state) = layer(&self.norm.forward(x, train))?;
            Ok((x + self.dropout.forward(&y, train), state))
        } else {
            let (y, state) = layer(x)?;
            Ok((self.norm.forward(&(x + self.dropout.forward(&y, train)), train), state))
        }
    }
}

impl SequenceLayer for Residual {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (y, ()) = self.around(x, pass.train, |x| Ok((self.layer.forward(x, pass)?, ())))?;
        Ok(y)
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        self.around(x, pass.train, |x| self.layer.forward_with_state(x, state, pass))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        self.layer.default_state(batch)
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        Ok(Box::new(ResidualStepper { block: self, layer: self.layer.stepper(mode, rate)? }))
    }

    fn explain(&self, len: i64, pass: &Pass) -> Vec<(String, String)> {
        self.layer.explain(len, pass)
    }

    fn spectra(&self) -> Vec<(String, Tensor)> {
        self.layer.spectra()
    }

    fn spectral_radius(&self) -> Result<Option<Tensor>> {
        self.layer.spectral_radius()
    }

    fn kernels(&self) -> Vec<(String, Tensor)> {
        self.layer.kernels()
    }
}

#[derive(Debug)]
struct ResidualStepper<'a> {
    block: &'a Residual,
    layer: Box<dyn Stepper + 'a>,
}

impl Stepper for ResidualStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        self.block.around(x, false, |x| Ok(self.layer.step(x, state))).expect("a step cannot fail")
    }
}

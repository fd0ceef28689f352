//! A residual block: normalisation, layer, dropout and the sum with its input.

use std::sync::Arc;

use anyhow::Result;
use tch::Tensor;

use super::dropout::Dropout;
use super::norm::Norm;
use super::{Activations, Pass, SequenceLayer, State, Stepper};
use crate::recompute::recomputed;
use crate::recurrence::StepMode;

/// x + drop(layer(norm(x))) with pre-norm, norm(x + drop(layer(x))) with post-norm.
///
/// Where a pass asks for it ([`Activations::Recomputed`]), what is inside is computed again in the
/// backward pass.
#[derive(Debug)]
pub struct Residual(Arc<Block>);

/// Shared with the graphs of passes that compute it again.
#[derive(Debug)]
struct Block {
    layer: Box<dyn SequenceLayer>,
    norm: Norm,
    prenorm: bool,
    dropout: Dropout,
}

impl Residual {
    /// A block around `layer`: normalised in front of it (`prenorm`) or behind the sum, with
    /// `dropout` on the layer's output.
    #[expect(clippy::arc_with_non_send_sync, reason = "`Call` says why it may change threads")]
    pub fn new(layer: Box<dyn SequenceLayer>, norm: Norm, prenorm: bool, dropout: Dropout) -> Self {
        Self(Arc::new(Block { layer, norm, prenorm, dropout }))
    }

    /// Output and next state; without a `state`, of whole sequences.
    fn run(&self, x: &Tensor, state: Option<&State>, pass: &Pass) -> Result<(Tensor, State)> {
        if pass.activations != Activations::Recomputed {
            return self.0.run(x, state, pass);
        }
        let inputs: Vec<&Tensor> = [x].into_iter().chain(state.into_iter().flatten()).collect();
        let call = Call {
            block: self.0.clone(),
            with_state: state.is_some(),
            pass: pass.with_activations(Activations::Kept),
        };
        let mut outputs = recomputed(&inputs, move |inputs, again| call.make(inputs, again))?;
        let y = outputs.remove(0);
        Ok((y, outputs))
    }
}

/// A call of a block, to be made again.
struct Call {
    block: Arc<Block>,
    with_state: bool,
    pass: Pass,
}

// SAFETY: the graph that owns a call may be walked and freed on a thread of libtorch's. A call only
// reads its tensors, and libtorch's tensors may be read by several threads.
unsafe impl Send for Call {}

impl Call {
    /// Inputs x and states to output and next states.
    fn make(&self, inputs: &[Tensor], again: bool) -> Result<Vec<Tensor>> {
        let states: State = inputs[1..].iter().map(Tensor::shallow_clone).collect();
        let state = self.with_state.then_some(&states);
        let (y, next) = if again {
            let pass = self.pass.with_activations(Activations::Again);
            self.block.run(&inputs[0], state, &pass)?
        } else {
            self.block.run(&inputs[0], state, &self.pass)?
        };
        Ok([y].into_iter().chain(next).collect())
    }
}

impl Block {
    fn run(&self, x: &Tensor, state: Option<&State>, pass: &Pass) -> Result<(Tensor, State)> {
        self.around(x, pass, |x| match state {
            None => Ok((self.layer.forward(x, pass)?, State::new())),
            Some(state) => self.layer.forward_with_state(x, state, pass),
        })
    }

    fn around(
        &self,
        x: &Tensor,
        pass: &Pass,
        layer: impl FnOnce(&Tensor) -> Result<(Tensor, State)>,
    ) -> Result<(Tensor, State)> {
        if self.prenorm {
            let (y, state) = layer(&self.normalise(x, pass))?;
            Ok((x + self.dropout.forward(&y, pass.train), state))
        } else {
            let (y, state) = layer(x)?;
            let sum = x + self.dropout.forward(&y, pass.train);
            Ok((self.normalise(&sum, pass), state))
        }
    }

    fn normalise(&self, x: &Tensor, pass: &Pass) -> Tensor {
        if pass.train && pass.activations == Activations::Again {
            self.norm.forward_again(x)
        } else {
            self.norm.forward(x, pass.train)
        }
    }
}

impl SequenceLayer for Residual {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.run(x, None, pass)?.0)
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        self.run(x, Some(state), pass)
    }

    fn takes_bf16(&self) -> bool {
        self.0.layer.takes_bf16()
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        self.0.layer.default_state(batch)
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        Ok(Box::new(ResidualStepper {
            block: &self.0,
            layer: self.0.layer.stepper(mode, rate)?,
            pass: Pass::eval(),
        }))
    }

    fn explain(&self, len: i64, pass: &Pass) -> Vec<(String, String)> {
        self.0.layer.explain(len, pass)
    }

    fn spectra(&self) -> Vec<(String, Tensor)> {
        self.0.layer.spectra()
    }

    fn spectral_radius(&self) -> Result<Option<Tensor>> {
        self.0.layer.spectral_radius()
    }

    fn kernels(&self) -> Vec<(String, Tensor)> {
        self.0.layer.kernels()
    }
}

#[derive(Debug)]
struct ResidualStepper<'a> {
    block: &'a Block,
    layer: Box<dyn Stepper + 'a>,
    pass: Pass,
}

impl Stepper for ResidualStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let step = |x: &Tensor| Ok(self.layer.step(x, state));
        self.block.around(x, &self.pass, step).expect("a step cannot fail")
    }
}

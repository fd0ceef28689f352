//! What the baselines share: padding is zeroed, and what is causal carries one tensor on.

use anyhow::{Result, bail, ensure};
use s4_core::layer::{Pass, SequenceLayer, State, Stepper, check_causal, check_sequences, mask};
use s4_core::recurrence::StepMode;
use tch::Tensor;

/// A way to mix the positions of sequences.
pub trait Mix: std::fmt::Debug {
    /// Channels H.
    fn width(&self) -> i64;

    /// Whether it looks ahead, and so has no state.
    fn bidirectional(&self) -> bool;

    /// Sequences x (B, H, L), zero in the padding, to outputs (B, H, L).
    ///
    /// # Errors
    /// If libtorch refuses.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor>;

    /// The state of `batch` sequences before their first position. This and what follows is for
    /// what does not look ahead.
    fn default_state(&self, batch: i64) -> Tensor;

    /// The positions x (B, H, L) behind `state`: their outputs, and the next state.
    ///
    /// # Errors
    /// If the state is not its own.
    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)>;

    /// The one position x (B, H) behind `state`: its output (B, H), and the next state.
    fn step(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let (y, next) = self
            .forward_with_state(&x.unsqueeze(-1), state, &Pass::eval())
            .expect("the state is the layer's own");
        (y.squeeze_dim(-1), next)
    }
}

/// A baseline as a layer of a network.
#[derive(Debug)]
pub struct Baseline<M>(pub M);

impl<M: Mix> SequenceLayer for Baseline<M> {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        check_sequences(x, self.0.width())?;
        // Even a weight of zero would let a NaN of the padding through.
        let masked = pass.lengths.as_ref().map(|lengths| mask::zero_padding(x, lengths));
        self.0.forward(masked.as_ref().unwrap_or(x), pass)
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        check_sequences(x, self.0.width())?;
        check_causal(self.0.bidirectional())?;
        ensure!(pass.lengths.is_none(), "padded sequences cannot carry a state on");
        let [state] = state.as_slice() else {
            bail!("this layer has one state tensor, got {}", state.len())
        };
        let (y, next) = self.0.forward_with_state(x, state, pass)?;
        Ok((y, vec![next]))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        check_causal(self.0.bidirectional())?;
        Ok(vec![self.0.default_state(batch)])
    }

    fn state_len(&self) -> usize {
        1
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        check_causal(self.0.bidirectional())?;
        Ok(Box::new(BaselineStepper(&self.0)))
    }
}

#[derive(Debug)]
struct BaselineStepper<'a, M>(&'a M);

impl<M: Mix> Stepper for BaselineStepper<'_, M> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let (y, next) = self.0.step(x, &state[0]);
        (y, vec![next])
    }
}

//! A residual block: normalisation, layer, dropout and the sum with its input.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tch::Tensor;

use super::dropout::Dropout;
use super::inspect::{Inspect, Place};
use super::linear::Linear;
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
    /// The map (C to H) of a condition, which is added to the layer's input.
    condition: Option<Linear>,
}

/// What is tracked by the graph: it must be handed to a recomputation, not captured by it.
struct Inputs<'a> {
    x: &'a Tensor,
    condition: Option<&'a Tensor>,
    /// None: whole sequences.
    state: Option<&'a State>,
}

impl Residual {
    /// A block around `layer`: normalised before it (`prenorm`) or after the sum, with `dropout` on
    /// the layer's output.
    pub fn new(layer: Box<dyn SequenceLayer>, norm: Norm, prenorm: bool, dropout: Dropout) -> Self {
        Self::conditioned(layer, norm, prenorm, dropout, None)
    }

    /// The same with a map (C to H) of [`Pass::condition`], which is added to the layer's input, as
    /// in DiffWave (Kong et al. 2021, section 3).
    #[expect(clippy::arc_with_non_send_sync, reason = "`Call` says why it may change threads")]
    pub fn conditioned(
        layer: Box<dyn SequenceLayer>,
        norm: Norm,
        prenorm: bool,
        dropout: Dropout,
        condition: Option<Linear>,
    ) -> Self {
        Self(Arc::new(Block { layer, norm, prenorm, dropout, condition }))
    }

    /// Output and next state; without a `state`, of whole sequences.
    fn run(&self, x: &Tensor, state: Option<&State>, pass: &Pass) -> Result<(Tensor, State)> {
        let condition = pass.condition.as_ref();
        ensure!(
            condition.is_some() == self.0.condition.is_some(),
            "{}",
            if condition.is_some() { "the network takes no condition" } else { UNCONDITIONED }
        );
        let inputs = Inputs { x, condition, state };
        if pass.activations != Activations::Recomputed {
            return self.0.run(&inputs, pass);
        }
        let tracked: Vec<&Tensor> =
            [x].into_iter().chain(condition).chain(state.into_iter().flatten()).collect();
        let call = Call {
            block: self.0.clone(),
            with_condition: condition.is_some(),
            with_state: state.is_some(),
            pass: Pass { activations: Activations::Kept, ..pass.with_condition(None) },
        };
        let mut outputs = recomputed(&tracked, move |inputs, again| call.make(inputs, again))?;
        let y = outputs.remove(0);
        Ok((y, outputs))
    }
}

const UNCONDITIONED: &str = "the network needs a condition: each of its blocks is given one";

/// A call of a block, to be made again.
struct Call {
    block: Arc<Block>,
    with_condition: bool,
    with_state: bool,
    pass: Pass,
}

// SAFETY: the graph that owns a call may be walked and freed on a thread of libtorch's. A call only
// reads its tensors, and libtorch's tensors may be read by several threads.
unsafe impl Send for Call {}

impl Call {
    /// Input x, condition and states to output and next states.
    fn make(&self, inputs: &[Tensor], again: bool) -> Result<Vec<Tensor>> {
        let (condition, states) = inputs[1..].split_at(usize::from(self.with_condition));
        let states: State = states.iter().map(Tensor::shallow_clone).collect();
        let state = self.with_state.then_some(&states);
        let inputs = Inputs { x: &inputs[0], condition: condition.first(), state };
        let (y, next) = if again {
            self.block.run(&inputs, &self.pass.with_activations(Activations::Again))?
        } else {
            self.block.run(&inputs, &self.pass)?
        };
        Ok([y].into_iter().chain(next).collect())
    }
}

impl Block {
    fn run(&self, inputs: &Inputs, pass: &Pass) -> Result<(Tensor, State)> {
        let condition = match (&self.condition, inputs.condition) {
            (Some(map), Some(condition)) => Some(conditioning(map, condition, inputs.x, pass)?),
            _ => None,
        };
        self.around(inputs.x, pass, |x| {
            let conditioned = condition.as_ref().map(|condition| x + condition);
            let x = conditioned.as_ref().unwrap_or(x);
            match inputs.state {
                None => Ok((self.layer.forward(x, pass)?, State::new())),
                Some(state) => self.layer.forward_with_state(x, state, pass),
            }
        })
    }

    fn around(
        &self,
        x: &Tensor,
        pass: &Pass,
        layer: impl FnOnce(&Tensor) -> Result<(Tensor, State)>,
    ) -> Result<(Tensor, State)> {
        if self.prenorm {
            let (y, state) = layer(&self.normalise(x, pass)?)?;
            Ok((x + self.dropout.forward(&y, pass.train), state))
        } else {
            let (y, state) = layer(x)?;
            let sum = x + self.dropout.forward(&y, pass.train);
            Ok((self.normalise(&sum, pass)?, state))
        }
    }

    fn normalise(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        if pass.train {
            self.norm.check(x)?;
        }
        Ok(if pass.train && pass.activations == Activations::Again {
            self.norm.forward_again(x)
        } else {
            self.norm.forward(x, pass.train)
        })
    }
}

/// A condition (B, C) or (B, C, L) as what is added to x (B, H, L).
fn conditioning(map: &Linear, condition: &Tensor, x: &Tensor, pass: &Pass) -> Result<Tensor> {
    let (shape, channels) = (condition.size(), map.inputs());
    let (batch, _, len) = x.size3()?;
    ensure!(
        shape == [batch, channels] || shape == [batch, channels, len],
        "expected a condition ({batch}, {channels}) or ({batch}, {channels}, {len}), got {shape:?}"
    );
    let mapped = match condition.dim() {
        2 => map.step_in(condition, pass.dense).unsqueeze(-1),
        _ => map.forward_in(condition, pass.dense),
    };
    Ok(mapped.to_kind(x.kind()))
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
        ensure!(self.0.condition.is_none(), "a network with a condition cannot be stepped");
        Ok(Box::new(ResidualStepper {
            block: &self.0,
            layer: self.0.layer.stepper(mode, rate)?,
            pass: Pass::eval(),
        }))
    }

    fn state_len(&self) -> usize {
        self.0.layer.state_len()
    }

    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        self.0.layer.visit(place, see);
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

//! A state to begin with that is learned, in place of zero.

use anyhow::{Context, Result};
use s4_core::layer::inspect::{Inspect, Place};
use s4_core::layer::{Pass, SequenceLayer, State, Stepper};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use tch::Tensor;

/// A causal backbone whose sequences begin in a learned state, the same for all.
#[derive(Debug)]
pub struct LearnedState {
    backbone: Box<dyn SequenceLayer>,
    /// As a state of the backbone, of one sequence; none where a layer remembers nothing.
    state: Vec<Option<Tensor>>,
}

impl LearnedState {
    /// Registers a number for each of the backbone's states: 0 at first, as without it.
    ///
    /// # Errors
    /// If the backbone looks ahead, or the names are taken.
    pub fn new(scope: &mut Scope, backbone: Box<dyn SequenceLayer>) -> Result<Self> {
        let zero = backbone.default_state(1).context("model.learned_state")?;
        let mut state = Vec::new();
        for (number, zero) in zero.iter().enumerate() {
            let is_there = zero.numel() > 0;
            let mut learned = || scope.parameter(&number.to_string(), zero, Hyper::NO_DECAY);
            state.push(is_there.then(&mut learned).transpose()?);
        }
        Ok(Self { backbone, state })
    }
}

impl SequenceLayer for LearnedState {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (batch, _, len) = x.size3()?;
        let missing = (-len).rem_euclid(self.stride());
        let x = if missing == 0 { x.shallow_clone() } else { x.f_constant_pad_nd([0, missing])? };
        let (y, _) = self.backbone.forward_with_state(&x, &self.default_state(batch)?, pass)?;
        Ok(y.narrow(2, 0, len))
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        self.backbone.forward_with_state(x, state, pass)
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        let zero = self.backbone.default_state(batch)?;
        let each = zero.iter().zip(&self.state);
        let begin = |(zero, learned): (&Tensor, &Option<Tensor>)| match learned {
            Some(learned) => zero + learned.to_kind(zero.kind()),
            None => zero.shallow_clone(),
        };
        Ok(each.map(begin).collect())
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        self.backbone.stepper(mode, rate)
    }

    fn takes_bf16(&self) -> bool {
        self.backbone.takes_bf16()
    }

    fn state_len(&self) -> usize {
        self.backbone.state_len()
    }

    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        self.backbone.visit(place, see);
    }

    fn stride(&self) -> i64 {
        self.backbone.stride()
    }
}

//! A deep network: residual blocks in sequence.

use anyhow::{Result, ensure};
use s4_config::StackConfig;
use tch::{Kind, Tensor};

use super::dropout::Dropout;
use super::inspect::{Inspect, Place};
use super::linear::{DenseKind, Linear};
use super::norm::Norm;
use super::residual::Residual;
use super::{Pass, SequenceLayer, State, Stepper};
use crate::gpu;
use crate::params::{Hyper, Scope};
use crate::recurrence::StepMode;

/// Residual blocks in sequence, `layers.{i}.layer.*` and `layers.{i}.norm.norm.*`, with a last
/// `norm.norm.*` after pre-norm blocks.
#[derive(Debug)]
pub struct Stack {
    blocks: Vec<Residual>,
    final_norm: Option<Norm>,
}

impl Stack {
    /// Builds the stack; `layer` makes the i-th layer in its scope.
    ///
    /// # Errors
    /// If the config is invalid or a layer cannot be made.
    pub fn new(
        scope: &mut Scope,
        config: &StackConfig,
        mut layer: impl FnMut(&mut Scope, i64) -> Result<Box<dyn SequenceLayer>>,
    ) -> Result<Self> {
        config.validate()?;
        let norm = |scope: &mut Scope| {
            Norm::new(&mut scope.sub("norm.norm"), config.norm, config.d_model, Hyper::NO_DECAY)
        };
        let mut blocks = Vec::new();
        for i in 0..config.n_layers {
            let mut scope = scope.sub(format_args!("layers.{i}"));
            let layer = layer(&mut scope.sub("layer"), i)?;
            let norm = norm(&mut scope)?;
            let condition = condition(&mut scope, config.condition, config.d_model)?;
            let (prenorm, dropout) = (config.prenorm, Dropout::from(config));
            blocks.push(Residual::conditioned(layer, norm, prenorm, dropout, condition));
        }
        let final_norm = if config.prenorm { Some(norm(scope)?) } else { None };
        Ok(Self { blocks, final_norm })
    }

    /// What the first block gets.
    fn enter(&self, x: &Tensor, pass: &Pass) -> Tensor {
        enter(x, pass, self.blocks.iter().all(Residual::takes_bf16))
    }

    fn finish(&self, x: Tensor, train: bool) -> Tensor {
        match &self.final_norm {
            None => x,
            Some(norm) => norm.forward(&x, train),
        }
    }
}

/// The map `condition.*` of a condition's `channels` to those of a block of `width`, where there is a
/// condition.
///
/// # Errors
/// If the name is taken.
pub fn condition(scope: &mut Scope, channels: Option<i64>, width: i64) -> Result<Option<Linear>> {
    let map =
        |channels| Linear::pointwise(&mut scope.sub("condition"), channels, width, Hyper::NO_DECAY);
    channels.map(map).transpose()
}

/// Sequences x (B, H, L) as blocks work on them where there are kernels: channel by channel
/// ([`gpu::channel_major`]), and in bfloat16 where all of the blocks take it and `pass` asks for it.
/// Whoever has run the blocks brings the result back to the kind of x.
pub fn enter(x: &Tensor, pass: &Pass, takes_bf16: bool) -> Tensor {
    if !gpu::has_kernels(x) {
        return x.shallow_clone();
    }
    let rounded = takes_bf16 && pass.dense == DenseKind::Bfloat16;
    let kind = if rounded { Kind::BFloat16 } else { x.kind() };
    gpu::channel_major(&x.to_kind(kind))
}

impl SequenceLayer for Stack {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut y = self.enter(x, pass);
        for block in &self.blocks {
            y = block.forward(&y, pass)?;
        }
        Ok(self.finish(y, pass.train).to_kind(x.kind()))
    }

    fn layers(&self, x: &Tensor, pass: &Pass) -> Result<Vec<Tensor>> {
        let mut layers = vec![self.enter(x, pass)];
        for block in &self.blocks {
            layers.push(block.forward(&layers[layers.len() - 1], pass)?);
        }
        let last = layers.pop().map(|y| self.finish(y, pass.train));
        Ok(layers.into_iter().skip(1).chain(last).map(|y| y.to_kind(x.kind())).collect())
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let total = self.state_len();
        ensure!(state.len() == total, "this stack has {total} states, got {}", state.len());
        let mut y = self.enter(x, pass);
        let mut next = State::new();
        let mut states = state.iter().map(Tensor::shallow_clone);
        for block in &self.blocks {
            let before = states.by_ref().take(block.state_len()).collect();
            let after;
            (y, after) = block.forward_with_state(&y, &before, pass)?;
            next.extend(after);
        }
        Ok((self.finish(y, pass.train).to_kind(x.kind()), next))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        let mut state = State::new();
        for block in &self.blocks {
            state.extend(block.default_state(batch)?);
        }
        Ok(state)
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        let mut blocks = Vec::new();
        for block in &self.blocks {
            blocks.push((block.stepper(mode, rate)?, block.state_len()));
        }
        Ok(Box::new(StackStepper { stack: self, blocks }))
    }

    fn state_len(&self) -> usize {
        self.blocks.iter().map(Residual::state_len).sum()
    }

    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        for (i, block) in self.blocks.iter().enumerate() {
            block.visit(place.sub(i), see);
        }
    }
}

#[derive(Debug)]
struct StackStepper<'a> {
    stack: &'a Stack,
    /// Each with the number of its state tensors.
    blocks: Vec<(Box<dyn Stepper + 'a>, usize)>,
}

impl Stepper for StackStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let mut x = x.shallow_clone();
        let mut next = State::new();
        let mut states = state.iter().map(Tensor::shallow_clone);
        for (block, count) in &self.blocks {
            let before = states.by_ref().take(*count).collect();
            let (y, after) = block.step(&x, &before);
            x = y;
            next.extend(after);
        }
        (self.stack.finish(x, false), next)
    }
}

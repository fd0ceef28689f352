//! The hourglass of SaShiMi as a recursion: a level pools its input, hands it to the stage inside,
//! and brings the result back to its own resolution; the innermost stage is a plain row of blocks.
//!
//! Shapes: B batch, H channels, L length, s positions pooled into one.

use anyhow::{Result, ensure};
use s4_core::layer::inspect::{Inspect, Place};
use s4_core::layer::residual::Residual;
use s4_core::layer::{Pass, SequenceLayer, State, mask};
use tch::Tensor;

use super::pool::{DownPool, UpPool};

/// A part of the model from some resolution inwards.
#[derive(Debug)]
pub(super) enum Stage {
    /// The coarsest resolution: blocks(x) + x.
    Centre(Vec<Residual>),
    /// A finer one.
    Level(Box<Level>),
}

/// One resolution and everything coarser.
///
/// Its part of a state is, in this order: the states of the blocks on the way down; s - 1 places for
/// vectors (B, H) that wait to be pooled, without elements where none waits; the state of the stage
/// inside; the unpooled outputs (B, H, s) of the current group of positions; the states of the blocks
/// on the way up.
#[derive(Debug)]
pub(super) struct Level {
    /// Blocks before the pooling; none unless the model is a U-Net.
    pub(super) down: Vec<Residual>,
    pub(super) pool: DownPool,
    pub(super) inner: Stage,
    pub(super) unpool: UpPool,
    pub(super) up: Vec<Residual>,
}

/// A state that is carried on: its tensors are taken one after another, and the next ones are put.
#[derive(Debug)]
pub(super) struct Carried<'a> {
    pub(super) before: std::slice::Iter<'a, Tensor>,
    pub(super) after: State,
}

impl<'a> Carried<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self { before: state.iter(), after: State::with_capacity(state.len()) }
    }

    /// The next `count` tensors.
    pub(super) fn take(&mut self, count: usize) -> State {
        self.before.by_ref().take(count).map(Tensor::shallow_clone).collect()
    }
}

impl Stage {
    /// Maps x (B, H, L), L a multiple of all pooling factors together, and carries `state` on.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        state: &mut Option<Carried>,
        pass: &Pass,
    ) -> Result<Tensor> {
        match self {
            Stage::Centre(blocks) => {
                let mut y = x.shallow_clone();
                for block in blocks {
                    y = apply(block, &y, state, pass)?;
                }
                Ok(y + x)
            }
            Stage::Level(level) => level.forward(x, state, pass),
        }
    }

    /// Puts the state of `batch` sequences before their first input.
    pub(super) fn default_state(&self, batch: i64, state: &mut State) -> Result<()> {
        match self {
            Stage::Centre(blocks) => begin(blocks, batch, state),
            Stage::Level(level) => {
                begin(&level.down, batch, state)?;
                let pending = level.unpool.silence(batch);
                state.extend((1..level.pool.factor).map(|_| nothing(&pending)));
                level.inner.default_state(batch, state)?;
                state.push(pending);
                begin(&level.up, batch, state)
            }
        }
    }

    pub(super) fn state_len(&self) -> usize {
        let count = |blocks: &[Residual]| blocks.iter().map(Residual::state_len).sum::<usize>();
        match self {
            Stage::Centre(blocks) => count(blocks),
            Stage::Level(level) => {
                let waiting = level.pool.factor as usize - 1;
                count(&level.down) + waiting + level.inner.state_len() + 1 + count(&level.up)
            }
        }
    }

    /// Visits every block, from the outside inwards: `down0.0`, …, `up0.0`, …, `centre.0`, ….
    pub(super) fn visit<'a>(
        &'a self,
        depth: usize,
        place: &Place,
        see: &mut dyn FnMut(Place, &'a dyn Inspect),
    ) {
        let mut row = |name: String, blocks: &'a [Residual]| {
            for (i, block) in blocks.iter().enumerate() {
                block.visit(place.sub(format_args!("{name}.{i}")), see);
            }
        };
        match self {
            Stage::Centre(blocks) => row("centre".to_owned(), blocks),
            Stage::Level(level) => {
                row(format!("down{depth}"), &level.down);
                row(format!("up{depth}"), &level.up);
                let stride = place.stride * level.pool.factor;
                level.inner.visit(depth + 1, &Place { stride, ..place.clone() }, see);
            }
        }
    }
}

impl Level {
    fn forward(&self, x: &Tensor, state: &mut Option<Carried>, pass: &Pass) -> Result<Tensor> {
        let factor = self.pool.factor;
        let mut skips = vec![x.shallow_clone()];
        for (i, block) in self.down.iter().enumerate() {
            skips.push(apply(block, &skips[i], state, pass)?);
        }
        let fine = skips.pop().expect("x at least");
        if let Some(state) = state {
            let waiting = state.take(factor as usize - 1);
            ensure!(
                waiting.iter().all(|vector| vector.numel() == 0),
                "a sequence goes on in whole groups of {factor} positions only"
            );
            state.after.extend(waiting);
        }
        let inside = self.inside(pass);
        // A group that padding completes must not depend on what the padding is.
        let valid = pass.lengths.as_ref().map(|lengths| mask::zero_padding(&fine, lengths));
        let pooled = self.pool.forward(valid.as_ref().unwrap_or(&fine), pass.dense);
        let coarse = self.inner.forward(&pooled, state, &inside)?;
        let mut pending = state.as_mut().map(|state| state.take(1).remove(0));
        let y = self.unpool.forward(&coarse, pending.as_mut(), pass.dense);
        if let (Some(state), Some(pending)) = (state.as_mut(), pending) {
            state.after.push(pending);
        }
        let mut y = y + fine; // (B, H, L)
        let entry = y.shallow_clone();
        for block in &self.up {
            y = apply(block, &y, state, pass)?;
            if let Some(skip) = skips.pop() {
                y = y.g_add(&skip);
            }
        }
        Ok(if self.down.is_empty() { y + entry } else { y })
    }

    /// The pass of the stage inside: lengths are in groups, and a condition of every position is that
    /// of the mean of a group.
    fn inside(&self, pass: &Pass) -> Pass {
        let factor = self.pool.factor;
        let condition = pass.condition.as_ref().map(|condition| match condition.size()[..] {
            [batch, channels, len] => {
                let groups = condition.reshape([batch, channels, len / factor, factor]);
                groups.mean_dim([3i64].as_slice(), false, None)
            }
            _ => condition.shallow_clone(),
        });
        let groups = |lengths: &Tensor| (lengths + (factor - 1)).floor_divide_scalar(factor);
        pass.with_condition(condition).with_lengths(pass.lengths.as_ref().map(groups))
    }
}

/// No vector.
pub(super) fn nothing(like: &Tensor) -> Tensor {
    Tensor::empty([0], (like.kind(), like.device()))
}

fn begin(blocks: &[Residual], batch: i64, state: &mut State) -> Result<()> {
    for block in blocks {
        state.extend(block.default_state(batch)?);
    }
    Ok(())
}

fn apply(block: &Residual, x: &Tensor, state: &mut Option<Carried>, pass: &Pass) -> Result<Tensor> {
    let Some(state) = state else { return block.forward(x, pass) };
    let before = state.take(block.state_len());
    let (y, after) = block.forward_with_state(x, &before, pass)?;
    state.after.extend(after);
    Ok(y)
}

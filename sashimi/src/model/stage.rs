//! The hourglass of SaShiMi as a recursion: a level pools its input, hands it to the stage inside,
//! and brings the result back to its own resolution; the innermost stage is a plain stack.
//!
//! Shapes: B batch, H channels, L length, s positions pooled into one.

use anyhow::{Result, bail, ensure};
use s4_core::layer::residual::Residual;
use s4_core::layer::{Pass, SequenceLayer, State};
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
#[derive(Debug)]
pub(super) struct Level {
    /// Blocks in front of the pooling; none unless the model is a U-Net.
    pub(super) down: Vec<Residual>,
    pub(super) pool: DownPool,
    pub(super) inner: Stage,
    pub(super) unpool: UpPool,
    pub(super) up: Vec<Residual>,
}

/// A residual block and where it is.
#[derive(Debug)]
pub struct PlacedBlock<'a> {
    /// Its place, such as `up0.3`.
    pub place: String,
    /// Positions of the model's input that are one position here.
    pub pooled: i64,
    /// The block.
    pub block: &'a Residual,
}

/// What a stage remembers between two parts of a sequence.
#[derive(Debug)]
pub(super) enum StageState {
    Centre(Vec<State>),
    Level(Box<LevelState>),
}

#[derive(Debug)]
pub(super) struct LevelState {
    pub(super) down: Vec<State>,
    /// Vectors (B, H) that wait to be pooled, fewer than s.
    pub(super) gathered: Vec<Tensor>,
    pub(super) inner: StageState,
    /// The unpooled outputs (B, H, s) of the current group of positions.
    pub(super) pending: Tensor,
    pub(super) up: Vec<State>,
}

impl Stage {
    /// Maps x (B, H, L), L a multiple of all pooling factors together, and carries `state` on.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        state: Option<&mut StageState>,
        pass: &Pass,
    ) -> Result<Tensor> {
        match (self, state) {
            (Stage::Centre(blocks), None) => Ok(run(blocks, x, None, pass)? + x),
            (Stage::Centre(blocks), Some(StageState::Centre(states))) => {
                Ok(run(blocks, x, Some(states), pass)? + x)
            }
            (Stage::Level(level), None) => level.forward(x, None, pass),
            (Stage::Level(level), Some(StageState::Level(state))) => {
                level.forward(x, Some(state), pass)
            }
            _ => bail!("the state belongs to a model of another depth"),
        }
    }

    /// The state of `batch` sequences before their first input.
    pub(super) fn default_state(&self, batch: i64) -> Result<StageState> {
        let states = |blocks: &[Residual]| -> Result<Vec<State>> {
            blocks.iter().map(|block| block.default_state(batch)).collect()
        };
        Ok(match self {
            Stage::Centre(blocks) => StageState::Centre(states(blocks)?),
            Stage::Level(level) => StageState::Level(Box::new(LevelState {
                down: states(&level.down)?,
                gathered: Vec::new(),
                inner: level.inner.default_state(batch)?,
                pending: level.unpool.silence(batch),
                up: states(&level.up)?,
            })),
        })
    }

    /// Every block and its place, from the outside inwards.
    pub(super) fn blocks(&self) -> Vec<PlacedBlock<'_>> {
        let mut found = Vec::new();
        let (mut stage, mut pooled) = (self, 1);
        for depth in 0.. {
            match stage {
                Stage::Centre(blocks) => {
                    found.extend(placed("centre".to_owned(), pooled, blocks));
                    break;
                }
                Stage::Level(level) => {
                    found.extend(placed(format!("down{depth}"), pooled, &level.down));
                    found.extend(placed(format!("up{depth}"), pooled, &level.up));
                    pooled *= level.pool.factor();
                    stage = &level.inner;
                }
            }
        }
        found
    }
}

/// A row of blocks that is called `name`.
fn placed(name: String, pooled: i64, blocks: &[Residual]) -> impl Iterator<Item = PlacedBlock<'_>> {
    let blocks = blocks.iter().enumerate();
    blocks.map(move |(i, block)| PlacedBlock { place: format!("{name}.{i}"), pooled, block })
}

impl Level {
    fn forward(
        &self,
        x: &Tensor,
        mut state: Option<&mut LevelState>,
        pass: &Pass,
    ) -> Result<Tensor> {
        if let Some(state) = &state {
            ensure!(
                state.gathered.is_empty(),
                "a sequence goes on in whole groups of {} positions only",
                self.pool.factor()
            );
        }
        let mut skips = vec![x.shallow_clone()];
        for (i, block) in self.down.iter().enumerate() {
            let state = state.as_mut().map(|state| &mut state.down[i]);
            skips.push(apply(block, &skips[i], state, pass)?);
        }
        let fine = skips.pop().expect("x at least");
        let inner_state = state.as_mut().map(|state| &mut state.inner);
        let pooled = self.pool.forward(&fine, pass.dense);
        let coarse = self.inner.forward(&pooled, inner_state, pass)?;
        let pending = state.as_mut().map(|state| &mut state.pending);
        let mut y = self.unpool.forward(&coarse, pending, pass.dense) + fine; // (B, H, L)
        let entry = y.shallow_clone();
        for (i, block) in self.up.iter().enumerate() {
            let state = state.as_mut().map(|state| &mut state.up[i]);
            y = apply(block, &y, state, pass)?;
            if let Some(skip) = skips.pop() {
                y = y.g_add(&skip);
            }
        }
        Ok(if self.down.is_empty() { y + entry } else { y })
    }
}

/// The blocks one behind the other.
fn run(
    blocks: &[Residual],
    x: &Tensor,
    mut states: Option<&mut Vec<State>>,
    pass: &Pass,
) -> Result<Tensor> {
    let mut x = x.shallow_clone();
    for (i, block) in blocks.iter().enumerate() {
        x = apply(block, &x, states.as_mut().map(|states| &mut states[i]), pass)?;
    }
    Ok(x)
}

fn apply(block: &Residual, x: &Tensor, state: Option<&mut State>, pass: &Pass) -> Result<Tensor> {
    let Some(state) = state else { return block.forward(x, pass) };
    let (y, next) = block.forward_with_state(x, state, pass)?;
    *state = next;
    Ok(y)
}

impl StageState {
    /// Calls `change` on every tensor.
    pub(super) fn for_each(&mut self, change: &mut dyn FnMut(&mut Tensor)) {
        match self {
            StageState::Centre(states) => states.iter_mut().flatten().for_each(change),
            StageState::Level(state) => {
                state.down.iter_mut().flatten().for_each(&mut *change);
                state.gathered.iter_mut().for_each(&mut *change);
                state.inner.for_each(change);
                change(&mut state.pending);
                state.up.iter_mut().flatten().for_each(change);
            }
        }
    }
}

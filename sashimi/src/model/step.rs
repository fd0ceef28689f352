//! SaShiMi one position at a time: a level runs its own blocks at every position, and the stage
//! inside it once a group of s positions is complete.

use anyhow::Result;
use s4_core::layer::residual::Residual;
use s4_core::layer::{SequenceLayer, State, Stepper};
use s4_core::recurrence::StepMode;
use tch::Tensor;

use super::stage::{Level, LevelState, Stage, StageState};

/// A [`Stage`] ready to be stepped.
#[derive(Debug)]
pub(super) enum StageStepper<'a> {
    Centre(Vec<Box<dyn Stepper + 'a>>),
    Level(Box<LevelStepper<'a>>),
}

#[derive(Debug)]
pub(super) struct LevelStepper<'a> {
    level: &'a Level,
    down: Vec<Box<dyn Stepper + 'a>>,
    inner: StageStepper<'a>,
    up: Vec<Box<dyn Stepper + 'a>>,
}

impl<'a> StageStepper<'a> {
    pub(super) fn new(stage: &'a Stage, mode: StepMode) -> Result<Self> {
        Ok(match stage {
            Stage::Centre(blocks) => StageStepper::Centre(steppers(blocks, mode)?),
            Stage::Level(level) => StageStepper::Level(Box::new(LevelStepper {
                level,
                down: steppers(&level.down, mode)?,
                inner: StageStepper::new(&level.inner, mode)?,
                up: steppers(&level.up, mode)?,
            })),
        })
    }

    /// Input (B, H) to output (B, H).
    pub(super) fn step(&self, x: &Tensor, state: &mut StageState) -> Tensor {
        match (self, state) {
            (StageStepper::Centre(blocks), StageState::Centre(states)) => {
                let mut y = x.shallow_clone();
                for (block, state) in blocks.iter().zip(states) {
                    y = advance(block.as_ref(), &y, state);
                }
                y + x
            }
            (StageStepper::Level(level), StageState::Level(state)) => level.step(x, state),
            _ => unreachable!("states are made by the model they are used with"),
        }
    }
}

impl LevelStepper<'_> {
    fn step(&self, x: &Tensor, state: &mut LevelState) -> Tensor {
        let mut skips = vec![x.shallow_clone()];
        for (i, block) in self.down.iter().enumerate() {
            skips.push(advance(block.as_ref(), &skips[i], &mut state.down[i]));
        }
        let fine = skips.pop().expect("x at least");
        let phase = state.gathered.len();
        let mut y = state.pending.select(2, phase as i64) + &fine;
        let entry = y.shallow_clone();
        for (i, block) in self.up.iter().enumerate() {
            y = advance(block.as_ref(), &y, &mut state.up[i]);
            if let Some(skip) = skips.pop() {
                y = y.g_add(&skip);
            }
        }
        state.gathered.push(fine);
        if state.gathered.len() as i64 == self.level.pool.factor() {
            let pooled = self.level.pool.step(&std::mem::take(&mut state.gathered));
            let coarse = self.inner.step(&pooled, &mut state.inner);
            state.pending = self.level.unpool.step(&coarse);
        }
        if self.down.is_empty() { y + entry } else { y }
    }
}

fn steppers(blocks: &[Residual], mode: StepMode) -> Result<Vec<Box<dyn Stepper + '_>>> {
    blocks.iter().map(|block| block.stepper(mode, 1.0)).collect()
}

fn advance(block: &dyn Stepper, x: &Tensor, state: &mut State) -> Tensor {
    let (y, next) = block.step(x, state);
    *state = next;
    y
}

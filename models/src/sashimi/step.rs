//! SaShiMi one position at a time: a level runs its own blocks at every position, and the stage
//! inside it once a group of s positions is complete.

use anyhow::Result;
use s4_core::layer::residual::Residual;
use s4_core::layer::{SequenceLayer, State, Stepper};
use s4_core::recurrence::StepMode;
use tch::Tensor;

use super::Sashimi;
use super::stage::{Carried, Level, Stage, nothing};

/// [`Sashimi`], one position at a time.
#[derive(Debug)]
pub(super) struct SashimiStepper<'a> {
    model: &'a Sashimi,
    stage: StageStepper<'a>,
}

#[derive(Debug)]
enum StageStepper<'a> {
    Centre(Row<'a>),
    Level(Box<LevelStepper<'a>>),
}

#[derive(Debug)]
struct LevelStepper<'a> {
    level: &'a Level,
    down: Row<'a>,
    inner: StageStepper<'a>,
    /// Tensors of the state of `inner`.
    inner_len: usize,
    up: Row<'a>,
}

/// Blocks in sequence, each with the number of its state's tensors.
type Row<'a> = Vec<(Box<dyn Stepper + 'a>, usize)>;

impl<'a> SashimiStepper<'a> {
    pub(super) fn new(model: &'a Sashimi, mode: StepMode, rate: f64) -> Result<Self> {
        Ok(Self { model, stage: StageStepper::new(&model.stage, mode, rate)? })
    }
}

impl Stepper for SashimiStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let mut state = Carried::new(state);
        let y = self.stage.step(x, &mut state);
        (self.model.norm.forward(&y, false), state.after)
    }
}

impl<'a> StageStepper<'a> {
    fn new(stage: &'a Stage, mode: StepMode, rate: f64) -> Result<Self> {
        let row = |blocks: &'a [Residual]| -> Result<Row<'a>> {
            blocks.iter().map(|block| Ok((block.stepper(mode, rate)?, block.state_len()))).collect()
        };
        Ok(match stage {
            Stage::Centre(blocks) => StageStepper::Centre(row(blocks)?),
            Stage::Level(level) => StageStepper::Level(Box::new(LevelStepper {
                level,
                down: row(&level.down)?,
                inner: StageStepper::new(&level.inner, mode, rate)?,
                inner_len: level.inner.state_len(),
                up: row(&level.up)?,
            })),
        })
    }

    /// Input (B, H) to output (B, H).
    fn step(&self, x: &Tensor, state: &mut Carried) -> Tensor {
        match self {
            StageStepper::Centre(blocks) => {
                let mut y = x.shallow_clone();
                for block in blocks {
                    y = advance(block, &y, state);
                }
                y + x
            }
            StageStepper::Level(level) => level.step(x, state),
        }
    }
}

impl LevelStepper<'_> {
    fn step(&self, x: &Tensor, state: &mut Carried) -> Tensor {
        let mut skips = vec![x.shallow_clone()];
        for (i, block) in self.down.iter().enumerate() {
            skips.push(advance(block, &skips[i], state));
        }
        let fine = skips.pop().expect("x at least");
        let factor = self.level.pool.factor as usize;
        let mut group = state.take(factor - 1);
        let phase = group.iter().take_while(|vector| vector.numel() > 0).count();
        let inner = state.take(self.inner_len);
        let mut pending = state.take(1).remove(0);
        let mut y = pending.select(2, phase as i64) + &fine;

        let next = if phase + 1 < factor {
            group[phase] = fine;
            inner
        } else {
            group.push(fine);
            let pooled = self.level.pool.step(&group);
            group = (1..factor).map(|_| nothing(&pooled)).collect();
            let mut inner = Carried::new(&inner);
            let coarse = self.inner.step(&pooled, &mut inner);
            pending = self.level.unpool.step(&coarse);
            inner.after
        };
        state.after.extend(group);
        state.after.extend(next);
        state.after.push(pending);

        let entry = y.shallow_clone();
        for block in &self.up {
            y = advance(block, &y, state);
            if let Some(skip) = skips.pop() {
                y = y.g_add(&skip);
            }
        }
        if self.down.is_empty() { y + entry } else { y }
    }
}

fn advance(
    (block, len): &(Box<dyn Stepper + '_>, usize),
    x: &Tensor,
    state: &mut Carried,
) -> Tensor {
    let (y, next) = block.step(x, &state.take(*len));
    state.after.extend(next);
    y
}

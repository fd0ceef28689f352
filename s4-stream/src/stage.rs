//! The hourglass of SaShiMi as a recursion: a level runs its own blocks at every position, and the
//! stage inside it once a group of positions is complete.

use anyhow::Result;

use crate::config::{ModelConfig, Variant};
use crate::layer::add;
use crate::layer::block::{Block, Scratch};
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::simd::{Isa, Lanes, lanes};
use crate::weights::Place;

/// A part of the model from some resolution inwards.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The coarsest resolution: blocks(x) + x.
    Centre(Vec<Block>),
    Level(Box<Level>),
}

/// One resolution and everything coarser.
#[derive(Debug)]
pub(crate) struct Level {
    /// Lanes of a vector.
    width: usize,
    /// Positions that are pooled into one.
    factor: usize,
    /// Blocks in front of the pooling; none unless the model is a U-Net.
    down: Vec<Block>,
    /// A group of vectors, behind one another, to one of the stage inside.
    pool: Linear,
    inner: Stage,
    /// A vector of the stage inside to the next group of vectors.
    unpool: Linear,
    up: Vec<Block>,
}

/// What a stage remembers, and room for what it computes.
#[derive(Debug)]
pub(crate) enum StageState {
    Centre(CentreState),
    Level(Box<LevelState>),
}

#[derive(Debug)]
pub(crate) struct CentreState {
    blocks: Vec<Vec<Lanes>>,
    /// What came in.
    entry: Vec<Lanes>,
}

#[derive(Debug)]
pub(crate) struct LevelState {
    down: Vec<Vec<Lanes>>,
    up: Vec<Vec<Lanes>>,
    inner: StageState,
    /// Position within the group.
    phase: usize,
    /// The group's vectors so far, sequence by sequence.
    gathered: Vec<Lanes>,
    /// What the stage inside adds to the group, sequence by sequence. It is that of the group
    /// before: nothing depends on inputs that are still to come.
    pending: Vec<Lanes>,
    coarse: Vec<Lanes>,
    /// What came into each block on the way down, or into the first one on the way up where there
    /// are none.
    entries: Vec<Vec<Lanes>>,
}

impl Stage {
    /// Reads the stage of `width` channels whose inputs are to be pooled by `pool`.
    pub fn read(place: &Place, config: &ModelConfig) -> Result<Self> {
        let mut builder = Builder { place, config, down: 0, up: 0 };
        builder.stage(config.d_model, &config.pool)
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> StageState {
        let zeros = |lanes: usize| vec![Lanes::ZERO; batch * lanes];
        let states = |blocks: &[Block]| blocks.iter().map(|block| zeros(block.state())).collect();
        match self {
            Stage::Centre(blocks) => StageState::Centre(CentreState {
                blocks: states(blocks),
                entry: zeros(blocks.first().map_or(0, Block::lanes)),
            }),
            Stage::Level(level) => StageState::Level(Box::new(LevelState {
                down: states(&level.down),
                up: states(&level.up),
                inner: level.inner.state(batch),
                phase: 0,
                gathered: zeros(level.factor * level.width),
                pending: zeros(level.factor * level.width),
                coarse: zeros(level.pool.outputs()),
                entries: vec![zeros(level.width); level.down.len().max(1)],
            })),
        }
    }

    /// Moves `state` on by one position and replaces x by the output.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut StageState, scratch: &mut Scratch) {
        match (self, state) {
            (Stage::Centre(blocks), StageState::Centre(state)) => {
                state.entry.copy_from_slice(x);
                for (block, state) in blocks.iter().zip(&mut state.blocks) {
                    block.step(isa, x, state, scratch);
                }
                add(isa, x, &state.entry);
            }
            (Stage::Level(level), StageState::Level(state)) => level.step(isa, x, state, scratch),
            _ => unreachable!("a state is made by the stage that it is used with"),
        }
    }

    /// Lanes of [`Scratch`] that a sequence needs.
    pub fn room(config: &ModelConfig) -> usize {
        let depths = 0..=config.pool.len() as u32;
        let widths = depths.map(|depth| config.d_model * config.expand.pow(depth));
        widths.map(|width| Block::room(config, width)).max().unwrap_or(0)
    }

    /// Bytes of weights that a position takes on average.
    pub fn bytes(&self) -> f64 {
        let sum = |blocks: &[Block]| blocks.iter().map(Block::bytes).sum::<usize>() as f64;
        match self {
            Stage::Centre(blocks) => sum(blocks),
            Stage::Level(level) => {
                let pools = (level.pool.bytes() + level.unpool.bytes()) as f64;
                let inside = pools + level.inner.bytes();
                sum(&level.down) + sum(&level.up) + inside / level.factor as f64
            }
        }
    }
}

impl Level {
    fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut LevelState, scratch: &mut Scratch) {
        for (i, block) in self.down.iter().enumerate() {
            state.entries[i].copy_from_slice(x);
            block.step(isa, x, &mut state.down[i], scratch);
        }
        let (group, at) = (self.factor * self.width, state.phase * self.width);
        let groups = state.gathered.chunks_exact_mut(group).zip(state.pending.chunks_exact(group));
        for (x, (gathered, pending)) in x.chunks_exact_mut(self.width).zip(groups) {
            gathered[at..at + self.width].copy_from_slice(x);
            add(isa, x, &pending[at..at + self.width]);
        }
        if self.down.is_empty() {
            state.entries[0].copy_from_slice(x);
        }
        for (i, block) in self.up.iter().enumerate() {
            block.step(isa, x, &mut state.up[i], scratch);
            if !self.down.is_empty() {
                add(isa, x, &state.entries[self.down.len() - 1 - i]);
            }
        }
        if self.down.is_empty() {
            add(isa, x, &state.entries[0]);
        }
        state.phase += 1;
        if state.phase == self.factor {
            state.phase = 0;
            self.pool.apply(isa, &state.gathered, &mut state.coarse);
            self.inner.step(isa, &mut state.coarse, &mut state.inner, scratch);
            self.unpool.apply(isa, &state.coarse, &mut state.pending);
        }
    }
}

impl StageState {
    /// The state of `times` sequences for each one.
    pub fn repeat(&self, times: usize) -> Self {
        let all = |states: &[Vec<Lanes>]| states.iter().map(|state| state.repeat(times)).collect();
        match self {
            StageState::Centre(state) => StageState::Centre(CentreState {
                blocks: all(&state.blocks),
                entry: state.entry.repeat(times),
            }),
            StageState::Level(state) => StageState::Level(Box::new(LevelState {
                down: all(&state.down),
                up: all(&state.up),
                inner: state.inner.repeat(times),
                phase: state.phase,
                gathered: state.gathered.repeat(times),
                pending: state.pending.repeat(times),
                coarse: state.coarse.repeat(times),
                entries: all(&state.entries),
            })),
        }
    }

    /// Goes back to before the first input.
    pub fn reset(&mut self) {
        let clear = |states: &mut Vec<Vec<Lanes>>| {
            states.iter_mut().for_each(|state| state.fill(Lanes::ZERO));
        };
        match self {
            StageState::Centre(state) => clear(&mut state.blocks),
            StageState::Level(state) => {
                clear(&mut state.down);
                clear(&mut state.up);
                state.inner.reset();
                state.phase = 0;
                state.pending.fill(Lanes::ZERO);
            }
        }
    }
}

/// Reads the stages in the order in which the official code numbers them.
struct Builder<'a> {
    place: &'a Place<'a>,
    config: &'a ModelConfig,
    /// Layers on the way down so far.
    down: usize,
    /// Levels on the way up so far.
    up: usize,
}

impl Builder<'_> {
    fn stage(&mut self, width: usize, pool: &[usize]) -> Result<Stage> {
        let (place, config) = (self.place, self.config);
        let Some((&factor, coarser)) = pool.split_first() else {
            return Ok(Stage::Centre(self.blocks(&place.sub("c_layers"), 0, width)?));
        };
        let down = match config.unet {
            true => self.blocks(&place.sub("d_layers"), self.down, width)?,
            false => Vec::new(),
        };
        self.down += down.len();
        let stored = match config.variant {
            Variant::Standalone => Stored::Pointwise,
            Variant::Audio => Stored::WeightNormed,
        };
        let inner_width = width * config.expand;
        let (fine, coarse) = (Vectors::interleaved(factor, width), Vectors::one(inner_width));
        let pool_place = place.sub(format_args!("d_layers.{}.linear", self.down));
        let pool = Linear::read(&pool_place, stored, fine, coarse)?;
        self.down += 1;
        let inner = self.stage(inner_width, coarser)?;
        let place = place.sub(format_args!("u_layers.{}", self.up));
        self.up += 1;
        let unpool = Linear::read(&place.sub("0.linear"), stored, coarse, fine)?;
        let up = self.blocks(&place, 1, width)?;
        let width = lanes(width);
        Ok(Stage::Level(Box::new(Level { width, factor, down, pool, inner, unpool, up })))
    }

    /// `n_layers` S4 blocks, each with a feed-forward block behind it, numbered from `first`.
    fn blocks(&self, place: &Place, first: usize, width: usize) -> Result<Vec<Block>> {
        let mut blocks = Vec::new();
        for _ in 0..self.config.n_layers {
            let next = place.sub(first + blocks.len());
            blocks.push(Block::s4(&next, self.config, width)?);
            if self.config.ff > 0 {
                let next = place.sub(first + blocks.len());
                blocks.push(Block::feed_forward(&next, self.config, width)?);
            }
        }
        Ok(blocks)
    }
}

//! The hourglass of SaShiMi as a recursion: a level runs its own blocks at every position, and the
//! stage inside it once a group of positions is complete. A plain stack is its innermost stage alone.

use anyhow::Result;
use s4_config::{NormKind, S4BlockConfig, SashimiConfig, StackConfig, Variant};

use crate::layer::add;
use crate::layer::block::{Block, Layer, Scratch};
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::layer::norm::Norm;
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes, WIDTH, lanes, pack_into};
use crate::state_tensors::StateTensors;
use crate::weights::Place;

/// A part of the model from some resolution inwards.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Centre(Centre),
    Level(Box<Level>),
}

/// The coarsest resolution.
#[derive(Debug, Clone)]
pub(crate) struct Centre {
    blocks: Vec<Block>,
    /// blocks(x) + x rather than blocks(x): SaShiMi's, not a plain stack's.
    residual: bool,
}

/// One resolution and everything coarser.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    channels: usize,
    /// Lanes of a vector.
    width: usize,
    /// Positions that are pooled into one.
    factor: usize,
    /// Blocks before the pooling; none unless the model is a U-Net.
    down: Vec<Block>,
    /// A group of vectors, concatenated, to one of the stage inside.
    pool: Linear,
    inner: Stage,
    /// A vector of the stage inside to the next group of vectors.
    unpool: Linear,
    up: Vec<Block>,
}

/// What a stage remembers, and scratch space.
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
    /// Reads the hourglass, and the normalisation of its outputs.
    pub fn sashimi(place: &Place, config: &SashimiConfig) -> Result<(Self, Norm)> {
        let d_model = size(config.d_model);
        let pool: Vec<_> = config.pool.iter().map(|&factor| size(factor)).collect();
        let mut builder = Builder { place, config, down: 0, up: 0 };
        Ok((builder.stage(d_model, &pool)?, Norm::layer(&place.sub("norm"), d_model)?))
    }

    /// Reads a plain stack, `layers.{i}.layer.*` and `layers.{i}.norm.norm.*`, and the normalisation
    /// of its outputs.
    pub fn stack(
        place: &Place,
        config: &StackConfig,
        layer: &S4BlockConfig,
    ) -> Result<(Self, Norm)> {
        let d_model = size(config.d_model);
        let norm = |place: &Place| {
            let place = place.sub("norm.norm");
            match config.norm {
                NormKind::Layer => Norm::layer(&place, d_model),
                NormKind::Scalar => Norm::scalar(&place, d_model),
                NormKind::Batch => Norm::batch(&place, d_model),
                NormKind::None => Ok(Norm::identity(d_model)),
            }
        };
        let block = |i| {
            let place = place.sub(format_args!("layers.{i}"));
            let layer = match config.is_feed_forward(i) {
                true => {
                    let inner = size(config.ff) * d_model;
                    Layer::feed_forward(&place.sub("layer"), Stored::Plain, d_model, inner)?
                }
                false => Layer::s4(&place.sub("layer"), layer, d_model)?,
            };
            let wire = if config.prenorm { Block::prenorm } else { Block::postnorm };
            Ok(wire(norm(&place)?, layer))
        };
        let blocks = (0..config.blocks()).map(block).collect::<Result<_>>()?;
        let last = if config.prenorm { norm(place)? } else { Norm::identity(d_model) };
        Ok((Stage::Centre(Centre { blocks, residual: false }), last))
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> StageState {
        let zeros = |lanes: usize| vec![Lanes::ZERO; batch * lanes];
        let states = |blocks: &[Block]| blocks.iter().map(|block| zeros(block.state())).collect();
        match self {
            Stage::Centre(Centre { blocks, residual }) => StageState::Centre(CentreState {
                blocks: states(blocks),
                entry: zeros(blocks.first().filter(|_| *residual).map_or(0, Block::lanes)),
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
            (Stage::Centre(centre), StageState::Centre(state)) => {
                if centre.residual {
                    state.entry.copy_from_slice(x);
                }
                for (block, state) in centre.blocks.iter().zip(&mut state.blocks) {
                    block.step(isa, x, state, scratch);
                }
                if centre.residual {
                    add(isa, x, &state.entry);
                }
            }
            (Stage::Level(level), StageState::Level(state)) => level.step(isa, x, state, scratch),
            _ => unreachable!("a state is made by the stage that it is used with"),
        }
    }

    /// Fills the `state` of some sequences with theirs of `tensors`, which come in the order of the
    /// fields of [`Level`], after `position` inputs of this stage.
    pub fn load(
        &self,
        state: &mut StageState,
        position: u64,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        match (self, state) {
            (Stage::Centre(centre), StageState::Centre(state)) => {
                load(&centre.blocks, &mut state.blocks, tensors)
            }
            (Stage::Level(level), StageState::Level(state)) => level.load(state, position, tensors),
            _ => unreachable!("a state is made by the stage that it is used with"),
        }
    }

    /// Lanes of [`Scratch`] that a sequence needs.
    pub fn scratch(&self) -> usize {
        let most = |blocks: &[Block]| blocks.iter().map(Block::scratch).max().unwrap_or(0);
        match self {
            Stage::Centre(centre) => most(&centre.blocks),
            Stage::Level(level) => {
                most(&level.down).max(most(&level.up)).max(level.inner.scratch())
            }
        }
    }

    /// Rounds the weights of the linear maps to integers of 16 bits, and keeps all in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        match self {
            Stage::Centre(centre) => centre.blocks.iter_mut().for_each(|block| block.round(arena)),
            Stage::Level(level) => {
                let Level { down, pool, inner, unpool, up, .. } = &mut **level;
                down.iter_mut().chain(up).for_each(|block| block.round(arena));
                pool.round(arena);
                inner.round(arena);
                unpool.round(arena);
            }
        }
    }

    /// Bytes of weights that are read per position, on average.
    pub fn bytes(&self) -> f64 {
        let sum = |blocks: &[Block]| blocks.iter().map(Block::bytes).sum::<usize>() as f64;
        match self {
            Stage::Centre(centre) => sum(&centre.blocks),
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

    fn load(
        &self,
        state: &mut LevelState,
        position: u64,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        let Self { channels, width, factor, .. } = *self;
        load(&self.down, &mut state.down, tensors)?;
        let groups = position / factor as u64;
        state.phase = (position % factor as u64) as usize;
        for at in 0..state.phase {
            let rows = tensors.next("of what waits to be pooled", channels)?;
            let gathered = state.gathered.chunks_exact_mut(factor * width);
            for (gathered, row) in gathered.zip(rows.chunks_exact(channels)) {
                pack_into(row, &mut gathered[at * width..][..width]);
            }
        }
        self.inner.load(&mut state.inner, groups, tensors)?;
        // (H, s) for every sequence.
        let rows = tensors.next("of what is unpooled", channels * factor)?;
        let pending = state.pending.chunks_exact_mut(factor * width);
        for (pending, row) in pending.zip(rows.chunks_exact(channels * factor)) {
            for (at, vector) in pending.chunks_exact_mut(width).enumerate() {
                for (channel, values) in row.chunks_exact(factor).enumerate() {
                    vector[channel / WIDTH].0[channel % WIDTH] = values[at];
                }
            }
        }
        load(&self.up, &mut state.up, tensors)
    }
}

/// Fills the states of `blocks`.
fn load(blocks: &[Block], states: &mut [Vec<Lanes>], tensors: &mut StateTensors) -> Result<()> {
    blocks.iter().zip(states).try_for_each(|(block, state)| block.load(state, tensors))
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
}

/// Reads the stages in the order in which the official code numbers them.
struct Builder<'a> {
    place: &'a Place<'a>,
    config: &'a SashimiConfig,
    /// Layers on the way down so far.
    down: usize,
    /// Levels on the way up so far.
    up: usize,
}

impl Builder<'_> {
    fn stage(&mut self, width: usize, pool: &[usize]) -> Result<Stage> {
        let (place, config) = (self.place, self.config);
        let Some((&factor, coarser)) = pool.split_first() else {
            let blocks = self.blocks(&place.sub("c_layers"), 0, width)?;
            return Ok(Stage::Centre(Centre { blocks, residual: true }));
        };
        let down = if config.unet {
            self.blocks(&place.sub("d_layers"), self.down, width)?
        } else {
            Vec::new()
        };
        self.down += down.len();
        let stored = match config.variant {
            Variant::Standalone => Stored::Pointwise,
            Variant::Audio => Stored::WeightNormed,
        };
        let inner_width = width * size(config.expand);
        let (fine, coarse) = (Vectors::interleaved(factor, width), Vectors::one(inner_width));
        let pool_place = place.sub(format_args!("d_layers.{}.linear", self.down));
        let pool = Linear::read(&pool_place, stored, fine, coarse)?;
        self.down += 1;
        let inner = self.stage(inner_width, coarser)?;
        let place = place.sub(format_args!("u_layers.{}", self.up));
        self.up += 1;
        let unpool = Linear::read(&place.sub("0.linear"), stored, coarse, fine)?;
        let up = self.blocks(&place, 1, width)?;
        let (channels, width) = (width, lanes(width));
        Ok(Stage::Level(Box::new(Level { channels, width, factor, down, pool, inner, unpool, up })))
    }

    /// `n_layers` S4 blocks, each followed by a feed-forward block, numbered from `first`.
    fn blocks(&self, place: &Place, first: usize, width: usize) -> Result<Vec<Block>> {
        let config = self.config;
        let mut blocks = Vec::new();
        for _ in 0..config.n_layers {
            let next = place.sub(first + blocks.len());
            let layer = Layer::s4(&next.sub("layer"), &config.layer, width)?;
            blocks.push(Block::prenorm(self.norm(&next, width)?, layer));
            if config.ff > 0 {
                let next = place.sub(first + blocks.len());
                let stored = match config.variant {
                    Variant::Standalone => Stored::Pointwise,
                    Variant::Audio => Stored::Plain,
                };
                let inner = size(config.ff) * width;
                let layer = Layer::feed_forward(&next.sub("layer"), stored, width, inner)?;
                blocks.push(Block::prenorm(self.norm(&next, width)?, layer));
            }
        }
        Ok(blocks)
    }

    fn norm(&self, place: &Place, width: usize) -> Result<Norm> {
        match self.config.variant {
            Variant::Standalone => Norm::layer(&place.sub("norm"), width),
            Variant::Audio => Norm::scalar(&place.sub("norm.norm"), width),
        }
    }
}

//! What is stepped: encoder, blocks, normalisation, pooling and decoder, whatever the model is
//! called.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::config::Pooling;
use crate::encoder::{Encoder, Inputs};
use crate::handover::Tensors;
use crate::layer::block::Scratch;
use crate::layer::linear::Linear;
use crate::layer::norm::Norm;
use crate::pooling::Pooled;
use crate::precision::Precision;
use crate::simd::{Arena, Isa, Lanes, WIDTH};
use crate::stage::{Stage, StageState};
use crate::weights::{Place, Weights};

/// The settings of a kind of model.
pub(crate) trait Architecture: Sized {
    /// Those of a `config.toml`.
    fn parse(text: &str) -> Result<Self>;

    /// The model's network with the weights of `place`.
    fn read(&self, place: &Place) -> Result<Network>;
}

/// The weights.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub isa: Isa,
    pub precision: Precision,
    /// Channels H at the resolution of inputs and outputs.
    pub d_model: usize,
    /// Scores of a sequence.
    pub outputs: usize,
    pub encoder: Encoder,
    pub stage: Stage,
    /// Behind the last block.
    pub norm: Norm,
    pub pooling: Pooling,
    pub decoder: Linear,
}

/// What a network remembers of some sequences, and room for what it computes.
#[derive(Debug)]
pub(crate) struct NetworkState {
    stage: StageState,
    pooled: Pooled,
    scratch: Scratch,
    encoding: Vec<Lanes>,
    x: Vec<Lanes>,
    normed: Vec<Lanes>,
    scores: Vec<Lanes>,
}

impl Network {
    /// That of a configuration file and a file of weights.
    pub fn load<A: Architecture>(config: &Path, weights: &Path) -> Result<Arc<Self>> {
        let text = fs::read_to_string(config)
            .with_context(|| format!("cannot read the configuration {}", config.display()))?;
        let bytes = fs::read(weights)
            .with_context(|| format!("cannot read the weights {}", weights.display()))?;
        let context = || format!("configuration {}", config.display());
        let config = A::parse(&text).with_context(context)?;
        Self::build(&config, &bytes).with_context(|| format!("weights {}", weights.display()))
    }

    /// That of a configuration's text and the bytes of a file of weights.
    pub fn new<A: Architecture>(config: &str, weights: &[u8]) -> Result<Arc<Self>> {
        let config = A::parse(config).context("configuration")?;
        Self::build(&config, weights).context("weights")
    }

    fn build(config: &impl Architecture, bytes: &[u8]) -> Result<Arc<Self>> {
        let weights = Weights::read(bytes)?;
        let network = config.read(&weights.root())?;
        weights.finish()?;
        Ok(Arc::new(network))
    }

    /// The same network with the weights of its linear maps as integers of 16 bits. What is computed
    /// stays float32, and so do the recurrences, whose errors would add up over the positions.
    pub fn int16(self: Arc<Self>) -> Arc<Self> {
        let mut network = Arc::unwrap_or_clone(self);
        network.precision = Precision::Int16;
        let arena = &mut Arena::default();
        network.encoder.round(arena);
        network.stage.round(arena);
        network.decoder.round(arena);
        Arc::new(network)
    }

    /// Bytes of weights that are read for a position, on average.
    pub fn bytes(&self) -> f64 {
        self.stage.bytes() + self.decoder.bytes() as f64
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> NetworkState {
        let pooled = Pooled::new(self.pooling, batch * self.norm.lanes());
        self.with_room(self.stage.state(batch), pooled, batch)
    }

    /// The state of `batch` sequences that all stand where the only one of `state` stands.
    pub fn repeated(&self, state: &NetworkState, batch: usize) -> NetworkState {
        self.with_room(state.stage.repeat(batch), state.pooled.repeat(batch), batch)
    }

    /// The state of those of `batch` sequences after `position` inputs that `tensors` hold.
    pub fn loaded(
        &self,
        position: u64,
        tensors: &[Vec<f32>],
        batch: usize,
        sequences: Range<usize>,
    ) -> Result<NetworkState> {
        let mut state = self.state(sequences.len());
        let mut tensors = Tensors::new(tensors, batch, sequences);
        self.stage.load(&mut state.stage, position, &mut tensors)?;
        state.pooled.load(position, self.d_model, &mut tensors)?;
        tensors.finish()?;
        Ok(state)
    }

    fn with_room(&self, stage: StageState, pooled: Pooled, batch: usize) -> NetworkState {
        let buffer = |lanes| vec![Lanes::ZERO; batch * lanes];
        NetworkState {
            stage,
            pooled,
            scratch: Scratch::new(batch, self.stage.room()),
            encoding: buffer(self.encoder.room()),
            x: buffer(self.norm.lanes()),
            normed: buffer(self.norm.lanes()),
            scores: buffer(self.decoder.outputs()),
        }
    }

    /// Keeps for the next step what goes in at it: inputs of `state`'s sequences that have passed
    /// [`Encoder::check`].
    pub fn encode(&self, inputs: Inputs, state: &mut NetworkState) {
        self.encoder.apply(self.isa, inputs, &mut state.encoding, &mut state.x);
    }

    /// Scores (B, K) after the inputs of [`Self::encode`].
    pub fn step(&self, state: &mut NetworkState, scores: &mut [f32]) {
        let NetworkState { stage, pooled, scratch, x, normed, scores: padded, .. } = state;
        self.stage.step(self.isa, x, stage, scratch);
        self.norm.apply(self.isa, x, normed);
        pooled.push(self.isa, normed);
        self.decoder.apply(self.isa, normed, padded);
        let padded = padded.chunks_exact(self.decoder.outputs());
        for (scores, padded) in scores.chunks_exact_mut(self.outputs).zip(padded) {
            for (scores, lanes) in scores.chunks_mut(WIDTH).zip(padded) {
                scores.copy_from_slice(&lanes.0[..scores.len()]);
            }
        }
    }
}

impl NetworkState {
    /// Goes back to before the first input.
    pub fn reset(&mut self) {
        self.stage.reset();
        self.pooled.reset();
    }
}

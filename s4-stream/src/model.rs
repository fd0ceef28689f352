//! A trained model: a code goes in at every position, scores of the next one come out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::config::ModelConfig;
use crate::engine::{self, Engine};
use crate::layer::block::Scratch;
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::layer::norm::Norm;
use crate::simd::{Isa, Lanes, WIDTH, pack};
use crate::stage::{Stage, StageState};
use crate::weights::{Place, Weights};

/// A trained SaShiMi, ready to be stepped. Copies share the weights.
#[derive(Debug, Clone)]
pub struct Model(Arc<Network>);

impl Model {
    /// Reads a run's `config.toml` and a file of weights: a checkpoint, whose averaged weights are
    /// taken where it has any, or weights alone.
    ///
    /// # Errors
    /// If a file cannot be read, the weights are not those of the configured model, or the model
    /// has no recurrence.
    pub fn load(config: &Path, weights: &Path) -> Result<Self> {
        let text = fs::read_to_string(config)
            .with_context(|| format!("cannot read the configuration {}", config.display()))?;
        let bytes = fs::read(weights)
            .with_context(|| format!("cannot read the weights {}", weights.display()))?;
        let config_context = || format!("configuration {}", config.display());
        let config = ModelConfig::parse(&text).with_context(config_context)?;
        Self::build(&config, &bytes).with_context(|| format!("weights {}", weights.display()))
    }

    /// The model of a configuration (the text of a `config.toml`) and the bytes of a safetensors
    /// file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn new(config: &str, weights: &[u8]) -> Result<Self> {
        let config = ModelConfig::parse(config).context("configuration")?;
        Self::build(&config, weights).context("weights")
    }

    fn build(config: &ModelConfig, bytes: &[u8]) -> Result<Self> {
        let weights = Weights::read(bytes)?;
        let network = Network::read(&weights.root(), config)?;
        weights.finish()?;
        Ok(Self(Arc::new(network)))
    }

    /// Number of codes K.
    pub fn levels(&self) -> usize {
        self.0.levels
    }

    /// Bytes of weights that are read for a sample, on average over the resolutions: what bounds
    /// the speed of a single sequence.
    pub fn bytes_per_sample(&self) -> f64 {
        self.0.stage.bytes() + self.0.decoder.bytes() as f64
    }

    /// The instructions in use: `AVX2` or `portable`.
    pub fn instructions(&self) -> &'static str {
        self.0.isa.name()
    }

    /// An engine for `batch` sequences side by side, on as many threads as there are processors.
    ///
    /// # Errors
    /// If `batch` is 0, or a thread cannot be started.
    pub fn engine(&self, batch: usize) -> Result<Engine> {
        self.engine_on(batch, engine::threads(batch))
    }

    /// An engine for `batch` sequences side by side on `threads` threads, among which the sequences
    /// are divided. What it computes does not depend on their number.
    ///
    /// # Errors
    /// Unless 1 <= `threads` <= `batch`, or if a thread cannot be started.
    pub fn engine_on(&self, batch: usize, threads: usize) -> Result<Engine> {
        Engine::new(&self.0, batch, threads, |sequences| self.0.state(sequences))
    }
}

/// The weights.
#[derive(Debug)]
pub(crate) struct Network {
    isa: Isa,
    pub levels: usize,
    /// The vector of every code, one behind the other.
    encoder: Vec<Lanes>,
    stage: Stage,
    norm: Norm,
    decoder: Linear,
    /// Lanes of [`Scratch`] that a sequence needs.
    room: usize,
}

/// What a network remembers of some sequences, and room for what it computes.
#[derive(Debug)]
pub(crate) struct NetworkState {
    stage: StageState,
    scratch: Scratch,
    x: Vec<Lanes>,
    normed: Vec<Lanes>,
    scores: Vec<Lanes>,
}

impl Network {
    fn read(place: &Place, config: &ModelConfig) -> Result<Self> {
        let width = config.d_model;
        let rows = place.sub("encoder").rows("weight", width)?;
        let levels = rows.len() / width;
        ensure!(levels <= 1 << 16, "the encoder has {levels} codes, which must fit 16 bits");
        let backbone = place.sub("model");
        let (inputs, outputs) = (Vectors::one(width), Vectors::one(levels));
        let decoder = place.sub("decoder.output_transform");
        Ok(Self {
            isa: Isa::detect(),
            levels,
            encoder: rows
                .chunks_exact(width)
                .flat_map(|row| pack(row.iter().map(|&x| x as f32)))
                .collect(),
            stage: Stage::read(&backbone, config)?,
            norm: Norm::layer(&backbone.sub("norm"), width)?,
            decoder: Linear::read(&decoder, Stored::Plain, inputs, outputs)?,
            room: Stage::room(config),
        })
    }

    /// The state of `batch` sequences before their first code.
    pub fn state(&self, batch: usize) -> NetworkState {
        self.with_room(self.stage.state(batch), batch)
    }

    /// The state of `batch` sequences that all stand where the only one of `state` stands.
    pub fn repeated(&self, state: &NetworkState, batch: usize) -> NetworkState {
        self.with_room(state.stage.repeat(batch), batch)
    }

    fn with_room(&self, stage: StageState, batch: usize) -> NetworkState {
        let buffer = |lanes| vec![Lanes::ZERO; batch * lanes];
        NetworkState {
            stage,
            scratch: Scratch::new(batch, self.room),
            x: buffer(self.norm.lanes()),
            normed: buffer(self.norm.lanes()),
            scores: buffer(self.decoder.outputs()),
        }
    }

    /// Scores (B, K) of the codes that follow `codes` (B), each below K.
    pub fn step(&self, codes: &[u16], state: &mut NetworkState, scores: &mut [f32]) {
        let NetworkState { stage, scratch, x, normed, scores: padded } = state;
        let width = self.norm.lanes();
        for (x, &code) in x.chunks_exact_mut(width).zip(codes) {
            x.copy_from_slice(&self.encoder[usize::from(code) * width..][..width]);
        }
        self.stage.step(self.isa, x, stage, scratch);
        self.norm.apply(self.isa, x, normed);
        self.decoder.apply(self.isa, normed, padded);
        let padded = padded.chunks_exact(self.decoder.outputs());
        for (scores, padded) in scores.chunks_exact_mut(self.levels).zip(padded) {
            for (scores, lanes) in scores.chunks_mut(WIDTH).zip(padded) {
                scores.copy_from_slice(&lanes.0[..scores.len()]);
            }
        }
    }
}

impl NetworkState {
    /// Goes back to before the first code.
    pub fn reset(&mut self) {
        self.stage.reset();
    }
}

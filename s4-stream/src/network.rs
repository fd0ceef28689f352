//! What is stepped: encoder, blocks, normalisation, pooling and decoder.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use s4_config::{Backbone, NetworkConfig, Pooling};

use crate::encoder::{Encoder, Inputs};
use crate::layer::block::Scratch;
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::layer::norm::Norm;
use crate::pooling::Pooled;
use crate::precision::Precision;
use crate::settings::{self, Quantity, size};
use crate::simd::{Arena, Isa, Lanes, WIDTH};
use crate::stage::{Stage, StageState};
use crate::state_tensors::StateTensors;
use crate::weights::{Place, Weights};

/// What a network's outputs are of, which its settings leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// The next code, at every position.
    NextCode,
    /// The sequence so far: its class, or values.
    Classes,
}

impl Task {
    /// The backbone of settings that name none.
    fn backbone(self) -> Backbone {
        match self {
            Task::NextCode => Backbone::Sashimi,
            Task::Classes => Backbone::S4,
        }
    }
}

/// The weights.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub isa: Isa,
    pub precision: Precision,
    /// Channels H at the resolution of inputs and outputs.
    pub d_model: usize,
    /// Logits K of a sequence.
    pub outputs: usize,
    pub encoder: Encoder,
    pub stage: Stage,
    /// After the last block.
    pub norm: Norm,
    pub pooling: Pooling,
    pub decoder: Linear,
    /// What the outputs are where they are values; none where they are logits.
    pub quantities: Vec<Quantity>,
}

/// What a network remembers of some sequences, and scratch space.
#[derive(Debug)]
pub(crate) struct NetworkState {
    stage: StageState,
    pooled: Pooled,
    scratch: Scratch,
    encoding: Vec<Lanes>,
    x: Vec<Lanes>,
    normed: Vec<Lanes>,
    logits: Vec<Lanes>,
}

impl Network {
    /// That of a configuration file and a file of weights.
    pub fn load(config: &Path, weights: &Path, task: Task) -> Result<Arc<Self>> {
        let text = fs::read_to_string(config)
            .with_context(|| format!("cannot read the configuration {}", config.display()))?;
        let bytes = fs::read(weights)
            .with_context(|| format!("cannot read the weights {}", weights.display()))?;
        let context = || format!("configuration {}", config.display());
        let settings = settings::read(&text, task.backbone()).with_context(context)?;
        Self::build(settings, &bytes, task)
            .with_context(|| format!("weights {}", weights.display()))
    }

    /// That of a configuration's text and the bytes of a file of weights.
    pub fn new(config: &str, weights: &[u8], task: Task) -> Result<Arc<Self>> {
        let settings = settings::read(config, task.backbone()).context("configuration")?;
        Self::build(settings, weights, task).context("weights")
    }

    fn build(
        (config, quantities): (NetworkConfig, Vec<Quantity>),
        bytes: &[u8],
        task: Task,
    ) -> Result<Arc<Self>> {
        let weights = Weights::read(bytes)?;
        let mut network = Self::read(&weights.root(), &config, task)?;
        weights.finish()?;
        ensure!(
            quantities.is_empty() || quantities.len() == network.outputs,
            "the decoder has {} outputs, but data.values of the configuration has {} quantities",
            network.outputs,
            quantities.len()
        );
        network.quantities = quantities;
        Ok(Arc::new(network))
    }

    fn read(place: &Place, config: &NetworkConfig, task: Task) -> Result<Self> {
        let d_model = size(config.width());
        let (encoder, decoder) = (place.sub("encoder"), place.sub("decoder"));
        ensure!(
            !decoder.has("retrieval.classifier.0.weight"),
            "the decoder compares two whole sequences: it has no logits for one that is stepped"
        );
        let encoder = if encoder.has("bias") {
            Encoder::values(&encoder, d_model)?
        } else {
            Encoder::codes(&encoder, d_model)?
        };
        let (backbone, decoder) = (place.sub("model"), decoder.sub("output_transform"));
        let outputs = decoder.shape("weight")?.first().copied().unwrap_or_default();
        ensure!(outputs > 0, "the decoder has no outputs");
        let pooling = match task {
            Task::Classes => config.pooling.unwrap_or_default(),
            Task::NextCode => {
                encoder.check_next(outputs)?;
                Pooling::Last
            }
        };
        let (stage, norm) = match config.backbone() {
            Backbone::Sashimi => Stage::sashimi(&backbone, &config.sashimi())?,
            Backbone::S4 => Stage::stack(&backbone, &config.stack(), &config.layer)?,
            other => bail!("{} has no steps", other.key()),
        };
        Ok(Self {
            isa: Isa::detect(),
            precision: Precision::Float32,
            d_model,
            outputs,
            encoder,
            stage,
            norm,
            pooling,
            decoder: Linear::read(
                &decoder,
                Stored::Plain,
                Vectors::one(d_model),
                Vectors::one(outputs),
            )?,
            quantities: Vec::new(),
        })
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

    /// Bytes of weights that are read per position, on average.
    pub fn bytes(&self) -> f64 {
        self.stage.bytes() + self.decoder.bytes() as f64
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> NetworkState {
        let pooled = Pooled::new(self.pooling, batch * self.norm.lanes());
        self.with_scratch(self.stage.state(batch), pooled, batch)
    }

    /// The state of `batch` sequences that all stand where the only one of `state` stands.
    pub fn repeated(&self, state: &NetworkState, batch: usize) -> NetworkState {
        self.with_scratch(state.stage.repeat(batch), state.pooled.repeat(batch), batch)
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
        let mut tensors = StateTensors::new(tensors, batch, sequences);
        self.stage.load(&mut state.stage, position, &mut tensors)?;
        state.pooled.load(position, self.d_model, &mut tensors)?;
        tensors.finish()?;
        Ok(state)
    }

    fn with_scratch(&self, stage: StageState, pooled: Pooled, batch: usize) -> NetworkState {
        let buffer = |lanes| vec![Lanes::ZERO; batch * lanes];
        NetworkState {
            stage,
            pooled,
            scratch: Scratch::new(batch, self.stage.scratch()),
            encoding: buffer(self.encoder.scratch()),
            x: buffer(self.norm.lanes()),
            normed: buffer(self.norm.lanes()),
            logits: buffer(self.decoder.outputs()),
        }
    }

    /// Keeps for the next step what goes in at it: inputs of `state`'s sequences that have passed
    /// [`Encoder::check`].
    pub fn encode(&self, inputs: Inputs, state: &mut NetworkState) {
        self.encoder.apply(self.isa, inputs, &mut state.encoding, &mut state.x);
    }

    /// Logits or values (B, K) after the inputs of [`Self::encode`].
    pub fn step(&self, state: &mut NetworkState, logits: &mut [f32]) {
        let NetworkState { stage, pooled, scratch, x, normed, logits: padded, .. } = state;
        self.stage.step(self.isa, x, stage, scratch);
        self.norm.apply(self.isa, x, normed);
        pooled.push(self.isa, normed);
        self.decoder.apply(self.isa, normed, padded);
        let padded = padded.chunks_exact(self.decoder.outputs());
        for (logits, padded) in logits.chunks_exact_mut(self.outputs).zip(padded) {
            for (logits, lanes) in logits.chunks_mut(WIDTH).zip(padded) {
                logits.copy_from_slice(&lanes.0[..logits.len()]);
            }
            for (value, Quantity { mean, std, .. }) in logits.iter_mut().zip(&self.quantities) {
                *value = (f64::from(*value) * std + mean) as f32;
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

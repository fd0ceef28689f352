//! What is stepped: encoder, blocks, normalisation, pooling and decoder.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use s4_config::{NetworkConfig, Pooling};

use crate::backbone::{Backbone, BackboneState};
use crate::decoder::{self, Decoder};
use crate::encoder::{Encoder, Inputs};
use crate::lags::Lags;
use crate::layer::norm::Norm;
use crate::past::Past;
use crate::pooling::Pooled;
use crate::precision::Precision;
use crate::settings::{self, Quantity, size};
use crate::simd::{Arena, Isa, Lanes};
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
    fn backbone(self) -> s4_config::Backbone {
        match self {
            Task::NextCode => s4_config::Backbone::Sashimi,
            Task::Classes => s4_config::Backbone::S4,
        }
    }
}

/// The weights.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub isa: Isa,
    pub precision: Precision,
    /// Channels of the backbone's outputs.
    pub d_model: usize,
    pub encoder: Encoder,
    /// What else of the past is embedded.
    pub lags: Lags,
    pub backbone: Backbone,
    /// After the last block.
    pub norm: Norm,
    pub pooling: Pooling,
    pub decoder: Decoder,
    /// Codes that are looked at.
    reach: usize,
    /// What the outputs are where they are values; none where they are logits.
    pub quantities: Vec<Quantity>,
}

/// What a network remembers of some sequences, and scratch space.
#[derive(Debug)]
pub(crate) struct NetworkState {
    past: Past,
    backbone: BackboneState,
    pooled: Pooled,
    encoding: Vec<Lanes>,
    x: Vec<Lanes>,
    normed: Vec<Lanes>,
    decoding: decoder::Scratch,
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
            quantities.is_empty() || quantities.len() == network.outputs(),
            "the decoder has {} outputs, but data.values of the configuration has {} quantities",
            network.outputs(),
            quantities.len()
        );
        network.quantities = quantities;
        Ok(Arc::new(network))
    }

    fn read(place: &Place, config: &NetworkConfig, task: Task) -> Result<Self> {
        let d_model = size(config.width());
        let has_ends = config.backbone() != s4_config::Backbone::SampleRnn;
        let read = || Encoder::read(&place.sub("encoder"), config.adaptive.as_ref(), d_model);
        let encoder = has_ends.then(read).transpose()?;
        let (backbone, norm, width) = Backbone::read(&place.sub("model"), config)?;
        let encoder = encoder.unwrap_or_else(|| Encoder::numbers(width));
        let lags = place.sub("encoder").sub("lags");
        let lags = Lags::read(&lags, config.lags(), encoder.number_of_codes(), d_model)?;
        let decoder = Decoder::read(&place.sub("decoder"), config, &encoder, width)?;
        let pooling = match task {
            Task::Classes => config.pooling.unwrap_or_default(),
            Task::NextCode => {
                encoder.check_next(decoder.outputs())?;
                Pooling::Last
            }
        };
        ensure!(
            task == Task::NextCode || has_ends,
            "{} predicts the next code, and classifies nothing",
            config.name()
        );
        Ok(Self {
            isa: Isa::detect(),
            precision: Precision::Float32,
            d_model: width,
            encoder,
            lags,
            backbone,
            norm,
            pooling,
            decoder,
            reach: match (config.lags(), &config.logistics) {
                ([], None) => 0,
                _ => size(config.memory()) + 1,
            },
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
        network.backbone.round(arena);
        network.decoder.round(arena);
        Arc::new(network)
    }

    /// Bytes of weights that are read per position, on average.
    pub fn bytes(&self) -> f64 {
        self.backbone.bytes() + self.decoder.bytes() as f64
    }

    /// Logits K of a sequence.
    pub fn outputs(&self) -> usize {
        self.decoder.outputs()
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> NetworkState {
        let pooled = Pooled::new(self.pooling, batch * self.norm.lanes());
        self.with_scratch(Past::new(batch, self.reach), self.backbone.state(batch), pooled, batch)
    }

    /// The state of `batch` sequences that all stand where the only one of `state` stands.
    pub fn repeated(&self, state: &NetworkState, batch: usize) -> NetworkState {
        let backbone = self.backbone.repeated(&state.backbone, batch);
        self.with_scratch(state.past.repeat(batch), backbone, state.pooled.repeat(batch), batch)
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
        let codes = self.encoder.number_of_codes().unwrap_or(0);
        state.past.load(position, codes, &mut tensors)?;
        self.backbone.load(&mut state.backbone, position, &mut tensors)?;
        state.pooled.load(position, self.d_model, &mut tensors)?;
        tensors.finish()?;
        Ok(state)
    }

    fn with_scratch(
        &self,
        past: Past,
        backbone: BackboneState,
        pooled: Pooled,
        batch: usize,
    ) -> NetworkState {
        let buffer = |lanes| vec![Lanes::ZERO; batch * lanes];
        NetworkState {
            past,
            backbone,
            pooled,
            encoding: buffer(self.encoder.scratch()),
            x: buffer(self.norm.lanes()),
            normed: buffer(self.norm.lanes()),
            decoding: self.decoder.scratch(batch),
        }
    }

    /// Keeps for the next step what goes in at it: inputs of `state`'s sequences that have passed
    /// [`Encoder::check`].
    pub fn encode(&self, inputs: Inputs, state: &mut NetworkState) {
        self.encoder.apply(self.isa, inputs, &mut state.encoding, &mut state.x);
        if let Inputs::Codes(codes) = inputs {
            state.past.push(codes);
            self.lags.add(&state.past, codes.len(), &mut state.x);
        }
    }

    /// Logits or values (B, K) after the inputs of [`Self::encode`].
    pub fn step(&self, state: &mut NetworkState, logits: &mut [f32]) {
        let NetworkState { past, backbone, pooled, x, normed, decoding, .. } = state;
        self.backbone.step(self.isa, x, backbone);
        self.norm.apply(self.isa, x, normed);
        pooled.push(self.isa, normed);
        self.decoder.apply(self.isa, normed, past, decoding, logits);
        if self.quantities.is_empty() {
            return;
        }
        for values in logits.chunks_exact_mut(self.quantities.len()) {
            for (value, Quantity { mean, std, .. }) in values.iter_mut().zip(&self.quantities) {
                *value = (f64::from(*value) * std + mean) as f32;
            }
        }
    }
}

//! A trained classifier of sequences: S4 or S4D blocks one behind the other. An input goes in at
//! every position, scores of the classes for the sequence so far come out.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::config::StackConfig;
use crate::encoder::Encoder;
use crate::engine::{self, Engine};
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::layer::norm::Norm;
use crate::network::{Architecture, Network};
use crate::precision::Precision;
use crate::simd::Isa;
use crate::stage::{Stage, stack_norm};
use crate::weights::Place;

/// A trained plain stack, ready to be stepped. Copies share the weights.
///
/// After each input an engine gives what the network would make of a sequence that ends there: its
/// outputs are pooled as configured (the last or first one, the mean or sum of all so far). Whether
/// an input is a code (see [`Engine::step`]) or a vector of values ([`Engine::step_values`]) the
/// weights decide.
///
/// The tensors of [`Engine::load_state`] are the states (B, H, N) of the blocks and, unless the
/// last output is decoded, what is pooled: the first output or the sum of all so far, (B, H).
#[derive(Debug, Clone)]
pub struct Stack(Arc<Network>);

impl Stack {
    /// Reads a run's `config.toml` and a file of weights: a checkpoint, whose averaged weights are
    /// taken where it has any, or weights alone.
    ///
    /// # Errors
    /// If a file cannot be read, the weights are not those of the configured model, or the model
    /// has no recurrence.
    pub fn load(config: &Path, weights: &Path) -> Result<Self> {
        Network::load::<StackConfig>(config, weights).map(Self)
    }

    /// The model of a configuration (the text of a `config.toml`) and the bytes of a safetensors
    /// file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn new(config: &str, weights: &[u8]) -> Result<Self> {
        Network::new::<StackConfig>(config, weights).map(Self)
    }

    /// The same stack with the weights of its linear maps rounded to integers of 16 bits, scaled for
    /// each output: a single sequence is stepped faster, since fewer bytes are read. Arithmetic,
    /// states and recurrences stay float32.
    #[must_use]
    pub fn int16(self) -> Self {
        Self(self.0.int16())
    }

    /// What the weights of linear maps are kept in.
    pub fn precision(&self) -> Precision {
        self.0.precision
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.0.outputs
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
        Engine::new(&self.0, batch, threads)
    }
}

impl Architecture for StackConfig {
    fn parse(text: &str) -> Result<Self> {
        StackConfig::parse(text)
    }

    fn read(&self, place: &Place) -> Result<Network> {
        let (encoder, decoder) = (place.sub("encoder"), place.sub("decoder"));
        ensure!(
            !decoder.has("retrieval.classifier.0.weight"),
            "the decoder compares two whole sequences: it has no scores for one that is stepped"
        );
        let (backbone, decoder) = (place.sub("model"), decoder.sub("output_transform"));
        let classes = decoder.shape("weight")?.first().copied().unwrap_or_default();
        ensure!(classes > 0, "the decoder has no classes");
        let (inputs, outputs) = (Vectors::one(self.d_model), Vectors::one(classes));
        Ok(Network {
            isa: Isa::detect(),
            precision: Precision::Float32,
            d_model: self.d_model,
            outputs: classes,
            encoder: match encoder.has("bias") {
                true => Encoder::values(&encoder, self.d_model)?,
                false => Encoder::codes(&encoder, self.d_model)?,
            },
            stage: Stage::stack(&backbone, self)?,
            norm: match self.prenorm {
                true => stack_norm(&backbone, self)?,
                false => Norm::identity(self.d_model),
            },
            pooling: self.pooling,
            decoder: Linear::read(&decoder, Stored::Plain, inputs, outputs)?,
        })
    }
}

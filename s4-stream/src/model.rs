//! A trained SaShiMi: a code goes in at every position, scores of the next one come out.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::config::{Pooling, SashimiConfig};
use crate::encoder::Encoder;
use crate::engine::{self, Engine};
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::layer::norm::Norm;
use crate::network::{Architecture, Network};
use crate::precision::Precision;
use crate::simd::Isa;
use crate::stage::Stage;
use crate::weights::Place;

/// A trained SaShiMi, ready to be stepped. Copies share the weights.
///
/// The tensors of [`Engine::load_state`] are, from the finest resolution inwards and back: the
/// states (B, H, N) of the S4 layers on the way down; the vectors (B, H) that wait to be pooled,
/// fewer than a group; everything of the coarser resolutions; the outputs (B, H, s) of the coarser
/// resolutions for the present group of s positions; the states of the S4 layers on the way up.
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
        Network::load::<SashimiConfig>(config, weights).map(Self)
    }

    /// The model of a configuration (the text of a `config.toml`) and the bytes of a safetensors
    /// file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn new(config: &str, weights: &[u8]) -> Result<Self> {
        Network::new::<SashimiConfig>(config, weights).map(Self)
    }

    /// The same model with the weights of its linear maps rounded to integers of 16 bits, scaled for
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

    /// Number of codes K.
    pub fn levels(&self) -> usize {
        self.0.outputs
    }

    /// Bytes of weights that are read for a sample, on average over the resolutions: what bounds
    /// the speed of a single sequence.
    pub fn bytes_per_sample(&self) -> f64 {
        self.0.bytes()
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
        Engine::new(&self.0, batch, threads)
    }
}

impl Architecture for SashimiConfig {
    fn parse(text: &str) -> Result<Self> {
        SashimiConfig::parse(text)
    }

    fn read(&self, place: &Place) -> Result<Network> {
        let encoder = Encoder::codes(&place.sub("encoder"), self.d_model)?;
        let levels = place.sub("encoder").shape("weight")?[0];
        let (backbone, decoder) = (place.sub("model"), place.sub("decoder.output_transform"));
        let (inputs, outputs) = (Vectors::one(self.d_model), Vectors::one(levels));
        Ok(Network {
            isa: Isa::detect(),
            precision: Precision::Float32,
            d_model: self.d_model,
            outputs: levels,
            encoder,
            stage: Stage::sashimi(&backbone, self)?,
            norm: Norm::layer(&backbone.sub("norm"), self.d_model)?,
            pooling: Pooling::Last,
            decoder: Linear::read(&decoder, Stored::Plain, inputs, outputs)?,
        })
    }
}

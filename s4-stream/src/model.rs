//! A trained model: an input goes in at every position, logits come out.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::engine::{self, Engine};
use crate::network::{Network, Task};
use crate::precision::Precision;

/// A trained SaShiMi, stack of S4 blocks, WaveNet or SampleRNN, ready to be stepped. Copies share the
/// weights.
///
/// It predicts the next code ([`Self::load`]) or the class of the sequence so far
/// ([`Self::load_classifier`]).
///
/// The tensors of [`Engine::load_state`] are, with `lags` or `logistics`, first the last codes, (B, P),
/// as many as are looked at or as there were. Those of SaShiMi are, from the finest resolution inwards and
/// back: the states (B, H, N) of the S4 layers on the way down; the vectors (B, H) that wait to be
/// pooled, fewer than a group; everything of the coarser resolutions; the outputs (B, H, s) of the
/// coarser resolutions for the present group of s positions; the states of the S4 layers on the way
/// up. Those of a stack are the states (B, H, N) of its blocks. WaveNet has one: what the filters of
/// all layers still see, (B, residual channels, receptive field - 1). SampleRNN has the
/// last codes (B, ·), fewer by one than in its longest frame, and of each tier, the lowest first, the
/// state (B, layers, H) and, if any, the vectors that it still has for the tier below, (B, H, ·). A classifier that does not decode
/// the last output has one more: the first output or the sum of all so far, (B, H).
#[derive(Debug, Clone)]
pub struct Model(Arc<Network>);

impl Model {
    /// Reads a model of the next code from a run's `config.toml` and a file of weights: a
    /// checkpoint, whose averaged weights are taken where it has any, or weights alone. It is a
    /// SaShiMi unless the configuration names another backbone.
    ///
    /// # Errors
    /// If a file cannot be read, the weights are not those of the configured model or not those of a
    /// model of the next code, or the model has no recurrence.
    pub fn load(config: &Path, weights: &Path) -> Result<Self> {
        Network::load(config, weights, Task::NextCode).map(Self)
    }

    /// Reads a model of the next code from the text of a `config.toml` and the bytes of a
    /// safetensors file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn new(config: &str, weights: &[u8]) -> Result<Self> {
        Network::new(config, weights, Task::NextCode).map(Self)
    }

    /// Reads a classifier of sequences: files are as those of [`Self::load`]. It is a stack unless
    /// the configuration names another backbone.
    ///
    /// What gives values in place of classes (`data.values` of the configuration) is read as well: its
    /// outputs are the values in their own units, [`Self::quantities`].
    ///
    /// After each input its logits are those of a sequence that ends there: its outputs are pooled
    /// as configured (the last or first one, the mean or sum of all so far). The weights decide
    /// whether an input is a code ([`Engine::step`]) or a vector of values
    /// ([`Engine::step_values`]).
    ///
    /// # Errors
    /// If a file cannot be read, the weights are not those of the configured model, or the model
    /// has no recurrence.
    pub fn load_classifier(config: &Path, weights: &Path) -> Result<Self> {
        Network::load(config, weights, Task::Classes).map(Self)
    }

    /// Reads a classifier from the text of a `config.toml` and the bytes of a safetensors file.
    ///
    /// # Errors
    /// As [`Self::load_classifier`].
    pub fn new_classifier(config: &str, weights: &[u8]) -> Result<Self> {
        Network::new(config, weights, Task::Classes).map(Self)
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

    /// Number of outputs K of a sequence: logits of codes or of classes, or values.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }

    /// What the outputs are called where they are values; none where they are logits.
    pub fn quantities(&self) -> impl Iterator<Item = &str> {
        self.0.quantities.iter().map(|quantity| quantity.name.as_str())
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

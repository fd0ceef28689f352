//! What is measured, and what comes out.

use clap::ValueEnum;
use s4_config::{Backbone, Mode, NetworkConfig};

use serde::{Deserialize, Serialize};

/// A model of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Diagonal plus low rank.
    S4,
    /// Diagonal.
    S4d,
    /// Softmax attention.
    Transformer,
    /// Attention without the softmax.
    LinearAttention,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// Gated dilated convolutions.
    #[value(alias = "convolution")]
    Dilated,
}

impl Model {
    /// A causal model of this kind, so that it can be trained and can generate.
    pub fn config(self, d_model: i64, n_layers: i64) -> NetworkConfig {
        let backbone = match self {
            Model::S4 | Model::S4d => Backbone::S4,
            Model::Transformer => Backbone::Transformer,
            Model::LinearAttention => Backbone::LinearAttention,
            Model::Lstm => Backbone::Lstm,
            Model::Gru => Backbone::Gru,
            Model::Dilated => Backbone::Dilated,
        };
        let mut config = NetworkConfig {
            backbone: Some(backbone),
            d_model: Some(d_model),
            n_layers: Some(n_layers),
            prenorm: Some(true),
            ..NetworkConfig::default()
        };
        if self == Model::S4d {
            config.layer.ssm.mode = Mode::S4d;
        }
        config
    }

    pub fn name(self) -> &'static str {
        self.config(1, 1).name()
    }

    /// Whether its state grows with the positions behind it, and the time of a step with it.
    pub fn state_grows(self) -> bool {
        self == Model::Transformer
    }
}

/// One model at one length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which model.
    pub model: Model,
    /// Positions a sequence, L.
    pub length: i64,
    /// Sequences per step, B.
    pub batch: i64,
    /// Channels, H.
    pub d_model: i64,
    pub n_layers: i64,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Seconds that measuring may take, about.
    pub seconds: f64,
}

/// What a process measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Trained numbers of the model.
    pub parameters: usize,
    /// Median time of a training step, in seconds.
    pub seconds_per_step: f64,
    /// Peak memory of a training step in bytes, above that of the loaded model and its optimiser;
    /// absent where the system does not tell.
    pub peak_bytes: Option<f64>,
    /// Steps a second as a recurrence, all sequences of the batch in each.
    pub generated_per_second: f64,
    /// Steps a second of the engine without libtorch on the CPU; absent for models that it cannot step.
    pub streamed_per_second: Option<f64>,
}

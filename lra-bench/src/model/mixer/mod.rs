//! What mixes the positions of a sequence: S4, or a baseline that it is compared with.
//!
//! All stand in the same frame: encoder, residual blocks with norm and dropout, decoder. Causal by
//! default, like S4; `bidirectional` in a mixer's section lets it see the whole sequence. A layer
//! of an attention model is two residual blocks, attention and a position-wise network.

pub mod attention;
pub mod baseline;
pub mod convolution;
pub mod heads;
pub mod linear_attention;
pub mod recurrent;

use anyhow::Result;
use s4_core::layer::SequenceLayer;
use s4_core::layer::feed_forward::FeedForward;
use s4_core::layer::s4_block::S4Block;
use s4_core::params::Scope;
use serde::{Deserialize, Serialize};

use super::ModelConfig;
use attention::Attention;
use baseline::Baseline;
use convolution::Convolution;
use heads::Heads;
use linear_attention::LinearAttention;
use recurrent::{Cell, Recurrent};

/// Which layer mixes the positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mixer {
    /// S4 or S4D, as `[model.layer]` says.
    #[default]
    S4,
    /// Softmax attention (Vaswani et al. 2017); `[model.attention]`.
    Transformer,
    /// Attention without the softmax (Katharopoulos et al. 2020); `[model.attention]`.
    LinearAttention,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997); `[model.recurrent]`.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014); `[model.recurrent]`.
    Gru,
    /// Gated dilated convolutions, as in WaveNet (van den Oord et al. 2016);
    /// `[model.convolution]`.
    Convolution,
}

impl Mixer {
    /// Its name in configs.
    pub fn key(self) -> &'static str {
        match self {
            Mixer::S4 => "s4",
            Mixer::Transformer => "transformer",
            Mixer::LinearAttention => "linear-attention",
            Mixer::Lstm => "lstm",
            Mixer::Gru => "gru",
            Mixer::Convolution => "convolution",
        }
    }

    /// Whether it is S4, which has its own section and the rates of other sampling frequencies.
    pub fn is_s4(&self) -> bool {
        *self == Mixer::S4
    }

    /// Whether it looks by content only, and has to be told the positions.
    pub fn attends(self) -> bool {
        matches!(self, Mixer::Transformer | Mixer::LinearAttention)
    }

    /// Residual blocks of `layers` layers.
    pub(super) fn blocks(self, layers: i64) -> i64 {
        if self.attends() { 2 * layers } else { layers }
    }
}

/// The layer inside the `i`-th residual block.
///
/// # Errors
/// If the config is contradictory.
pub(super) fn layer(
    scope: &mut Scope,
    config: &ModelConfig,
    i: i64,
) -> Result<Box<dyn SequenceLayer>> {
    let width = config.d_model;
    let dropout = config.stack().dropout();
    let attention = config.attention.clone().unwrap_or_default();
    let recurrent = config.recurrent.clone().unwrap_or_default();
    let convolution = config.convolution.clone().unwrap_or_default();
    Ok(match config.mixer {
        Mixer::S4 => Box::new(S4Block::new(scope, width, &config.layer, dropout)?),
        Mixer::Transformer | Mixer::LinearAttention if i % 2 == 1 => {
            Box::new(FeedForward::new(scope, width, attention.expand, false, dropout)?)
        }
        Mixer::Transformer => Box::new(Baseline(Attention(Heads::new(scope, width, &attention)?))),
        Mixer::LinearAttention => {
            Box::new(Baseline(LinearAttention(Heads::new(scope, width, &attention)?)))
        }
        Mixer::Lstm => Box::new(Baseline(Recurrent::new(scope, width, Cell::Lstm, &recurrent)?)),
        Mixer::Gru => Box::new(Baseline(Recurrent::new(scope, width, Cell::Gru, &recurrent)?)),
        Mixer::Convolution => Box::new(Baseline(Convolution::new(scope, width, i, &convolution)?)),
    })
}

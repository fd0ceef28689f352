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

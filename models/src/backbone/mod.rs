//! What mixes the positions of a sequence: S4, SaShiMi, or a baseline that they are compared with.
//!
//! All but SaShiMi, the published baselines (WaveNet, SampleRNN and its stack of recurrences) and
//! ResNeXt, which takes spectrograms for pictures, are a plain stack of residual blocks with norm and
//! dropout. Causal by default, like S4; `bidirectional` in a backbone's section lets it see the whole
//! sequence. A layer of an attention model is two residual blocks, attention and a position-wise
//! network.

pub mod attention;
pub mod baseline;
pub mod dilated;
pub mod heads;
pub mod linear_attention;
pub mod recurrent;
pub mod resnext;
pub mod rnn;
pub mod samplernn;
pub mod stacked_rnn;
pub mod wavenet;

use anyhow::Result;
use s4_config::{Backbone, NetworkConfig, Shape, StackConfig};
use s4_core::layer::SequenceLayer;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::feed_forward::FeedForward;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::params::Scope;

use crate::sashimi::Sashimi;
use attention::Attention;
use baseline::Baseline;
use dilated::Dilated;
use heads::Heads;
use linear_attention::LinearAttention;
use recurrent::Recurrent;
use resnext::Resnext;
use rnn::Cell;
use samplernn::SampleRnn;
use stacked_rnn::StackedRnn;
use wavenet::WaveNet;

/// Registers the backbone of `config` for data of this `shape`.
///
/// # Errors
/// If the config is contradictory.
pub fn new(
    scope: &mut Scope,
    config: &NetworkConfig,
    shape: Shape,
) -> Result<Box<dyn SequenceLayer>> {
    let width = config.width();
    match config.backbone() {
        Backbone::Sashimi => return Ok(Box::new(Sashimi::new(scope, &config.sashimi())?)),
        Backbone::WaveNet => {
            return Ok(Box::new(Baseline(WaveNet::new(scope, width, &config.wavenet())?)));
        }
        Backbone::SampleRnn => {
            return Ok(Box::new(SampleRnn::new(scope, width, &config.samplernn(), shape)?));
        }
        Backbone::StackedRnn => {
            let stacked = StackedRnn::new(scope, width, config.depth(), &config.stacked_rnn())?;
            return Ok(Box::new(Baseline(stacked)));
        }
        Backbone::Resnext => return Ok(Box::new(Resnext::new(scope, &config.resnext())?)),
        _ => {}
    }
    let stack = config.stack();
    let blocks = if config.backbone().attends() { 2 * stack.n_layers } else { stack.blocks() };
    let stack = StackConfig { n_layers: blocks, ..stack };
    Ok(Box::new(Stack::new(scope, &stack, |scope, i| layer(scope, config, &stack, i))?))
}

/// The layer inside the `i`-th residual block.
fn layer(
    scope: &mut Scope,
    config: &NetworkConfig,
    stack: &StackConfig,
    i: i64,
) -> Result<Box<dyn SequenceLayer>> {
    let (width, dropout) = (stack.d_model, Dropout::from(stack));
    let attention = config.attention.clone().unwrap_or_default();
    let recurrent = config.recurrent.clone().unwrap_or_default();
    let dilated = config.dilated.clone().unwrap_or_default();
    Ok(match config.backbone() {
        Backbone::S4 if stack.is_feed_forward(i) => {
            Box::new(FeedForward::new(scope, width, stack.ff, false, dropout)?)
        }
        Backbone::S4 => Box::new(S4Block::new(scope, width, &config.layer, dropout)?),
        Backbone::Transformer | Backbone::LinearAttention if i % 2 == 1 => {
            Box::new(FeedForward::new(scope, width, attention.expand, false, dropout)?)
        }
        Backbone::Transformer => {
            Box::new(Baseline(Attention(Heads::new(scope, width, &attention)?)))
        }
        Backbone::LinearAttention => {
            Box::new(Baseline(LinearAttention(Heads::new(scope, width, &attention)?)))
        }
        Backbone::Lstm => Box::new(Baseline(Recurrent::new(scope, width, Cell::Lstm, &recurrent)?)),
        Backbone::Gru => Box::new(Baseline(Recurrent::new(scope, width, Cell::Gru, &recurrent)?)),
        Backbone::Dilated => Box::new(Baseline(Dilated::new(scope, width, i, &dilated)?)),
        Backbone::Sashimi
        | Backbone::WaveNet
        | Backbone::SampleRnn
        | Backbone::StackedRnn
        | Backbone::Resnext => unreachable!("no plain stack"),
    })
}

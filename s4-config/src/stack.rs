//! A plain stack of residual blocks.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::{LIMIT, check_sizes};

/// Depth, width and wiring of a stack.
#[derive(Debug, Clone, PartialEq, SmartDefault)]
pub struct StackConfig {
    /// Width H.
    #[default(256)]
    pub d_model: i64,
    /// Number of residual blocks.
    #[default(6)]
    pub n_layers: i64,
    /// `layer`, `batch`, `scalar` or `none`.
    #[default(NormKind::Layer)]
    pub norm: NormKind,
    /// Normalise before each layer (and once at the end) rather than after each residual sum.
    pub prenorm: bool,
    /// Probability of dropping an activation.
    pub dropout: f64,
    /// One dropout mask for all positions of a sequence.
    #[default(true)]
    pub tie_dropout: bool,
    /// Hidden channels of the feed-forward layers, in multiples of the width; 0: no such layers.
    pub ff: i64,
    /// Layers that a feed-forward layer follows.
    #[default(1)]
    pub ff_every: i64,
    /// Channels of a condition that every block is given beside its input.
    pub condition: Option<i64>,
}

impl StackConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { d_model, n_layers, ff, ff_every, .. } = *self;
        check_sizes(&[("d_model", d_model), ("n_layers", n_layers), ("ff_every", ff_every)])?;
        ensure!((0..=LIMIT).contains(&ff), "ff must be 0 to {LIMIT}, got {ff}");
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "dropout must be in [0, 1), got {}",
            self.dropout
        );
        Ok(())
    }

    /// Residual blocks: the layers, and the feed-forward layers between them.
    pub fn blocks(&self) -> i64 {
        if self.ff == 0 { self.n_layers } else { self.n_layers + self.n_layers / self.ff_every }
    }

    /// Whether block `i` is a feed-forward layer.
    pub fn is_feed_forward(&self, i: i64) -> bool {
        self.ff > 0 && i % (self.ff_every + 1) == self.ff_every
    }
}

/// Which normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Over the channels of each position.
    Layer,
    /// Over the channels of each position with one scale `s` and one shift `m` for all of them,
    /// s (x - mean + m) / std: what the official audio experiments call layer norm.
    Scalar,
    /// Over batch and positions of each channel; padded positions count, as officially.
    Batch,
    /// None at all.
    None,
}

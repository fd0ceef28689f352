//! A plain stack of residual blocks.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::check_sizes;

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
    /// Channels of a condition that every block is given beside its input.
    pub condition: Option<i64>,
}

impl StackConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        check_sizes(&[("d_model", self.d_model), ("n_layers", self.n_layers)])?;
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "dropout must be in [0, 1), got {}",
            self.dropout
        );
        Ok(())
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

//! WaveNet (van den Oord et al. 2016).

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::check_sizes;

/// Settings of WaveNet; the defaults are those of the SaShiMi paper.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WaveNetConfig {
    /// Layers in a block; the dilation doubles from one to the next, from 1 anew in each block.
    #[default(10)]
    pub layers: i64,
    /// Blocks.
    #[default(4)]
    pub blocks: i64,
    /// Channels between the layers.
    #[default(64)]
    pub residual_channels: i64,
    /// Channels of filters and gates.
    #[default(64)]
    pub dilation_channels: i64,
    /// Channels of the sum of what all layers put out.
    #[default(1024)]
    pub skip_channels: i64,
    /// Channels between the two maps at the end.
    #[default(512)]
    pub end_channels: i64,
    /// Taps K of each filter.
    #[default(2)]
    pub kernel_size: i64,
    /// Whether convolutions have a bias; the two at the end always have one.
    pub bias: bool,
}

/// Dilations double up to 2¹⁹.
const MAX_LAYERS: i64 = 20;

impl WaveNetConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        check_sizes(&[
            ("blocks", self.blocks),
            ("residual_channels", self.residual_channels),
            ("dilation_channels", self.dilation_channels),
            ("skip_channels", self.skip_channels),
            ("end_channels", self.end_channels),
            ("kernel_size", self.kernel_size),
        ])?;
        ensure!(
            (1..=MAX_LAYERS).contains(&self.layers),
            "layers must be 1 to {MAX_LAYERS}, got {}",
            self.layers
        );
        Ok(())
    }

    /// The dilation of every layer.
    pub fn dilations(&self) -> Vec<i64> {
        (0..self.blocks).flat_map(|_| (0..self.layers).map(|layer| 1 << layer)).collect()
    }

    /// Inputs that an output depends on.
    pub fn receptive_field(&self) -> i64 {
        1 + self.blocks * (self.kernel_size - 1) * ((1 << self.layers) - 1)
    }
}

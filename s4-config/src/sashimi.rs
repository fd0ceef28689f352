//! SaShiMi (Goel et al. 2022).

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::block::S4BlockConfig;
use crate::{LIMIT, check_sizes};

/// Depth, width and wiring of the model.
#[derive(Debug, Clone, PartialEq, SmartDefault)]
pub struct SashimiConfig {
    /// Channels H at the finest resolution.
    #[default(64)]
    pub d_model: i64,
    /// S4 blocks at each resolution, on each side.
    #[default(8)]
    pub n_layers: i64,
    /// Positions that are pooled into one, from fine to coarse.
    #[default(vec![4, 4])]
    pub pool: Vec<i64>,
    /// Factor by which channels grow with each pooling.
    #[default(2)]
    pub expand: i64,
    /// Hidden channels of the feed-forward blocks, in multiples of their width; 0: no such blocks.
    #[default(2)]
    pub ff: i64,
    /// Blocks on the way down as well, with a skip connection from each.
    pub unet: bool,
    /// `standalone` or `audio`.
    pub variant: Variant,
    /// Probability of dropping an activation.
    pub dropout: f64,
    /// One dropout mask for all positions of a sequence.
    #[default(true)]
    pub tie_dropout: bool,
    /// Channels of a condition that every block is given beside its input.
    pub condition: Option<i64>,
    /// The S4 blocks.
    pub layer: S4BlockConfig,
}

impl SashimiConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { d_model, n_layers, expand, ff, .. } = *self;
        check_sizes(&[("d_model", d_model), ("n_layers", n_layers), ("expand", expand)])?;
        ensure!((0..=LIMIT).contains(&ff), "ff must be 0 to {LIMIT}, got {ff}");
        ensure!(
            self.pool.iter().all(|&factor| (1..=1024).contains(&factor)),
            "pool must hold factors of 1 to 1024, got {:?}",
            self.pool
        );
        ensure!(
            self.pool.iter().try_fold(1i64, |product, &f| product.checked_mul(f)).is_some(),
            "the factors of pool are too large together: {:?}",
            self.pool
        );
        let widest = self.pool.iter().try_fold(d_model, |width, _| {
            width.checked_mul(expand).filter(|&width| width <= LIMIT)
        });
        ensure!(widest.is_some(), "d_model grows beyond {LIMIT} by expand = {expand}");
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "dropout must be in [0, 1), got {}",
            self.dropout
        );
        ensure!(
            self.layer.l_max.is_none(),
            "layer.l_max is not for SaShiMi, whose layers see sequences of several lengths"
        );
        Ok(())
    }

    /// All pooling factors together: lengths are multiples of it.
    pub fn stride(&self) -> i64 {
        self.pool.iter().product()
    }
}

/// Which of the two official models the tensors and normalisations are those of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The stand-alone model (`models/sashimi`): layer norm, plain pooling.
    #[default]
    Standalone,
    /// The one of the audio experiments: norms with one scale and one shift, weight-normed pooling.
    Audio,
}

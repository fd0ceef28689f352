//! SampleRNN (Mehri et al. 2017).

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::companding::Companding;
use crate::{LIMIT, check_sizes};

/// Settings of SampleRNN; the defaults are those of the SaShiMi paper.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SampleRnnConfig {
    /// Codes in a frame of the lowest tier, and frames of each tier in one of the tier above it.
    #[default(vec![8, 2, 2])]
    pub frame_sizes: Vec<i64>,
    /// Layers of each tier's GRU.
    #[default(1)]
    pub n_rnn: i64,
    /// Units of the GRUs and of the network of the samples.
    #[default(1024)]
    pub d_hidden: i64,
    /// Whether the state before the first frame is learned.
    #[default(true)]
    pub learn_h0: bool,
    /// Weight normalisation of all maps outside of the GRUs. (Frames that are embedded always
    /// have it.)
    #[default(true)]
    pub weight_norm: bool,
    /// Frames hold vectors of codes in place of amplitudes.
    pub embed_frames: bool,
    /// The law by which codes become amplitudes: that of the data, entered by the program.
    #[default(Companding::MuLaw)]
    pub companding: Companding,
}

impl SampleRnnConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        check_sizes(&[("n_rnn", self.n_rnn), ("d_hidden", self.d_hidden)])?;
        let product = self.frame_sizes.iter().try_fold(1i64, |product, &size| {
            product.checked_mul(size).filter(|product| (1..=LIMIT).contains(product))
        });
        ensure!(
            !self.frame_sizes.is_empty() && product.is_some(),
            "frame_sizes must be positive numbers, at least one, with a product of at most \
             {LIMIT}, got {:?}",
            self.frame_sizes
        );
        Ok(())
    }

    /// Codes in a frame of each tier, the lowest first.
    pub fn frames(&self) -> Vec<i64> {
        let product = |product: &mut i64, &size: &i64| {
            *product *= size;
            Some(*product)
        };
        self.frame_sizes.iter().scan(1, product).collect()
    }

    /// Codes in a frame of the highest tier.
    pub fn stride(&self) -> i64 {
        self.frame_sizes.iter().product()
    }
}

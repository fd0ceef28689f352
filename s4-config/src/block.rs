//! The S4 block, and how it computes.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use crate::check_sizes;
use crate::ssm::SsmConfig;

/// The layer of an S4 network; also the official `S4Block`'s options that work there.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S4BlockConfig {
    /// A second kernel that looks ahead: for classification, not for generation.
    pub bidirectional: bool,
    /// Outputs C of each channel's SSM.
    #[default(1)]
    pub channels: i64,
    /// Longest kernel; as long as the input where it is missing.
    pub l_max: Option<i64>,
    /// How sequences are convolved: `auto`, `fft` or `chunked`. A matter of speed alone.
    pub convolution: Convolution,
    /// Nonlinearity after the convolution.
    pub activation: Activation,
    /// What follows the map that mixes the channels.
    #[default(FinalAct::Glu)]
    pub final_act: FinalAct,
    /// The SSM.
    pub ssm: SsmConfig,
}

impl S4BlockConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        check_sizes(&[("channels", self.channels)])?;
        ensure!(
            self.l_max.is_none_or(|l_max| l_max >= 1),
            "l_max must be positive, got {:?}",
            self.l_max
        );
        ensure!(
            self.final_act != FinalAct::None || self.channels == 1,
            "final_act = \"none\" needs channels = 1, got {}",
            self.channels
        );
        Ok(())
    }
}

/// A pointwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// x Φ(x), by the error function.
    #[default]
    Gelu,
    /// max(x, 0).
    Relu,
    /// x σ(x).
    Silu,
    /// tanh x.
    Tanh,
    /// x.
    Id,
}

/// What follows the output map of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FinalAct {
    /// Gated linear unit: twice the outputs, the first half times σ(second half).
    Glu,
    /// No output map at all.
    None,
    /// A pointwise nonlinearity; `id` for none.
    #[serde(untagged)]
    Pointwise(Activation),
}

/// How sequences are convolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Convolution {
    /// What is faster, by measurement.
    #[default]
    Auto,
    /// By FFT with a kernel of the sequence's length.
    Fft,
    /// Chunk by chunk.
    Chunked,
}

/// How a kernel is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelMethod {
    /// Two tables of √L powers and a batched product.
    #[default]
    BlockPowers,
    /// As in the papers: Cauchy product and Woodbury for S4, Vandermonde product for S4D.
    Paper,
    /// One step of the recurrence after the other.
    Naive,
}

//! What S4 is compared with, and what its sound is judged by.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::check_sizes;

/// Settings of softmax and linear attention.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// Heads, each with d_model / heads channels.
    #[default(4)]
    pub heads: i64,
    /// Hidden channels of the position-wise network, as a multiple of d_model.
    #[default(4)]
    pub expand: i64,
    /// Every position sees all others, not only those before it.
    pub bidirectional: bool,
}

impl AttentionConfig {
    /// Checks what the types cannot, for a model of `d_model` channels.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self, d_model: i64) -> Result<()> {
        ensure!(
            self.heads >= 1 && d_model % self.heads == 0,
            "heads must divide d_model = {d_model}, got {}",
            self.heads
        );
        ensure!(self.expand >= 1, "expand must be positive, got {}", self.expand);
        Ok(())
    }
}

/// Settings of recurrent networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// A second recurrence from the end, and a map of both to the model's width.
    pub bidirectional: bool,
}

/// Settings of a stack of recurrences, the baseline of one tier in the SampleRNN paper.
#[derive(Debug, Clone, PartialEq, Eq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StackedRnnConfig {
    /// `lstm` or `gru`.
    pub rnn_type: RnnType,
    /// Units of each recurrence; d_model where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_hidden: Option<i64>,
    /// Every layer also sees the network's input, and the output is a sum of maps of all layers'
    /// outputs, in place of the last one's.
    #[default(true)]
    pub skip_connections: bool,
    /// Weight normalisation of the maps of the layers' outputs.
    pub weight_norm: bool,
    /// Whether the state before the first position is learned.
    pub learn_h0: bool,
    /// A last map from d_hidden to d_model channels.
    pub output_linear: bool,
}

/// A recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RnnType {
    /// Long short-term memory (Hochreiter & Schmidhuber 1997).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014).
    #[default]
    Gru,
}

impl StackedRnnConfig {
    /// Checks what the types cannot, for a model of `d_model` channels.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self, d_model: i64) -> Result<()> {
        let d_hidden = self.d_hidden.unwrap_or(d_model);
        check_sizes(&[("d_hidden", d_hidden)])?;
        ensure!(
            self.output_linear || d_hidden == d_model,
            "d_hidden = {d_hidden} needs output_linear = true where d_model is {d_model}"
        );
        Ok(())
    }
}

/// Settings of dilated convolutions.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DilatedConfig {
    /// Taps K of each filter.
    #[serde(alias = "kernel")]
    #[default(3)]
    pub kernel_size: i64,
    /// Distance between the taps, of the first layer, the second, … and over again.
    #[default((0..10).map(|power| 1 << power).collect())]
    pub dilations: Vec<i64>,
    /// Filters look ahead as far as back; needs an odd size.
    pub bidirectional: bool,
}

impl DilatedConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        ensure!(self.kernel_size >= 1, "kernel_size must be positive, got {}", self.kernel_size);
        ensure!(
            !self.bidirectional || self.kernel_size % 2 == 1,
            "kernel_size must be odd where it is bidirectional, got {}",
            self.kernel_size
        );
        ensure!(
            !self.dilations.is_empty() && self.dilations.iter().all(|&dilation| dilation >= 1),
            "dilations must be positive numbers, at least one, got {:?}",
            self.dilations
        );
        Ok(())
    }
}

/// Settings of ResNeXt for small pictures. The defaults are those of the official classifier of
/// SC09, ResNeXt-29 8x64.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResnextConfig {
    /// Layers: 2 and a multiple of 9, three for each bottleneck of the three stages.
    #[default(29)]
    pub depth: i64,
    /// Groups of the convolutions inside bottlenecks.
    #[default(8)]
    pub cardinality: i64,
    /// Channels of a group in the first stage; twice and four times as many in the others.
    #[default(64)]
    pub base_width: i64,
    /// Channels between bottlenecks: 64 times this in the first stage, then 128 and 256 times.
    #[default(4)]
    pub widen: i64,
}

impl ResnextConfig {
    /// Channels that the last stage returns.
    pub fn width(&self) -> i64 {
        256 * self.widen
    }

    /// Bottlenecks of a stage.
    pub fn bottlenecks(&self) -> i64 {
        (self.depth - 2) / 9
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { depth, cardinality, base_width, widen } = *self;
        ensure!(
            depth >= 11 && (depth - 2) % 9 == 0,
            "depth must be 2 and a multiple of 9 (11, 20, 29, ...), got {depth}"
        );
        check_sizes(&[("cardinality", cardinality), ("base_width", base_width), ("widen", widen)])
    }
}

//! The part of a run's `config.toml` that steps depend on: `[model]`.
//!
//! Keys that only matter to training are passed over; names and defaults are those of the crates
//! that train.

mod sashimi;
mod stack;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use sashimi::{SashimiConfig, Variant};
pub(crate) use stack::{NormKind, Pooling, StackConfig};

/// No width, depth or number of states is larger: beyond it a config is damaged.
const LIMIT: usize = 1 << 20;

#[derive(Debug, Deserialize)]
struct File<C> {
    #[serde(default)]
    model: C,
}

/// `[model]` of the TOML `text`.
fn model<C: DeserializeOwned + Default>(text: &str) -> Result<C> {
    let File { model } = toml::from_str(text)?;
    Ok(model)
}

fn check_sizes(sizes: &[(&str, usize)]) -> Result<()> {
    for (name, size) in sizes {
        ensure!((1..=LIMIT).contains(size), "{name} must be 1 to {LIMIT}, got {size}");
    }
    Ok(())
}

/// An S4 block.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct BlockConfig {
    pub bidirectional: bool,
    pub channels: usize,
    pub l_max: Option<usize>,
    pub activation: Activation,
    pub final_act: FinalAct,
    pub ssm: SsmConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    #[default]
    Gelu,
    Relu,
    Silu,
    Tanh,
    Id,
}

/// What follows the map that mixes the channels of an S4 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum FinalAct {
    Special(Special),
    Pointwise(Activation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Special {
    /// Twice the outputs, the first half times σ(second half).
    Glu,
    /// No map at all.
    None,
}

/// What the parameters of a state space model stand for.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct SsmConfig {
    pub mode: Mode,
    pub d_state: usize,
    pub n_ssm: Option<usize>,
    pub rank: usize,
    pub dt_tie: bool,
    pub dt_transform: Transform,
    pub dt_fast: bool,
    pub real_transform: Transform,
    pub imag_transform: Transform,
    pub disc: Discretisation,
    pub bandlimit: Option<f64>,
    pub is_real: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Mode {
    #[serde(rename = "s4", alias = "dplr", alias = "nplr")]
    S4,
    #[serde(rename = "s4d", alias = "diag")]
    S4d,
}

/// How a positive quantity is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transform {
    None,
    Exp,
    Relu,
    Sigmoid,
    Softplus,
}

/// Of S4D; S4 is always bilinear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Discretisation {
    Zoh,
    Bilinear,
    Dss,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self {
            bidirectional: false,
            channels: 1,
            l_max: None,
            activation: Activation::default(),
            final_act: FinalAct::Special(Special::Glu),
            ssm: SsmConfig::default(),
        }
    }
}

impl Default for SsmConfig {
    fn default() -> Self {
        Self {
            mode: Mode::S4,
            d_state: 64,
            n_ssm: None,
            rank: 1,
            dt_tie: true,
            dt_transform: Transform::Exp,
            dt_fast: false,
            real_transform: Transform::Exp,
            imag_transform: Transform::None,
            disc: Discretisation::Zoh,
            bandlimit: None,
            is_real: false,
        }
    }
}

impl BlockConfig {
    /// Refuses what contradicts itself or cannot be stepped.
    fn validate(&self) -> Result<()> {
        let ssm = &self.ssm;
        check_sizes(&[
            ("layer.channels", self.channels),
            ("layer.ssm.d_state", ssm.d_state),
            ("layer.ssm.n_ssm", ssm.n_ssm.unwrap_or(1)),
            ("layer.ssm.rank", ssm.rank),
        ])?;
        ensure!(
            !self.bidirectional,
            "layer.bidirectional looks ahead: such a model cannot be stepped"
        );
        ensure!(
            self.l_max.is_none(),
            "layer.l_max cuts convolution kernels short, which a recurrence cannot"
        );
        ensure!(
            ssm.is_real || ssm.d_state.is_multiple_of(2),
            "layer.ssm.d_state must be even (states come in conjugate pairs), got {}",
            ssm.d_state
        );
        ensure!(!(ssm.is_real && ssm.mode == Mode::S4), "layer.ssm.is_real needs mode = \"s4d\"");
        ensure!(
            ssm.mode == Mode::S4 || ssm.disc != Discretisation::Dss,
            "layer.ssm.disc = \"dss\" depends on the length of the sequence, so it has no \
             recurrence; use the convolution"
        );
        ensure!(
            self.final_act != FinalAct::Special(Special::None) || self.channels == 1,
            "layer.final_act = \"none\" needs channels = 1, got {}",
            self.channels
        );
        Ok(())
    }
}

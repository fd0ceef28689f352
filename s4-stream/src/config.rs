//! The part of a run's `config.toml` that steps depend on: `[model]`.
//!
//! Keys that only matter to training are passed over; names and defaults are those of the crates
//! that train.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// No width, depth or number of states is larger: beyond it a config is damaged.
const LIMIT: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    model: ModelConfig,
}

/// Depth, width and wiring of SaShiMi.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct ModelConfig {
    pub d_model: usize,
    pub n_layers: usize,
    pub pool: Vec<usize>,
    pub expand: usize,
    pub ff: usize,
    pub unet: bool,
    pub variant: Variant,
    pub layer: BlockConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    #[default]
    Standalone,
    Audio,
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

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            d_model: 64,
            n_layers: 8,
            pool: vec![4, 4],
            expand: 2,
            ff: 2,
            unet: false,
            variant: Variant::default(),
            layer: BlockConfig::default(),
        }
    }
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

impl ModelConfig {
    /// Reads `[model]` of the TOML `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let File { model } = toml::from_str(text)?;
        model.validate().context("model")?;
        Ok(model)
    }

    fn validate(&self) -> Result<()> {
        let Self { layer, expand, .. } = self;
        let ssm = &layer.ssm;
        for (name, value) in [
            ("d_model", self.d_model),
            ("n_layers", self.n_layers),
            ("expand", *expand),
            ("layer.channels", layer.channels),
            ("layer.ssm.d_state", ssm.d_state),
            ("layer.ssm.n_ssm", ssm.n_ssm.unwrap_or(1)),
            ("layer.ssm.rank", ssm.rank),
        ] {
            ensure!((1..=LIMIT).contains(&value), "{name} must be 1 to {LIMIT}, got {value}");
        }
        ensure!(self.ff <= LIMIT, "ff must be at most {LIMIT}, got {}", self.ff);
        ensure!(
            self.pool.iter().all(|factor| (1..=1024).contains(factor)),
            "pool must hold factors of 1 to 1024, got {:?}",
            self.pool
        );
        let widest = self.pool.iter().try_fold(self.d_model, |width, _| {
            width.checked_mul(*expand).filter(|&width| width <= LIMIT)
        });
        ensure!(widest.is_some(), "d_model grows beyond {LIMIT} by expand = {expand}");
        ensure!(
            !layer.bidirectional,
            "layer.bidirectional looks ahead: such a model cannot be stepped"
        );
        ensure!(
            layer.l_max.is_none(),
            "layer.l_max cuts convolution kernels short, which a recurrence cannot"
        );
        ensure!(
            ssm.is_real || ssm.d_state % 2 == 0,
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
            layer.final_act != FinalAct::Special(Special::None) || layer.channels == 1,
            "layer.final_act = \"none\" needs channels = 1, got {}",
            layer.channels
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_training_are_passed_over() {
        let text = "
            [data]
            bits = 8
            [model]
            pool = [2]
            dropout = 0.1
            [model.layer]
            final_act = \"silu\"
            [model.layer.ssm]
            mode = \"diag\"
            lr = { dt = 0.001 }
            [train]
            steps = 5
        ";
        let config = ModelConfig::parse(text).unwrap();
        assert_eq!((config.d_model, config.pool), (64, vec![2]));
        assert_eq!(config.layer.ssm.mode, Mode::S4d);
        assert_eq!(config.layer.final_act, FinalAct::Pointwise(Activation::Silu));
    }

    #[test]
    fn what_cannot_be_stepped_is_named() {
        for (text, word) in [
            ("layer.bidirectional = true", "looks ahead"),
            ("layer.l_max = 5", "l_max"),
            ("layer.ssm = { mode = \"s4d\", disc = \"dss\" }", "dss"),
            ("layer.ssm.d_state = 3", "even"),
            ("layer.ssm.is_real = true", "is_real"),
            ("layer = { channels = 2, final_act = \"none\" }", "channels"),
            ("pool = [0]", "pool"),
            ("d_model = 0", "d_model"),
            ("expand = 1000\npool = [1, 1, 1, 1, 1, 1, 1]", "expand"),
            ("variant = \"other\"", "variant"),
        ] {
            let error = ModelConfig::parse(&format!("[model]\n{text}")).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{text}: {error:#}");
        }
    }
}

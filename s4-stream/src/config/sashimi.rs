//! SaShiMi's settings.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{BlockConfig, LIMIT, check_sizes, model};

/// Depth, width and wiring of SaShiMi.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct SashimiConfig {
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

impl Default for SashimiConfig {
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

impl SashimiConfig {
    /// Reads `[model]` of the TOML `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = model(text)?;
        config.validate().context("model")?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        let Self { d_model, n_layers, expand, ff, .. } = *self;
        check_sizes(&[("d_model", d_model), ("n_layers", n_layers), ("expand", expand)])?;
        ensure!(ff <= LIMIT, "ff must be at most {LIMIT}, got {ff}");
        ensure!(
            self.pool.iter().all(|factor| (1..=1024).contains(factor)),
            "pool must hold factors of 1 to 1024, got {:?}",
            self.pool
        );
        let widest = self.pool.iter().try_fold(d_model, |width, _| {
            width.checked_mul(expand).filter(|&width| width <= LIMIT)
        });
        ensure!(widest.is_some(), "d_model grows beyond {LIMIT} by expand = {expand}");
        self.layer.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Activation, FinalAct, Mode};

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
        let config = SashimiConfig::parse(text).unwrap();
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
            let error = SashimiConfig::parse(&format!("[model]\n{text}")).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{text}: {error:#}");
        }
    }
}

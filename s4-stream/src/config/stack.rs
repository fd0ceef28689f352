//! Settings of a plain stack, as classifiers of long sequences are.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{BlockConfig, check_sizes, model};

/// Depth, width and wiring.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct StackConfig {
    pub d_model: usize,
    pub n_layers: usize,
    pub norm: NormKind,
    pub prenorm: bool,
    pub pooling: Pooling,
    /// What mixes the positions.
    mixer: String,
    pub layer: BlockConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NormKind {
    /// Over the channels of each position.
    Layer,
    /// The same with one scale and one shift for all channels.
    Scalar,
    /// By the statistics that training has kept of each channel.
    Batch,
    None,
}

/// What of the outputs so far is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pooling {
    /// Their mean.
    Pool,
    Sum,
    Last,
    First,
}

impl Default for StackConfig {
    fn default() -> Self {
        Self {
            d_model: 256,
            n_layers: 6,
            norm: NormKind::Layer,
            prenorm: false,
            pooling: Pooling::Pool,
            mixer: "s4".to_owned(),
            layer: BlockConfig::default(),
        }
    }
}

impl StackConfig {
    /// Reads `[model]` of the TOML `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = model(text)?;
        config.validate().context("model")?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        check_sizes(&[("d_model", self.d_model), ("n_layers", self.n_layers)])?;
        ensure!(self.mixer == "s4", "mixer is \"{}\"; only S4 and S4D are stepped", self.mixer);
        self.layer.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_training_are_passed_over() {
        let text = "
            task = \"smnist\"
            [model]
            norm = \"batch\"
            prenorm = true
            pooling = \"last\"
            dropout = 0.1
            kernel = \"paper\"
            [train]
            steps = 5
        ";
        let config = StackConfig::parse(text).unwrap();
        assert_eq!((config.d_model, config.n_layers, config.prenorm), (256, 6, true));
        assert_eq!((config.norm, config.pooling), (NormKind::Batch, Pooling::Last));
    }

    #[test]
    fn what_cannot_be_stepped_is_named() {
        for (text, word) in [
            ("layer.bidirectional = true", "looks ahead"),
            ("layer.l_max = 5", "l_max"),
            ("norm = \"group\"", "norm"),
            ("mixer = \"lstm\"", "lstm"),
            ("n_layers = 0", "n_layers"),
        ] {
            let error = StackConfig::parse(&format!("[model]\n{text}")).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{text}: {error:#}");
        }
    }
}

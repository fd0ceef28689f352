//! Diffusion: how noise is added and taken away, and the network that finds it.

use anyhow::{Context, Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use crate::check_sizes;
use crate::sashimi::SashimiConfig;
use crate::ssm::SsmConfig;

/// Diffusion of sound (DiffWave, Kong et al. 2021): `[diffusion]` of an experiment.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionConfig {
    /// Steps T in which a sound becomes noise.
    #[default(200)]
    pub steps: usize,
    /// Variance β of the noise that the first step adds; steps between grow linearly.
    #[default(1e-4)]
    pub beta_first: f64,
    /// That of the last step.
    #[default(0.02)]
    pub beta_last: f64,
    /// β of the fast way back, the step nearest to the sound first.
    #[default(vec![1e-4, 1e-3, 0.01, 0.05, 0.2, 0.7])]
    pub fast: Vec<f64>,
    /// On the fast way back the network is told of the training step that has as much noise, as in
    /// the paper; false: of the place in the list, as the official code does.
    #[default(true)]
    pub aligned: bool,
    /// The network that finds the noise.
    pub network: NoiseNetworkConfig,
}

impl DiffusionConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            (2..=100_000).contains(&self.steps),
            "steps must be 2 to 100000, got {}",
            self.steps
        );
        ensure!(
            0.0 < self.beta_first && self.beta_first <= self.beta_last && self.beta_last < 1.0,
            "0 < beta_first <= beta_last < 1 is needed, got {} and {}",
            self.beta_first,
            self.beta_last
        );
        ensure!(
            !self.fast.is_empty() && self.fast.iter().all(|&beta| 0.0 < beta && beta < 1.0),
            "fast must hold numbers above 0 and below 1, got {:?}",
            self.fast
        );
        self.network.validate().context("network")
    }
}

/// A network from a noisy sound and the number of its step to the noise in it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoiseNetworkConfig {
    /// What mixes the positions: `sashimi`, with `[diffusion.network.sashimi]`, or `wavenet`, with
    /// `[diffusion.network.wavenet]`.
    pub backbone: NoiseBackbone,
    /// Sizes of SaShiMi.
    pub sashimi: Option<NoiseSashimiConfig>,
    /// Sizes of WaveNet.
    pub wavenet: Option<NoiseWaveNetConfig>,
    /// Sines and cosines of a step's number.
    #[default(128)]
    pub embedding: i64,
    /// Channels of the two layers behind them.
    #[default([512, 512])]
    pub hidden: [i64; 2],
    /// The mel spectrogram that it is given, for a vocoder; none for sound out of nothing.
    pub mel: Option<MelConditionConfig>,
}

/// What mixes the positions of noisy sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoiseBackbone {
    /// S4 at several resolutions (Goel et al. 2022, section 4.3).
    #[default]
    Sashimi,
    /// Dilated convolutions that look both ways.
    WaveNet,
}

/// SaShiMi as a noise network.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoiseSashimiConfig {
    /// Channels of the finest resolution.
    #[default(64)]
    pub d_model: i64,
    /// Blocks at each resolution, on each side.
    #[default(6)]
    pub n_layers: i64,
    /// Positions that are pooled into one, from fine to coarse.
    #[default(vec![4, 4])]
    pub pool: Vec<i64>,
    /// Factor by which channels grow with each pooling.
    #[default(2)]
    pub expand: i64,
    /// Hidden channels of the feed-forward part, in multiples of a block's width.
    #[default(2)]
    pub ff: i64,
    /// Blocks on the way down as well, with a skip connection from each.
    #[default(true)]
    pub unet: bool,
    /// The SSM; it looks both ways.
    pub ssm: SsmConfig,
}

/// WaveNet as a noise network.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoiseWaveNetConfig {
    /// Channels of the residual path.
    #[default(128)]
    pub channels: i64,
    /// Channels of the sum of skip connections.
    #[default(256)]
    pub skip: i64,
    /// Number of layers.
    #[default(30)]
    pub layers: i64,
    /// Dilations are 1, 2, 4, …, as many as this, and begin anew.
    #[default(10)]
    pub cycle: i64,
    /// The embedding of the step goes along the residual path, too, as in the code that published
    /// weights are from.
    pub legacy: bool,
}

/// How a mel spectrogram gets to the blocks.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MelConditionConfig {
    /// Bands of the spectrogram.
    #[default(80)]
    pub bands: i64,
    /// Factors of the two transposed convolutions that stretch it to samples; their product is its
    /// hop.
    #[default([16, 16])]
    pub upsample: [i64; 2],
    /// Pooled stages of SaShiMi are given the beginning of the stretched spectrogram rather than the
    /// mean of each group of positions: wrong, but what official weights were trained with.
    pub cut: bool,
}

impl NoiseNetworkConfig {
    /// Sizes of SaShiMi, or its defaults.
    pub fn sashimi(&self) -> NoiseSashimiConfig {
        self.sashimi.clone().unwrap_or_default()
    }

    /// Sizes of WaveNet, or its defaults.
    pub fn wavenet(&self) -> NoiseWaveNetConfig {
        self.wavenet.clone().unwrap_or_default()
    }

    /// Sounds are multiples of this many samples long.
    pub fn stride(&self) -> i64 {
        match self.backbone {
            NoiseBackbone::Sashimi => self.sashimi().pool.iter().product(),
            NoiseBackbone::WaveNet => 1,
        }
    }

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self.backbone {
            NoiseBackbone::Sashimi => "SaShiMi",
            NoiseBackbone::WaveNet => "WaveNet",
        }
    }

    /// The same with the sizes of its backbone spelt out.
    pub fn complete(mut self) -> Self {
        match self.backbone {
            NoiseBackbone::Sashimi => self.sashimi = Some(self.sashimi()),
            NoiseBackbone::WaveNet => self.wavenet = Some(self.wavenet()),
        }
        self
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let [first, second] = self.hidden;
        check_sizes(&[("embedding", self.embedding), ("hidden", first), ("hidden", second)])?;
        ensure!(
            self.embedding % 2 == 0 && self.embedding >= 4,
            "embedding must be even and at least 4, got {}",
            self.embedding
        );
        if let Some(MelConditionConfig { bands, upsample: [first, second], .. }) = self.mel {
            let sizes = [("bands", bands), ("upsample", first), ("upsample", second)];
            check_sizes(&sizes).context("mel")?;
        }
        match self.backbone {
            NoiseBackbone::Sashimi => {
                ensure!(
                    self.wavenet.is_none(),
                    "[wavenet] is of another backbone than \"sashimi\""
                );
                self.sashimi().validate().context("sashimi")
            }
            NoiseBackbone::WaveNet => {
                ensure!(
                    self.sashimi.is_none(),
                    "[sashimi] is of another backbone than \"wavenet\""
                );
                self.wavenet().validate().context("wavenet")
            }
        }
    }
}

impl NoiseSashimiConfig {
    fn validate(&self) -> Result<()> {
        check_sizes(&[("ff", self.ff)])?;
        self.ssm.validate().context("ssm")?;
        let Self { d_model, n_layers, expand, ff, unet, .. } = *self;
        let pool = self.pool.clone();
        SashimiConfig { d_model, n_layers, pool, expand, ff, unet, ..SashimiConfig::default() }
            .validate()
    }
}

impl NoiseWaveNetConfig {
    fn validate(&self) -> Result<()> {
        let Self { channels, skip, layers, cycle, .. } = *self;
        check_sizes(&[("channels", channels), ("skip", skip), ("layers", layers)])?;
        ensure!((1..=20).contains(&cycle), "cycle must be 1 to 20, got {cycle}");
        Ok(())
    }
}

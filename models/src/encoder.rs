//! From tokens or real vectors to channels.

use std::f64::consts::{SQRT_2, TAU};

use anyhow::{Result, bail, ensure};
use s4_config::{Backbone, EncoderInit, Input, NetworkConfig};
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

use crate::adaptive::AdaptiveEmbedding;
use crate::lags::Lags;

/// The first layer.
#[derive(Debug)]
pub enum Encoder {
    /// A vector per token, `weight` (vocabulary, H).
    Embedding {
        /// The vectors.
        weight: Tensor,
        /// How they began.
        init: EncoderInit,
    },
    /// Vectors of different lengths for frequent and rare tokens.
    Adaptive(AdaptiveEmbedding),
    /// A linear map of real vectors.
    Linear(Linear),
    /// The tokens themselves, in the kind and on the device of the network, for a backbone that
    /// knows what they are: one channel.
    Tokens(Kind, Device),
    /// Real vectors as they are, for a backbone that takes pictures.
    Identity {
        /// Entries per position.
        features: i64,
        /// Where inputs are expected.
        device: Device,
    },
}

/// Lowest and highest angular frequency of a feature over half the range of tokens. At the highest,
/// tokens that are 1/100 of that apart are different.
const FREQUENCIES: (f64, f64) = (0.5, 100.0);

/// The logit of a token that is equal to the last one, before anything is learned.
const FIRST_LOGIT: f64 = 5.0;

impl Encoder {
    /// Registers an embedding or a linear map, whichever the input needs. Draws from tch's CPU
    /// generator.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, input: Input, config: &NetworkConfig) -> Result<Self> {
        let width = config.width();
        ensure!(
            config.backbone() != Backbone::Resnext || matches!(input, Input::Values { .. }),
            "model.backbone = \"resnext\" takes spectrograms (data.mel), not tokens"
        );
        Ok(match input {
            _ if config.backbone() == Backbone::SampleRnn => {
                Encoder::Tokens(scope.kind(), scope.device())
            }
            Input::Tokens { vocabulary } => match &config.adaptive {
                Some(adaptive) => {
                    Encoder::Adaptive(AdaptiveEmbedding::new(scope, adaptive, vocabulary, width)?)
                }
                None => {
                    let init = config.encoder.unwrap_or_default();
                    let weight =
                        scope.parameter("weight", &draw(init, vocabulary, width), Hyper::GLOBAL)?;
                    Encoder::Embedding { weight, init }
                }
            },
            Input::Values { features } if config.backbone() == Backbone::Resnext => {
                Encoder::Identity { features, device: scope.device() }
            }
            Input::Values { features } => {
                Encoder::Linear(Linear::new(scope, features, width, Hyper::GLOBAL)?)
            }
        })
    }

    /// Tokens (B, L) or values (B, L, features) to channels (B, H, L).
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let check_tokens = || -> Result<()> {
            ensure!(x.dim() == 2, "expected tokens (batch, length), got {:?}", x.size());
            Ok(())
        };
        match self {
            Encoder::Tokens(kind, _) => {
                check_tokens()?;
                Ok(x.unsqueeze(1).f_to_kind(*kind)?)
            }
            Encoder::Embedding { weight, .. } => {
                check_tokens()?;
                Ok(Tensor::f_embedding(weight, x, -1, false, false)?.transpose(1, 2))
            }
            Encoder::Adaptive(embedding) => {
                check_tokens()?;
                embedding.forward(x)
            }
            Encoder::Linear(linear) => {
                check_values(x, linear.inputs())?;
                Ok(linear.forward(&x.transpose(1, 2)))
            }
            Encoder::Identity { features, .. } => {
                check_values(x, *features)?;
                Ok(x.transpose(1, 2))
            }
        }
    }

    /// What sees the tokens further back, where the config has such places: registers `lags.{lag}.weight`, which
    /// begin as the embedding does.
    ///
    /// # Errors
    /// If the input is no tokens, or the names are taken.
    pub(crate) fn lags(
        scope: &mut Scope,
        input: Input,
        config: &NetworkConfig,
    ) -> Result<Option<Lags>> {
        if config.lags().is_empty() {
            return Ok(None);
        }
        let Input::Tokens { vocabulary } = input else {
            bail!("model.lags is for tokens; the positions here are values: leave it out")
        };
        let draw = || draw(config.encoder.unwrap_or_default(), vocabulary, config.width());
        Lags::new(&mut scope.sub("lags"), config.lags(), draw).map(Some)
    }

    /// Where inputs are expected.
    pub fn device(&self) -> Device {
        match self {
            Encoder::Embedding { weight, .. } => weight.device(),
            Encoder::Adaptive(embedding) => embedding.options().1,
            Encoder::Linear(linear) => linear.options().1,
            Encoder::Tokens(_, device) | Encoder::Identity { device, .. } => *device,
        }
    }

    /// Different tokens, where those are embedded one by one.
    pub(crate) fn tokens(&self) -> Option<i64> {
        match self {
            Encoder::Embedding { weight, .. } => Some(weight.size()[0]),
            _ => None,
        }
    }

    /// Embedded sequences as a pass has them: in training, perhaps with entries dropped.
    pub(crate) fn drop_out(&self, x: &Tensor, train: bool) -> Tensor {
        match self {
            Encoder::Adaptive(embedding) if train => embedding.drop_out(x),
            _ => x.shallow_clone(),
        }
    }

    /// The weight (outputs, H) that a map to logits of the tokens begins with; none where it begins
    /// as any linear map.
    pub(crate) fn logits(&self, outputs: i64) -> Option<Tensor> {
        match self {
            Encoder::Embedding { weight, init: EncoderInit::Fourier }
                if weight.size()[0] == outputs =>
            {
                let weight = weight.detach().to_device(Device::Cpu);
                Some(&weight * (FIRST_LOGIT / weight.size()[1] as f64))
            }
            _ => None,
        }
    }
}

fn check_values(x: &Tensor, features: i64) -> Result<()> {
    ensure!(
        x.dim() == 3 && x.size()[2] == features,
        "expected values (batch, length, {features}), got {:?}",
        x.size()
    );
    Ok(())
}

/// An embedding of `tokens` tokens in `width` channels of variance 1, (tokens, width).
fn draw(init: EncoderInit, tokens: i64, width: i64) -> Tensor {
    let cpu = (Kind::Float, Device::Cpu);
    match init {
        EncoderInit::Normal => Tensor::randn([tokens, width], cpu),
        EncoderInit::Fourier => {
            let (low, high) = FREQUENCIES;
            let place = Tensor::arange(tokens, cpu) * (2.0 / tokens as f64) - 1.0;
            let frequency = (Tensor::rand([width], cpu) * (high / low).ln()).exp() * low;
            let phase = Tensor::rand([width], cpu) * TAU;
            (place.unsqueeze(1) * frequency + phase).sin() * SQRT_2
        }
    }
}

//! WaveNet that finds noise: dilated convolutions that look both ways, and the sum of what each layer
//! has to say.

use std::f64::consts::FRAC_1_SQRT_2;

use anyhow::{Context, Result};
use s4_config::NoiseNetworkConfig;
use s4_core::layer::linear::Linear;
use s4_core::layer::weight::{Weight, uniform};
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

use super::mel::MelCondition;
use super::{Given, pointwise};
use crate::conv::Conv;

/// (B, C, L) to (B, S, L).
#[derive(Debug)]
pub(super) struct NoiseWaveNet {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    step: Linear,
    /// Three taps around each position, (C to 2C).
    conv: Conv,
    mel: Option<MelCondition>,
    residual: Linear,
    skip: Linear,
    /// Whether the step's embedding goes along the residual path.
    legacy: bool,
}

impl NoiseWaveNet {
    /// Registers `residual_blocks.{i}.*`.
    pub(super) fn new(scope: &mut Scope, config: &NoiseNetworkConfig) -> Result<Self> {
        let sizes = config.wavenet();
        let (width, [_, embedding]) = (sizes.channels, config.hidden);
        let mut layer = |i: i64| {
            let mut scope = scope.sub(format_args!("residual_blocks.{i}"));
            let dilation = 1 << (i % sizes.cycle);
            let mut conv = scope.sub("dilated_conv_layer.conv");
            let bound = 1.0 / ((3 * width) as f64).sqrt();
            let weight = Weight::normed(&mut conv, &uniform(&[2 * width, width, 3], bound))?;
            let conv = Conv::from_weight(&mut conv, weight, Some(&uniform(&[2 * width], bound)))?;
            Ok(Layer {
                conv: conv.with_dilation(dilation),
                step: Linear::new(&mut scope.sub("fc_t"), embedding, width, Hyper::NO_DECAY)?,
                mel: match &config.mel {
                    None => None,
                    Some(mel) => Some(MelCondition::new(&mut scope, mel, 2 * width)?),
                },
                residual: pointwise(&mut scope.sub("res_conv"), width, width)?,
                skip: pointwise(&mut scope.sub("skip_conv"), width, sizes.skip)?,
                legacy: sizes.legacy,
            })
        };
        Ok(Self { layers: (0..sizes.layers).map(&mut layer).collect::<Result<_>>()? })
    }

    pub(super) fn forward(&self, x: &Tensor, given: &Given) -> Result<Tensor> {
        let mut h = x.shallow_clone();
        let mut skips: Option<Tensor> = None;
        for layer in &self.layers {
            let skip;
            (h, skip) = layer.forward(&h, given)?;
            skips = Some(match skips {
                None => skip,
                Some(sum) => sum + skip,
            });
        }
        let skips = skips.context("there is at least one layer")?;
        Ok(skips / (self.layers.len() as f64).sqrt())
    }
}

impl Layer {
    /// The next h (B, C, L), and what the layer has to say (B, S, L).
    fn forward(&self, h: &Tensor, given: &Given) -> Result<(Tensor, Tensor)> {
        let dense = given.pass.dense;
        let told = h + self.step.step(given.step).unsqueeze(-1);
        let around = self.conv.reach() / 2;
        let mut v = self.conv.forward(&told.constant_pad_nd([around, around]), dense)?; // (B, 2C, L)
        if let (Some(condition), Some(mel)) = (&self.mel, given.mel) {
            v = v.g_add(&condition.forward(mel, 1, given)?);
        }
        let halves = v.chunk(2, 1);
        let o = halves[0].tanh() * halves[1].sigmoid();
        let kept = if self.legacy { &told } else { h };
        let next = (kept + self.residual.forward_in(&o, dense)) * FRAC_1_SQRT_2;
        Ok((next, self.skip.forward_in(&o, dense)))
    }
}

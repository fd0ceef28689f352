//! A mel spectrogram on its way to a block.

use anyhow::{Result, ensure};
use s4_config::MelConditionConfig;
use s4_core::layer::linear::Linear;
use s4_core::layer::weight::{Weight, uniform};
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

use super::{Given, pointwise};

/// Slope of the leaky ReLUs where they leak.
const SLOPE: f64 = 0.4;

/// Brings a spectrogram to the rate of the samples by two transposed convolutions, and from there to
/// the rate and width of a block.
#[derive(Debug)]
pub(super) struct MelCondition {
    stretches: [Stretch; 2],
    map: Linear,
    hop: i64,
    /// Whether a pooled stage is given the beginning, as officially.
    cut: bool,
}

impl MelCondition {
    /// Registers `upsample_conv2d.*` and `mel_conv.conv.*`, to `width` channels.
    pub(super) fn new(scope: &mut Scope, config: &MelConditionConfig, width: i64) -> Result<Self> {
        let [first, second] = config.upsample;
        Ok(Self {
            stretches: [
                Stretch::new(&mut scope.sub("upsample_conv2d.0"), first)?,
                Stretch::new(&mut scope.sub("upsample_conv2d.1"), second)?,
            ],
            map: pointwise(&mut scope.sub("mel_conv.conv"), config.bands, width)?,
            hop: first * second,
            cut: config.cut,
        })
    }

    /// From (B, M, F) to (B, width, L / stride), for a stage in which `stride` samples are one
    /// position.
    pub(super) fn forward(&self, mel: &Tensor, stride: i64, given: &Given) -> Result<Tensor> {
        let positions = given.len / stride;
        let mut y = mel.unsqueeze(1);
        for stretch in &self.stretches {
            y = leaky_relu(&stretch.forward(&y)?);
        }
        let y = y.squeeze_dim(1); // (B, M, F · hop)
        ensure!(
            y.size()[2] >= given.len,
            "{} frames of a mel spectrogram, {} samples each, are too few for {} samples",
            mel.size()[2],
            self.hop,
            given.len
        );
        let y = if self.cut || stride == 1 {
            y.narrow(2, 0, positions)
        } else {
            let groups = y.narrow(2, 0, given.len).unflatten(2, [positions, stride]);
            groups.mean_dim([3i64].as_slice(), false, None)
        };
        Ok(self.map.forward_in(&y, given.pass.dense))
    }
}

/// Stretches pictures (B, 1, M, F) along their last dimension, with a look at the neighbouring rows.
#[derive(Debug)]
struct Stretch {
    /// (1, 1, 3, 2·factor).
    weight: Weight,
    bias: Tensor,
    factor: i64,
}

impl Stretch {
    fn new(scope: &mut Scope, factor: i64) -> Result<Self> {
        let shape = [1, 1, 3, 2 * factor];
        let bound = 1.0 / ((3 * 2 * factor) as f64).sqrt();
        let (weight, bias) = (uniform(&shape, bound), uniform(&[1], bound));
        let bias = scope.parameter("bias", &bias, Hyper::NO_DECAY)?;
        Ok(Self { weight: Weight::normed(scope, &weight)?, bias, factor })
    }

    /// To (B, 1, M, F·factor), or one more column where the factor is odd.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (stride, padding) = ([1, self.factor], [1, self.factor / 2]);
        let (weight, bias) = (self.weight.tensor(), Some(&self.bias));
        Ok(x.f_conv_transpose2d(&weight, bias, stride, padding, [0, 0], 1, [1, 1])?)
    }
}

fn leaky_relu(x: &Tensor) -> Tensor {
    x.maximum(&(x * SLOPE))
}

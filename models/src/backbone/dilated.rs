//! Gated dilated convolutions, as in WaveNet (van den Oord et al. 2016).

use anyhow::Result;
use s4_config::DilatedConfig;
use s4_core::layer::Pass;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::layer::weight::uniform;
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

use super::baseline::Mix;

/// W (tanh(f ∗ x) ∘ σ(g ∗ x)).
///
/// Its state is what its filters still see: the last (K - 1)·dilation inputs, (B, H, ·).
#[derive(Debug)]
pub struct Dilated {
    /// Filters f above gates g, (2H, H, K).
    weight: Tensor,
    bias: Tensor,
    output: Linear,
    dilation: i64,
    bidirectional: bool,
}

impl Dilated {
    /// Registers `conv.weight`, `conv.bias` and `output_linear.*` of the layer numbered `index`.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, width: i64, index: i64, config: &DilatedConfig) -> Result<Self> {
        config.validate()?;
        let bound = 1.0 / ((width * config.kernel_size) as f64).sqrt();
        let weight = uniform(&[2 * width, width, config.kernel_size], bound);
        let bias = uniform(&[2 * width], bound);
        let mut conv = scope.sub("conv");
        let weight = conv.parameter("weight", &weight, Hyper::GLOBAL)?;
        let bias = conv.parameter("bias", &bias, Hyper::NO_DECAY)?;
        let output = &mut scope.sub("output_linear");
        Ok(Self {
            weight,
            bias,
            output: Linear::pointwise(output, width, width, Hyper::NO_DECAY)?,
            dilation: config.dilations[index as usize % config.dilations.len()],
            bidirectional: config.bidirectional,
        })
    }

    /// Positions that an output sees beside its own.
    fn reach(&self) -> i64 {
        (self.weight.size()[2] - 1) * self.dilation
    }

    /// x (B, H, reach + L) to (B, H, L).
    fn filter(&self, x: &Tensor, dense: DenseKind) -> Result<Tensor> {
        let y = x.f_conv1d(&self.weight, Some(&self.bias), 1, 0, self.dilation, 1)?;
        let halves = y.chunk(2, 1);
        Ok(self.output.forward_in(&(halves[0].tanh() * halves[1].sigmoid()), dense))
    }
}

impl Mix for Dilated {
    fn width(&self) -> i64 {
        self.weight.size()[1]
    }

    fn bidirectional(&self) -> bool {
        self.bidirectional
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let reach = self.reach();
        let ahead = if self.bidirectional { reach / 2 } else { 0 };
        self.filter(&x.constant_pad_nd([reach - ahead, ahead]), pass.dense)
    }

    fn default_state(&self, batch: i64) -> Tensor {
        let options = (self.weight.kind(), self.weight.device());
        Tensor::zeros([batch, self.width(), self.reach()], options)
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        seen: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let all = Tensor::f_cat(&[seen, x], 2)?;
        let next = all.narrow(2, x.size()[2], self.reach());
        Ok((self.filter(&all, pass.dense)?, next))
    }
}

//! WaveNet (van den Oord et al. 2016), as in the SaShiMi paper.

use anyhow::{Context, Result};
use s4_config::WaveNetConfig;
use s4_core::layer::Pass;
use s4_core::params::Scope;
use tch::Tensor;

use super::baseline::Mix;
use crate::conv::Conv;

/// Gated dilated convolutions in residual layers, all of which also put out to a sum that the end
/// makes scores of.
///
/// Left of the first position every layer sees zeros. Its state is what the filters still see: the
/// last inputs of all layers side by side, (B, residual channels, receptive field - 1).
#[derive(Debug)]
pub struct WaveNet {
    start: Conv,
    layers: Vec<Layer>,
    end: [Conv; 2],
}

#[derive(Debug)]
struct Layer {
    filter: Conv,
    gate: Conv,
    skip: Conv,
    residual: Conv,
}

impl WaveNet {
    /// Registers `start_conv`, `filter_convs.{i}`, `gate_convs.{i}`, `skip_convs.{i}`,
    /// `residual_convs.{i}`, `end_conv_1` and `end_conv_2`: a map of `width` channels to as many.
    ///
    /// The last residual convolution, which official weights have, has no effect.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, width: i64, config: &WaveNetConfig) -> Result<Self> {
        config.validate()?;
        let WaveNetConfig { kernel_size, bias, .. } = *config;
        let (residual, dilated) = (config.residual_channels, config.dilation_channels);
        let (skip, end) = (config.skip_channels, config.end_channels);
        let mut conv = |name: &str, shape| Conv::new(&mut scope.sub(name), shape, bias);
        let start = conv("start_conv", [residual, width, 1])?;
        let mut layers = Vec::new();
        for (i, dilation) in config.dilations().into_iter().enumerate() {
            let mut conv = |name: &str, shape| conv(&format!("{name}_convs.{i}"), shape);
            let taps = [dilated, residual, kernel_size];
            layers.push(Layer {
                filter: conv("filter", taps)?.with_dilation(dilation),
                gate: conv("gate", taps)?.with_dilation(dilation),
                residual: conv("residual", [residual, dilated, 1])?,
                skip: conv("skip", [skip, dilated, 1])?,
            });
        }
        let mut conv = |name: &str, shape| Conv::new(&mut scope.sub(name), shape, true);
        let end = [conv("end_conv_1", [end, skip, 1])?, conv("end_conv_2", [width, end, 1])?];
        Ok(Self { start, layers, end })
    }

    /// Inputs of all layers that are still seen.
    fn reach(&self) -> i64 {
        self.layers.iter().map(|layer| layer.filter.reach()).sum()
    }
}

impl Mix for WaveNet {
    fn width(&self) -> i64 {
        self.start.inputs()
    }

    fn bidirectional(&self) -> bool {
        false
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.forward_with_state(x, &self.default_state(x.size()[0]), pass)?.0)
    }

    fn default_state(&self, batch: i64) -> Tensor {
        let channels = self.layers[0].filter.inputs();
        Tensor::zeros([batch, channels, self.reach()], self.start.options())
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        queues: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let (len, last) = (x.size()[2], self.layers.len() - 1);
        let mut h = self.start.forward(x, pass.dense)?;
        let (mut sum, mut next, mut at): (Option<Tensor>, _, _) = (None, Vec::new(), 0);
        for (i, Layer { filter, gate, skip, residual }) in self.layers.iter().enumerate() {
            let reach = filter.reach();
            let seen = Tensor::f_cat(&[&queues.f_narrow(2, at, reach)?, &h], 2)?;
            next.push(seen.narrow(2, len, reach));
            at += reach;
            let filtered = filter.forward(&seen, pass.dense)?.tanh();
            let y = filtered * gate.forward(&seen, pass.dense)?.sigmoid();
            let skipped = skip.forward(&y, pass.dense)?;
            sum = Some(match sum {
                None => skipped,
                Some(sum) => sum + skipped,
            });
            if i < last {
                h += residual.forward(&y, pass.dense)?;
            }
        }
        let mut y = sum.context("there is a layer at least")?;
        for conv in &self.end {
            y = conv.forward(&y.relu(), pass.dense)?;
        }
        Ok((y, Tensor::f_cat(&next, 2)?))
    }
}

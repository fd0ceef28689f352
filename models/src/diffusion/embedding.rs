//! The number of a step as a vector.

use anyhow::Result;
use s4_config::NoiseNetworkConfig;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Kind, Tensor};

/// Sines and cosines of the step's number, and two layers.
#[derive(Debug)]
pub(super) struct StepEmbedding {
    sinusoids: i64,
    layers: [Linear; 2],
}

impl StepEmbedding {
    /// Registers `fc_t1.*` and `fc_t2.*`.
    pub(super) fn new(scope: &mut Scope, config: &NoiseNetworkConfig) -> Result<Self> {
        let [first, second] = config.hidden;
        let mut linear =
            |name, input, output| Linear::new(&mut scope.sub(name), input, output, Hyper::NO_DECAY);
        let layers = [linear("fc_t1", config.embedding, first)?, linear("fc_t2", first, second)?];
        Ok(Self { sinusoids: config.embedding, layers })
    }

    /// Steps (B) to (B, E).
    pub(super) fn forward(&self, steps: &Tensor) -> Tensor {
        let kind = self.layers[0].options().0;
        let x = sinusoids(steps, self.sinusoids, kind);
        self.layers.iter().fold(x, |x, layer| layer.step(&x).silu())
    }
}

/// sin, then cos, of t·10000^(-i / (d/2 - 1)), i = 0, …, d/2 - 1: steps t (B) to (B, d).
pub fn sinusoids(steps: &Tensor, d: i64, kind: Kind) -> Tensor {
    let half = d / 2;
    let i = Tensor::arange(half, (kind, steps.device()));
    let frequencies = (i * (-(10_000f64.ln()) / (half - 1) as f64)).exp();
    let angles = steps.to_kind(kind).unsqueeze(1) * frequencies;
    Tensor::cat(&[angles.sin(), angles.cos()], 1)
}

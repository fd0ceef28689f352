//! Position-wise linear maps.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::params::{Hyper, Scope};

/// y = W x + b at every position.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Registers `weight` (out, in) and `bias` (out) of the scope, uniform in ±1/√in like
    /// `torch.nn.Linear`. `bias_hyper` says how the bias is optimised.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, input: i64, output: i64, bias_hyper: Hyper) -> Result<Self> {
        Self::with_shape(scope, &[output, input], bias_hyper)
    }

    /// As [`Linear::new`], with the weight stored like that of a 1 x 1 convolution,
    /// (out, in, 1).
    ///
    /// # Errors
    /// If the names are taken.
    pub fn pointwise(
        scope: &mut Scope,
        input: i64,
        output: i64,
        bias_hyper: Hyper,
    ) -> Result<Self> {
        Self::with_shape(scope, &[output, input, 1], bias_hyper)
    }

    fn with_shape(scope: &mut Scope, shape: &[i64], bias_hyper: Hyper) -> Result<Self> {
        let bound = 1.0 / (shape[1] as f64).sqrt();
        let cpu = (Kind::Float, tch::Device::Cpu);
        let weight = Tensor::rand(shape, cpu) * (2.0 * bound) - bound;
        let bias = Tensor::rand([shape[0]], cpu) * (2.0 * bound) - bound;
        Ok(Self {
            weight: scope.parameter("weight", &weight, Hyper::GLOBAL)?,
            bias: scope.parameter("bias", &bias, bias_hyper)?,
        })
    }

    /// Inputs a position.
    pub fn inputs(&self) -> i64 {
        self.weight.size()[1]
    }

    /// Sequences x (B, in, L) to (B, out, L).
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.matrix().matmul(x) + self.bias.unsqueeze(-1)
    }

    /// Vectors x (B, in) to (B, out).
    pub fn step(&self, x: &Tensor) -> Tensor {
        x.linear(&self.matrix(), Some(&self.bias))
    }

    fn matrix(&self) -> Tensor {
        self.weight.flatten(1, -1)
    }
}

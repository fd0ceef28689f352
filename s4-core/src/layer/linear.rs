//! Position-wise linear maps.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::weight::{Weight, uniform};
use crate::gpu;
use crate::params::{Hyper, Scope};

/// The kind in which [`Linear`] maps of sequences multiply, and, where there are kernels
/// ([`crate::gpu`]), that of the activations between the blocks. Parameters are not concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DenseKind {
    /// That of the parameters.
    #[default]
    Full,
    /// bfloat16: weight and input are rounded to it, sums are float32 inside a product, and its
    /// result is rounded once. The bias is added in the parameters' kind. A GPU's tensor cores do
    /// this many times faster, and what the backward pass keeps of the input is half as large.
    ///
    /// Where there are kernels, a stack of layers that can take it
    /// ([`takes_bf16`](super::SequenceLayer::takes_bf16)) also keeps its activations in bfloat16, from
    /// its entry to its end: norms, nonlinearities and sums calculate in float32 and round once. States
    /// of recurrences stay float32.
    Bfloat16,
}

/// y = W x + b at every position.
#[derive(Debug)]
pub struct Linear {
    weight: Weight,
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

    /// As [`Linear::new`], beginning with this `weight` (out, in) and no bias.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn from_weight(scope: &mut Scope, weight: &Tensor, bias_hyper: Hyper) -> Result<Self> {
        let bias = Tensor::zeros([weight.size()[0]], (Kind::Float, Device::Cpu));
        Ok(Self {
            weight: Weight::plain(scope, weight)?,
            bias: scope.parameter("bias", &bias, bias_hyper)?,
        })
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

    /// As [`Linear::new`] with a normalised weight, registered as `weight_g` (out, 1) and
    /// `weight_v` (out, in) like that of `torch.nn.utils.weight_norm`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn weight_normed(
        scope: &mut Scope,
        input: i64,
        output: i64,
        bias_hyper: Hyper,
    ) -> Result<Self> {
        Self::normed_with_shape(scope, &[output, input], bias_hyper)
    }

    /// As [`Linear::weight_normed`], stored like a 1 x 1 convolution: `weight_g` (out, 1, 1) and
    /// `weight_v` (out, in, 1).
    ///
    /// # Errors
    /// If the names are taken.
    pub fn weight_normed_pointwise(
        scope: &mut Scope,
        input: i64,
        output: i64,
        bias_hyper: Hyper,
    ) -> Result<Self> {
        Self::normed_with_shape(scope, &[output, input, 1], bias_hyper)
    }

    /// As [`Linear::pointwise`], beginning with zeros.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn zeros(scope: &mut Scope, input: i64, output: i64, bias_hyper: Hyper) -> Result<Self> {
        let weight = Tensor::zeros([output, input, 1], (Kind::Float, Device::Cpu));
        Self::from_weight(scope, &weight, bias_hyper)
    }

    /// As [`Linear::zeros`], and not trained: what is in it is found otherwise.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn frozen(scope: &mut Scope, input: i64, output: i64) -> Result<Self> {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let weight = scope.parameter("weight", &zeros(&[output, input, 1]), Hyper::FROZEN)?;
        let bias = scope.parameter("bias", &zeros(&[output]), Hyper::FROZEN)?;
        Ok(Self { weight: Weight::Plain(weight), bias })
    }

    fn normed_with_shape(scope: &mut Scope, shape: &[i64], bias_hyper: Hyper) -> Result<Self> {
        let (weight, bias) = initial(shape);
        let bias = scope.parameter("bias", &bias, bias_hyper)?;
        Ok(Self { weight: Weight::normed(scope, &weight)?, bias })
    }

    fn with_shape(scope: &mut Scope, shape: &[i64], bias_hyper: Hyper) -> Result<Self> {
        let (weight, bias) = initial(shape);
        Ok(Self {
            weight: Weight::plain(scope, &weight)?,
            bias: scope.parameter("bias", &bias, bias_hyper)?,
        })
    }

    /// Inputs per position.
    pub fn inputs(&self) -> i64 {
        self.weight.shape()[1]
    }

    /// Kind and device of the parameters.
    pub fn options(&self) -> (Kind, Device) {
        (self.bias.kind(), self.bias.device())
    }

    /// Sequences x (B, in, L) to (B, out, L).
    pub fn forward(&self, x: &Tensor) -> Tensor {
        if gpu::has_kernels(x) {
            return self.on_rows(x, x.kind());
        }
        // A product a sequence: `matmul` would fold batch and length into one dimension, and copy
        // x and y to do so.
        let matrix = self.matrix().unsqueeze(0).expand([x.size()[0], -1, -1], false);
        self.bias.unsqueeze(-1).baddbmm(&matrix, x, 1, 1)
    }

    /// As [`Linear::forward`], with the product in `kind`. Where x is bfloat16, so is the result.
    pub fn forward_in(&self, x: &Tensor, kind: DenseKind) -> Tensor {
        match kind {
            DenseKind::Full => self.forward(x),
            DenseKind::Bfloat16 if gpu::has_kernels(x) => self.on_rows(x, Kind::BFloat16),
            DenseKind::Bfloat16 => {
                let (matrix, x) =
                    (self.matrix().to_kind(Kind::BFloat16), x.to_kind(Kind::BFloat16));
                let product = matrix.unsqueeze(0).expand([x.size()[0], -1, -1], false).bmm(&x);
                // The sum has the kind of the bias, without a copy of the product in it.
                product + self.bias.unsqueeze(-1)
            }
        }
    }

    /// One product for all sequences, which lie channel by channel ([`gpu::channel_major`]), as the
    /// result does.
    fn on_rows(&self, x: &Tensor, product: Kind) -> Tensor {
        let rows = gpu::rows(&gpu::channel_major(&x.to_kind(product)));
        let mut y = self.matrix().to_kind(product).mm(&rows);
        let bias = self.bias.unsqueeze(-1);
        y = if x.kind() == product { y.g_add_(&bias) } else { y + bias };
        gpu::sequences(&y, x.size()[0])
    }

    /// Vectors x (…, in) to (…, out).
    pub fn step(&self, x: &Tensor) -> Tensor {
        x.linear(&self.matrix(), Some(&self.bias))
    }

    /// As [`Linear::step`], with the product in `kind`.
    pub fn step_in(&self, x: &Tensor, kind: DenseKind) -> Tensor {
        match kind {
            DenseKind::Full => self.step(x),
            DenseKind::Bfloat16 => {
                let (matrix, x) =
                    (self.matrix().to_kind(Kind::BFloat16), x.to_kind(Kind::BFloat16));
                x.linear::<Tensor>(&matrix, None) + &self.bias
            }
        }
    }

    /// b (out).
    pub(super) fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// W (out, in).
    pub(super) fn matrix(&self) -> Tensor {
        self.weight.tensor().flatten(1, -1)
    }
}

/// Weight of `shape` (out, in, …) and bias (out), uniform in ±1/√in.
fn initial(shape: &[i64]) -> (Tensor, Tensor) {
    let bound = 1.0 / (shape[1] as f64).sqrt();
    (uniform(shape, bound), uniform(&shape[..1], bound))
}

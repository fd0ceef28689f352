//! Convolutions along the sequence, without padding.

use anyhow::Result;
use s4_core::layer::linear::DenseKind;
use s4_core::layer::weight::{Weight, uniform};
use s4_core::params::{Hyper, Scope};
use tch::{Kind, Tensor};

/// `y[t] = Σₖ W[k] x[stride·t + dilation·k] + b`.
#[derive(Debug)]
pub struct Conv {
    /// (out, in, K), or (out, in) for K = 1.
    weight: Weight,
    bias: Option<Tensor>,
    stride: i64,
    dilation: i64,
}

impl Conv {
    /// Registers `weight` (out, in, K) and, if asked for, `bias` (out), uniform in ±1/√(in·K) like
    /// `torch.nn.Conv1d`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, shape: [i64; 3], bias: bool) -> Result<Self> {
        let bound = 1.0 / ((shape[1] * shape[2]) as f64).sqrt();
        let (weight, value) = (uniform(&shape, bound), bias.then(|| uniform(&shape[..1], bound)));
        let weight = Weight::plain(scope, &weight)?;
        Self::from_weight(scope, weight, value.as_ref())
    }

    /// That of a `weight`, and registers a `bias` with this value, if any.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn from_weight(scope: &mut Scope, weight: Weight, bias: Option<&Tensor>) -> Result<Self> {
        let bias = bias.map(|bias| scope.parameter("bias", bias, Hyper::NO_DECAY)).transpose()?;
        Ok(Self { weight, bias, stride: 1, dilation: 1 })
    }

    /// The same with `stride` positions between two outputs.
    pub fn with_stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    /// The same with `dilation` positions between two taps.
    pub fn with_dilation(self, dilation: i64) -> Self {
        Self { dilation, ..self }
    }

    /// Input channels.
    pub fn inputs(&self) -> i64 {
        self.weight.shape()[1]
    }

    /// Kind and device of the parameters.
    pub fn options(&self) -> (Kind, tch::Device) {
        let weight = self.weight.tensor();
        (weight.kind(), weight.device())
    }

    /// Positions that an output sees beside its own.
    pub fn reach(&self) -> i64 {
        (self.weight.shape().get(2).unwrap_or(&1) - 1) * self.dilation
    }

    /// x (B, in, L) to (B, out, (L - 1 - reach) / stride + 1), with the product in `dense`.
    ///
    /// # Errors
    /// If x is shorter than what an output sees.
    pub fn forward(&self, x: &Tensor, dense: DenseKind) -> Result<Tensor> {
        let kind = x.kind();
        let weight = self.weight.tensor();
        let (weight, x) = match dense {
            DenseKind::Full => (weight, x.shallow_clone()),
            DenseKind::Bfloat16 => (weight.to_kind(Kind::BFloat16), x.to_kind(Kind::BFloat16)),
        };
        let y = if self.reach() == 0 && self.stride == 1 {
            // A product a sequence: `matmul` would copy x and y to fold batch and length.
            let weight = weight.flatten(1, -1).unsqueeze(0).expand([x.size()[0], -1, -1], false);
            weight.f_bmm(&x)?
        } else {
            let none: Option<&Tensor> = None;
            x.f_conv1d(&weight, none, self.stride, 0, self.dilation, 1)?
        };
        let y = y.to_kind(kind);
        Ok(match &self.bias {
            None => y,
            Some(bias) => y + bias.unsqueeze(-1),
        })
    }
}

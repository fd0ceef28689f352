//! Normalisation of sequences (B, H, L).

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::params::{Hyper, Scope};

/// Which normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Over the channels of each position.
    Layer,
    /// Over batch and positions of each channel; padded positions count, as officially.
    Batch,
    /// None at all.
    None,
}

/// A normalisation with scale and shift.
#[derive(Debug)]
pub struct Norm(Option<Affine>);

#[derive(Debug)]
struct Affine {
    weight: Tensor,
    bias: Tensor,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    mean: Tensor,
    var: Tensor,
    batches: Tensor,
}

const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

impl Norm {
    /// Registers `weight`, `bias` (H) and, for batch norm, `running_mean`, `running_var`,
    /// `num_batches_tracked` of the scope; `hyper` says how scale and shift are optimised.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(scope: &mut Scope, kind: NormKind, d_model: i64, hyper: Hyper) -> Result<Self> {
        if kind == NormKind::None {
            return Ok(Self(None));
        }
        let cpu = (Kind::Float, tch::Device::Cpu);
        let (zeros, ones) = (Tensor::zeros([d_model], cpu), Tensor::ones([d_model], cpu));
        let weight = scope.parameter("weight", &ones, hyper)?;
        let bias = scope.parameter("bias", &zeros, hyper)?;
        let running = match kind {
            NormKind::Batch => Some(Running {
                mean: scope.buffer("running_mean", &zeros)?,
                var: scope.buffer("running_var", &ones)?,
                batches: scope.buffer(
                    "num_batches_tracked",
                    &Tensor::zeros([], (Kind::Int64, tch::Device::Cpu)),
                )?,
            }),
            _ => None,
        };
        Ok(Self(Some(Affine { weight, bias, running })))
    }

    /// Normalises x (B, H, L) or (B, H).
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let Some(Affine { weight, bias, running }) = &self.0 else {
            return x.shallow_clone();
        };
        let (weight, bias) = (Some(weight), Some(bias));
        match running {
            Some(running) => {
                if train {
                    let _ = running.batches.shallow_clone().g_add_scalar_(1);
                }
                let (mean, var) = (Some(&running.mean), Some(&running.var));
                x.batch_norm(weight, bias, mean, var, train, MOMENTUM, EPS, false)
            }
            None => {
                let h = x.size()[1];
                let y = x.transpose(1, -1).layer_norm([h], weight, bias, EPS, false);
                y.transpose(1, -1)
            }
        }
    }
}

//! Normalisation of sequences (B, H, L).

use anyhow::{Result, ensure};
use s4_config::NormKind;
use tch::{Kind, Tensor};

use super::batch_norm::batch_norm;
use super::channel_norm::layer_norm;
use super::column_norm::{self, column_norm};
use crate::params::{Hyper, Scope};
use crate::shard;

/// A normalisation with scale and shift.
#[derive(Debug)]
pub struct Norm(Form);

#[derive(Debug)]
enum Form {
    Identity,
    Layer(Affine),
    Scalar { shift: Tensor, scale: Tensor },
    Batch(Affine, Running),
}

#[derive(Debug)]
struct Affine {
    weight: Tensor,
    bias: Tensor,
}

impl Affine {
    fn batch_norm(&self, x: &Tensor, running: Option<&Running>, train: bool) -> Tensor {
        let running = running.map(|r| (&r.mean, &r.var));
        batch_norm(x, &self.weight, &self.bias, running, train, EPS)
    }
}

#[derive(Debug)]
struct Running {
    mean: Tensor,
    var: Tensor,
    batches: Tensor,
}

const EPS: f64 = 1e-5;

impl Norm {
    /// Registers `weight`, `bias` (H) and, for batch norm, `running_mean`, `running_var`,
    /// `num_batches_tracked` of the scope, or the scalar norm's `m`, `s` (1); `hyper` says how
    /// scale and shift are optimised.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(scope: &mut Scope, kind: NormKind, d_model: i64, hyper: Hyper) -> Result<Self> {
        let cpu = (Kind::Float, tch::Device::Cpu);
        let affine = |scope: &mut Scope| -> Result<Affine> {
            Ok(Affine {
                weight: scope.parameter("weight", &Tensor::ones([d_model], cpu), hyper)?,
                bias: scope.parameter("bias", &Tensor::zeros([d_model], cpu), hyper)?,
            })
        };
        Ok(Self(match kind {
            NormKind::None => Form::Identity,
            NormKind::Layer => Form::Layer(affine(scope)?),
            NormKind::Scalar => Form::Scalar {
                shift: scope.parameter("m", &Tensor::zeros([1], cpu), hyper)?,
                scale: scope.parameter("s", &Tensor::ones([1], cpu), hyper)?,
            },
            NormKind::Batch => {
                let affine = affine(scope)?;
                let (zeros, ones) = (Tensor::zeros([d_model], cpu), Tensor::ones([d_model], cpu));
                let none_yet = Tensor::zeros([], (Kind::Int64, tch::Device::Cpu));
                let running = Running {
                    mean: scope.buffer("running_mean", &zeros)?,
                    var: scope.buffer("running_var", &ones)?,
                    batches: scope.buffer("num_batches_tracked", &none_yet)?,
                };
                Form::Batch(affine, running)
            }
        }))
    }

    /// Checks that x (B, H, L) or (B, H) can be normalised in training.
    ///
    /// # Errors
    /// If batch norm has one value a channel, whose variance is not defined.
    pub fn check(&self, x: &Tensor) -> Result<()> {
        let has_more = x.numel() as i64 > x.size()[1] || shard::current().is_some_and(|s| s.of > 1);
        ensure!(
            !matches!(self.0, Form::Batch(..)) || has_more,
            "batch norm needs more than one value a channel, and this batch has one sequence of one \
             position; raise train.batch_size, or set model.norm = \"layer\""
        );
        Ok(())
    }

    /// Normalises x (B, H, L) or (B, H).
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        match &self.0 {
            Form::Identity => x.shallow_clone(),
            Form::Layer(Affine { weight, bias }) => layer_norm(x, weight, bias, EPS),
            Form::Scalar { shift, scale } => scalar_norm(x, shift, scale),
            Form::Batch(affine, running) => {
                if train {
                    let _ = running.batches.shallow_clone().g_add_scalar_(1);
                }
                affine.batch_norm(x, Some(running), train)
            }
        }
    }

    /// [`Norm::forward`] in training for a batch that it has seen: running statistics stay as they
    /// are.
    pub fn forward_again(&self, x: &Tensor) -> Tensor {
        match &self.0 {
            Form::Batch(affine, _) => affine.batch_norm(x, None, true),
            _ => self.forward(x, true),
        }
    }
}

/// Biased and without an epsilon, as officially.
fn scalar_norm(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Tensor {
    if let Some(y) = column_norm(x, column_norm::Affine::Scalar, scale, shift, 0.0) {
        return y;
    }
    let kind = x.kind();
    let x = x.to_kind(scale.kind());
    let channels = [1i64];
    let centred = &x - x.mean_dim(channels.as_slice(), true, None);
    let variance = centred.square().mean_dim(channels.as_slice(), true, None);
    ((centred + shift) * (scale / variance.sqrt())).to_kind(kind)
}

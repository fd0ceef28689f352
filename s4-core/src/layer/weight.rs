//! Weights of linear maps and convolutions, (out, in, …), and how they begin.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::params::{Hyper, Scope};

/// A weight as it is stored.
#[derive(Debug)]
pub enum Weight {
    /// As it is.
    Plain(Tensor),
    /// Weight normalisation (Salimans and Kingma 2016): each `direction[i]` scaled to the length
    /// `length[i]`.
    Normed {
        /// (n, 1, …).
        length: Tensor,
        /// (n, …).
        direction: Tensor,
    },
}

impl Weight {
    /// Registers `weight`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn plain(scope: &mut Scope, value: &Tensor) -> Result<Self> {
        Ok(Weight::Plain(scope.parameter("weight", value, Hyper::GLOBAL)?))
    }

    /// Registers `weight_g` and `weight_v`, like `torch.nn.utils.weight_norm`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn normed(scope: &mut Scope, value: &Tensor) -> Result<Self> {
        Ok(Weight::Normed {
            length: scope.parameter("weight_g", &lengths(value), Hyper::GLOBAL)?,
            direction: scope.parameter("weight_v", value, Hyper::GLOBAL)?,
        })
    }

    /// The shape of the weight.
    pub fn shape(&self) -> Vec<i64> {
        match self {
            Weight::Plain(weight) => weight.size(),
            Weight::Normed { direction, .. } => direction.size(),
        }
    }

    /// The weight.
    pub fn tensor(&self) -> Tensor {
        match self {
            Weight::Plain(weight) => weight.shallow_clone(),
            Weight::Normed { length, direction } => direction * (length / lengths(direction)),
        }
    }
}

/// Values uniform in ±`bound` on the CPU.
pub fn uniform(shape: &[i64], bound: f64) -> Tensor {
    Tensor::rand(shape, (Kind::Float, Device::Cpu)) * (2.0 * bound) - bound
}

/// Euclidean length of each `weight[i]`, as (n, 1, …).
fn lengths(weight: &Tensor) -> Tensor {
    let others: Vec<i64> = (1..weight.dim() as i64).collect();
    weight.square().sum_dim_intlist(others.as_slice(), true, None).sqrt()
}

//! From tokens or real vectors to channels.

use anyhow::{Result, ensure};
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

use super::InputKind;

/// The first layer.
#[derive(Debug)]
pub enum Encoder {
    /// A vector a token, `weight` (vocabulary, H).
    Embedding(Tensor),
    /// A linear map of real vectors.
    Linear(Linear),
}

impl Encoder {
    /// Registers an embedding or a linear map, whichever the input needs.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, input: InputKind, d_model: i64) -> Result<Self> {
        Ok(match input {
            InputKind::Tokens { vocabulary } => {
                let weight = Tensor::randn([vocabulary, d_model], (Kind::Float, Device::Cpu));
                Encoder::Embedding(scope.parameter("weight", &weight, Hyper::GLOBAL)?)
            }
            InputKind::Values { features } => {
                Encoder::Linear(Linear::new(scope, features, d_model, Hyper::GLOBAL)?)
            }
        })
    }

    /// Tokens (B, L) or values (B, L, features) to channels (B, H, L).
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Encoder::Embedding(weight) => {
                ensure!(x.dim() == 2, "expected tokens (batch, length), got {:?}", x.size());
                Ok(Tensor::f_embedding(weight, x, -1, false, false)?.transpose(1, 2))
            }
            Encoder::Linear(linear) => {
                ensure!(
                    x.dim() == 3 && x.size()[2] == linear.inputs(),
                    "expected values (batch, length, {}), got {:?}",
                    linear.inputs(),
                    x.size()
                );
                Ok(linear.forward(&x.transpose(1, 2)))
            }
        }
    }
}

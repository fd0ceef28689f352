//! Dropout, with the mask tied along time or not.

use s4_config::StackConfig;
use tch::{Kind, Tensor};

/// Zeroes entries with probability `p` and scales the rest by 1/(1 - p).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability of dropping an entry, in [0, 1).
    pub p: f64,
    /// One mask (B, H) for all positions of a sequence (`DropoutNd` of the official code).
    pub tied: bool,
}

impl From<&StackConfig> for Dropout {
    fn from(config: &StackConfig) -> Self {
        Self { p: config.dropout, tied: config.tie_dropout }
    }
}

impl Dropout {
    /// Applies the dropout to x (B, H, …) when training.
    pub fn forward(self, x: &Tensor, train: bool) -> Tensor {
        if !train || self.p == 0.0 {
            return x.shallow_clone();
        }
        if !self.tied {
            return x.dropout(self.p, true);
        }
        let mut shape = x.size();
        for size in shape.iter_mut().skip(2) {
            *size = 1;
        }
        // In bfloat16 random numbers would be too coarse.
        let kind = if x.kind() == Kind::BFloat16 { Kind::Float } else { x.kind() };
        let keep = Tensor::rand(shape, (kind, x.device())).ge(self.p).to_kind(kind);
        x * (keep / (1.0 - self.p)).to_kind(x.kind())
    }
}

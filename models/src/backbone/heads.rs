//! The linear maps on both sides of attention.
//!
//! Shapes: B batch, L length, H channels, D = H / heads channels a head.

use anyhow::Result;
use s4_config::AttentionConfig;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

/// What attention works on, each (B, heads, L, D).
#[derive(Debug)]
pub struct Projected {
    /// What each position looks for.
    pub queries: Tensor,
    /// What each position is found by.
    pub keys: Tensor,
    /// What each position has to tell.
    pub values: Tensor,
}

/// From channels to queries, keys and values of each head, and from the heads' outputs to channels.
#[derive(Debug)]
pub struct Heads {
    input: Linear,
    output: Linear,
    /// Number of heads.
    pub heads: i64,
    /// H.
    pub width: i64,
    /// Whether every position sees all others.
    pub bidirectional: bool,
}

impl Heads {
    /// Registers `in_proj.*` (H to 3H) and `out_proj.*` (H to H).
    ///
    /// # Errors
    /// If `heads` does not divide `width`, or the names are taken.
    pub fn new(scope: &mut Scope, width: i64, config: &AttentionConfig) -> Result<Self> {
        config.validate(width)?;
        Ok(Self {
            input: Linear::new(&mut scope.sub("in_proj"), width, 3 * width, Hyper::NO_DECAY)?,
            output: Linear::new(&mut scope.sub("out_proj"), width, width, Hyper::NO_DECAY)?,
            heads: config.heads,
            width,
            bidirectional: config.bidirectional,
        })
    }

    /// D.
    pub fn head_width(&self) -> i64 {
        self.width / self.heads
    }

    /// Kind and device of the parameters.
    pub fn options(&self) -> (Kind, Device) {
        self.input.options()
    }

    /// Splits x (B, H, L). The product is in `dense`.
    pub fn split(&self, x: &Tensor, dense: DenseKind) -> Projected {
        let (batch, length) = (x.size()[0], x.size()[2]);
        let all = self.input.step_in(&x.transpose(1, 2), dense); // (B, L, 3H)
        // The channels of a head stay next to each other, as libtorch's fast kernels ask for.
        let all =
            all.reshape([batch, length, 3, self.heads, self.head_width()]).permute([2, 0, 3, 1, 4]);
        Projected { queries: all.select(0, 0), keys: all.select(0, 1), values: all.select(0, 2) }
    }

    /// Joins the heads' outputs y (B, heads, L, D) to (B, H, L). The product is in `dense`.
    pub fn merge(&self, y: &Tensor, dense: DenseKind) -> Tensor {
        self.output.step_in(&y.transpose(1, 2).flatten(2, 3), dense).transpose(1, 2)
    }
}

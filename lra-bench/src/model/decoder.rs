//! From channels to class scores.

use anyhow::Result;
use s4_core::layer::linear::Linear;
use s4_core::layer::mask;
use s4_core::params::{Hyper, Scope};
use serde::{Deserialize, Serialize};
use tch::Tensor;

impl Pooling {
    /// x (B, H, L) to (B, H), with lengths (B) where sequences are padded.
    pub fn forward(self, x: &Tensor, lengths: Option<&Tensor>) -> Tensor {
        let len = x.size()[2];
        let sum = || match lengths {
            None => x.sum_dim_intlist([2i64].as_slice(), false, None),
            Some(lengths) => {
                mask::zero_padding(x, lengths).sum_dim_intlist([2i64].as_slice(), false, None)
            }
        };
        match (self, lengths) {
            (Pooling::Sum, _) => sum(),
            (Pooling::Pool, None) => x.mean_dim([2i64].as_slice(), false, None),
            (Pooling::Pool, Some(lengths)) => sum() / lengths.unsqueeze(-1),
            (Pooling::First, _) => x.select(2, 0),
            (Pooling::Last, None) => x.select(2, len - 1),
            (Pooling::Last, Some(lengths)) => {
                let index = (lengths - 1).view([-1, 1, 1]).expand([-1, x.size()[1], 1], false);
                x.gather(2, &index, false).squeeze_dim(2)
            }
        }
    }
}

/// The last layer.
#[derive(Debug)]
pub struct Decoder {
    pooling: Pooling,
    head: Head,
}

#[derive(Debug)]
enum Head {
    Single(Linear),
    /// Compares two documents a and b by (a, b, a - b, a ∘ b), as natural language inference
    /// models do.
    Pairs(Linear, Linear),
}

impl Decoder {
    /// Registers `output_transform.*` for one sequence an example.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn single(scope: &mut Scope, d: i64, classes: i64, pooling: Pooling) -> Result<Self> {
        let linear = Linear::new(&mut scope.sub("output_transform"), d, classes, Hyper::GLOBAL)?;
        Ok(Self { pooling, head: Head::Single(linear) })
    }

    /// Registers `retrieval.classifier.*` for two sequences an example.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn pairs(scope: &mut Scope, d: i64, classes: i64, pooling: Pooling) -> Result<Self> {
        let mut scope = scope.sub("retrieval.classifier");
        let hidden = Linear::new(&mut scope.sub("0"), 4 * d, d, Hyper::GLOBAL)?;
        let output = Linear::new(&mut scope.sub("2"), d, classes, Hyper::GLOBAL)?;
        Ok(Self { pooling, head: Head::Pairs(hidden, output) })
    }

    /// x (B, H, L), or (2B, H, L) for pairs, to scores (B, classes).
    pub fn forward(&self, x: &Tensor, lengths: Option<&Tensor>) -> Tensor {
        let x = self.pooling.forward(x, lengths);
        match &self.head {
            Head::Single(linear) => linear.step(&x),
            Head::Pairs(hidden, output) => {
                let half = x.size()[0] / 2;
                let (a, b) = (x.narrow(0, 0, half), x.narrow(0, half, half));
                let features = Tensor::cat(&[&a, &b, &(&a - &b), &(&a * &b)], 1);
                output.step(&hidden.step(&features).gelu("none"))
            }
        }
    }
}

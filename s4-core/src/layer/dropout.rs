//! Dropout, with the mask tied along time or not.

use s4_config::StackConfig;
use tch::{Kind, Tensor};

use crate::shard;

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
        let mut shape = x.size();
        if !self.tied {
            if shard::current().is_none() {
                return x.dropout(self.p, true);
            }
            let mask = shard::draw(shape[0], |rows| ones_like(x, rows).dropout(self.p, true));
            return x * mask;
        }
        for size in shape.iter_mut().skip(2) {
            *size = 1;
        }
        // In bfloat16 random numbers would be too coarse.
        let kind = if x.kind() == Kind::BFloat16 { Kind::Float } else { x.kind() };
        let random = shard::draw(shape[0], |rows| {
            shape[0] = rows;
            Tensor::rand(&shape, (kind, x.device()))
        });
        x * (random.ge(self.p).to_kind(kind) / (1.0 - self.p)).to_kind(x.kind())
    }
}

/// Ones in `rows` rows that lie in memory as x does: which entry gets which random number follows from
/// that.
fn ones_like(x: &Tensor, rows: i64) -> Tensor {
    let (shape, strides) = (x.size(), x.stride());
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&dim| {
        std::cmp::Reverse(if shape[dim] > 1 { strides[dim] } else { i64::MAX })
    });
    let sizes = |dim: usize| if dim == 0 { rows } else { shape[dim] };
    let lying: Vec<i64> = order.iter().map(|&dim| sizes(dim)).collect();
    let mut back = vec![0; order.len()];
    for (place, &dim) in order.iter().enumerate() {
        back[dim] = place as i64;
    }
    Tensor::ones(&lying, (x.kind(), x.device())).permute(back)
}

//! Masks for padded sequences.

use tch::{Kind, Tensor};

/// 1 at positions t < length, 0 behind: lengths (B) give (B, 1, L) in `kind`.
pub fn valid(lengths: &Tensor, len: i64, kind: Kind) -> Tensor {
    let positions = Tensor::arange(len, (Kind::Int64, lengths.device()));
    positions.lt_tensor(&lengths.unsqueeze(-1)).unsqueeze(1).to_kind(kind)
}

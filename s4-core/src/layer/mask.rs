//! Masks for padded sequences.

use tch::{Kind, Tensor};

/// x (B, H, L) with zeros at positions t >= length, for lengths (B). Whatever stood there, NaN
/// included, has no effect.
pub fn zero_padding(x: &Tensor, lengths: &Tensor) -> Tensor {
    let len = *x.size().last().expect("x has three dimensions");
    let positions = Tensor::arange(len, (Kind::Int64, lengths.device()));
    let valid = positions.lt_tensor(&lengths.unsqueeze(-1)).unsqueeze(1); // (B, 1, L)
    // `masked_fill` would not keep the memory as it lies.
    x.where_self(&valid, &Tensor::zeros([], (x.kind(), x.device())))
}

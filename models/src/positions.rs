//! Positions, for layers that look by content only.

use tch::{Kind, Tensor};

/// Longest wavelength over 2π.
const LONGEST: f64 = 10_000.0;

/// Adds the sinusoids of Vaswani et al. 2017 to x (B, H, L): channel 2i gets sin(t / 10000^(2i/H)),
/// channel 2i + 1 the cosine.
pub fn add_positions(x: &Tensor, first: i64) -> Tensor {
    let (width, length) = (x.size()[1], x.size()[2]);
    let kind = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let float = (kind, x.device());
    let pairs = (width + 1) / 2;
    let exponents = Tensor::arange(pairs, float) * (-2.0 * LONGEST.ln() / width as f64);
    let angles = exponents.exp().unsqueeze(1) * Tensor::arange_start(first, first + length, float); // (H/2, L)
    let waves = Tensor::stack(&[angles.sin(), angles.cos()], 1).flatten(0, 1);
    x + waves.narrow(0, 0, width).to_kind(x.kind())
}

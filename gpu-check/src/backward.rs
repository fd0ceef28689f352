//! Backward passes without a loss, whose own operations would be timed as well.

use anyhow::Result;
use s4_core::autograd;
use tch::{Kind, Tensor};

/// Back-propagates gradients, those `of` each of `ys`.
pub fn backward(ys: &[&Tensor], of: &[&Tensor]) -> Result<()> {
    let root = Tensor::f_zeros([], (Kind::Float, ys[0].device()))?;
    let copies = |of: &[Tensor]| of.iter().map(|g| Some(g.shallow_clone())).collect();
    let of: Vec<Tensor> = of.iter().map(|g| g.shallow_clone()).collect();
    autograd::attach(ys, &[&root], move |_| Ok(copies(&of)))?;
    Ok(root.f_backward()?)
}

//! Steps in plain tensor operations: AdamW's, the oracle of the fused step and its stand-in on devices
//! that have none, and that of stochastic gradient descent.

use anyhow::Result;
use s4_core::foreach::AdamW;
use tch::Tensor;

/// One AdamW update of one tensor (Loshchilov & Hutter 2019, algorithm 2, with PyTorch's order of
/// operations). `step` counts from 1. With g the gradient:
///
/// ```text
/// p <- p (1 - lr wd)
/// m <- b1 m + (1 - b1) g              v <- b2 v + (1 - b2) g²
/// p <- p - lr/(1 - b1^t) · m / (sqrt(v)/sqrt(1 - b2^t) + eps)
/// ```
pub(super) fn adamw(
    param: &Tensor,
    grad: &Tensor,
    exp_avg: &Tensor,
    exp_avg_sq: &Tensor,
    step: i64,
    by: &AdamW,
) -> Result<()> {
    let AdamW { lr, weight_decay, beta1, beta2, eps } = *by;
    // Aliases: the in-place calls of tch want `&mut`, and the leaf keeps requiring gradients.
    let mut param = param.detach();
    let mut exp_avg = exp_avg.shallow_clone();
    let mut exp_avg_sq = exp_avg_sq.shallow_clone();

    let _ = param.f_mul_scalar_(1.0 - lr * weight_decay)?;
    let _ = exp_avg.f_lerp_(grad, 1.0 - beta1)?;
    let _ =
        exp_avg_sq.f_mul_scalar_(beta2)?.f_add_(&grad.f_square()?.f_mul_scalar(1.0 - beta2)?)?;

    let correction1 = 1.0 - beta1.powf(step as f64);
    let correction2 = 1.0 - beta2.powf(step as f64);
    let denom = exp_avg_sq.f_sqrt()?.f_div_scalar(correction2.sqrt())?.f_add_scalar(eps)?;
    let _ = param.f_sub_(&exp_avg.f_div(&denom)?.f_mul_scalar(lr / correction1)?)?;
    Ok(())
}

/// One update of stochastic gradient descent with momentum, as `torch.optim.SGD` without dampening:
///
/// ```text
/// b <- momentum b + (g + wd p)        p <- p - lr b
/// ```
pub(super) fn sgd(
    param: &Tensor,
    grad: &Tensor,
    buffer: &Tensor,
    momentum: f64,
    by: &AdamW,
) -> Result<()> {
    let mut param = param.detach();
    let mut buffer = buffer.shallow_clone();
    let decayed = grad.f_add(&param.f_mul_scalar(by.weight_decay)?)?;
    let _ = buffer.f_mul_scalar_(momentum)?.f_add_(&decayed)?;
    let _ = param.f_sub_(&buffer.f_mul_scalar(by.lr)?)?;
    Ok(())
}

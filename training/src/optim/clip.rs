//! Clipping of the gradient's norm (Pascanu et al. 2013) or values. Off in all of the S4 papers' runs;
//! SampleRNN's are clipped by value.

use anyhow::{Result, ensure};
use s4_core::foreach;
use tch::Tensor;

/// Scales all gradients together so that their joint L2 norm is at most `max_norm` (above 0;
/// infinity only measures), and returns the norm from before, a scalar on the parameters' device,
/// or `None` where no parameter has a gradient.
///
/// The host does not wait for the device: the factor `min(1, max_norm / (norm + 1e-6))` (PyTorch's
/// `clip_grad_norm_`) stays there, and reading the returned norm is up to the caller. A norm that is
/// NaN makes every gradient NaN; the guard reports that.
///
/// # Errors
/// If `max_norm` is not above 0.
pub fn clip_grad_norm<'a>(
    params: impl IntoIterator<Item = &'a Tensor>,
    max_norm: f64,
) -> Result<Option<Tensor>> {
    ensure!(
        max_norm > 0.0,
        "the largest gradient norm is {max_norm}; it must be above 0 (leave it out to not clip)"
    );
    let _guard = tch::no_grad_guard();
    let grads: Vec<Tensor> = params.into_iter().map(Tensor::grad).filter(Tensor::defined).collect();
    if grads.is_empty() {
        return Ok(None);
    }
    // One copy and one reduction, where a norm per tensor takes two launches for each.
    let norm = Tensor::f_flatten_dense_tensors(&grads)?.f_norm()?;
    if max_norm.is_finite() {
        let factor = (norm.f_add_scalar(1e-6)?.f_reciprocal()? * max_norm).f_clamp_max(1.0)?;
        foreach::multiply(&grads.iter().collect::<Vec<_>>(), &factor)?;
    }
    Ok(Some(norm))
}

/// Limits every entry of all gradients to ±`max` (above 0), as PyTorch's `clip_grad_value_`.
///
/// # Errors
/// If `max` is not above 0.
pub fn clip_grad_value<'a>(params: impl IntoIterator<Item = &'a Tensor>, max: f64) -> Result<()> {
    ensure!(
        max > 0.0,
        "the largest gradient is {max}; it must be above 0 (leave it out to not clip)"
    );
    let _guard = tch::no_grad_guard();
    for mut grad in params.into_iter().map(Tensor::grad).filter(Tensor::defined) {
        let _ = grad.f_clamp_(-max, max)?;
    }
    Ok(())
}

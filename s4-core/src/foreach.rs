//! Operations on whole lists of tensors, which tch does not bind: one call, and on a GPU one or two
//! kernels, where a loop over tensors costs several launches for each. The host waits for nothing.

use std::ffi::c_char;

use anyhow::{Result, ensure};
use tch::Tensor;
use torch_sys::C_tensor;

use crate::native::message::check;

/// The numbers of one AdamW update (Loshchilov & Hutter 2019), with PyTorch's meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decoupled weight decay per unit of learning rate.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// The tensors of one update, index by index: equal lengths, shapes, kinds and device.
#[derive(Debug, Default)]
pub struct AdamWLists<'a> {
    /// Parameters, contiguous.
    pub params: Vec<&'a Tensor>,
    /// Their gradients, of any strides.
    pub grads: Vec<&'a Tensor>,
    /// First moments, contiguous.
    pub exp_avgs: Vec<&'a Tensor>,
    /// Second moments, contiguous.
    pub exp_avg_sqs: Vec<&'a Tensor>,
}

/// One AdamW update of all tensors in `lists`, in place. `step` counts from 1 and holds for all.
///
/// # Errors
/// If libtorch has no fused AdamW for the device.
pub fn adamw(lists: &AdamWLists, step: i64, by: &AdamW) -> Result<()> {
    let AdamWLists { params, grads, exp_avgs, exp_avg_sqs } = lists;
    let count = params.len();
    ensure!(
        [grads, exp_avgs, exp_avg_sqs].iter().all(|list| list.len() == count),
        "the lists of an update differ in length"
    );
    let [params, grads, exp_avgs, exp_avg_sqs] =
        [params, grads, exp_avgs, exp_avg_sqs].map(|list| pointers(list));
    let _guard = tch::no_grad_guard();
    // SAFETY: as many live tensors in each list as `count` says; `by` is laid out as in C.
    unsafe {
        check(s4_foreach_adamw(
            params.as_ptr(),
            grads.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            count,
            step,
            by,
        ))
    }
}

/// Multiplies every tensor by the scalar tensor `factor`, in place.
///
/// # Errors
/// If devices differ.
pub fn multiply(tensors: &[&Tensor], factor: &Tensor) -> Result<()> {
    if tensors.is_empty() {
        return Ok(());
    }
    let _guard = tch::no_grad_guard();
    let list = pointers(tensors);
    // SAFETY: live tensors, as many as the length says.
    unsafe { check(s4_foreach_multiply(list.as_ptr(), list.len(), factor.as_ptr())) }
}

/// The largest absolute value of each tensor, as scalar tensors on its device; NaN where a tensor
/// holds NaN.
///
/// # Errors
/// If a tensor has no elements.
pub fn max_abs(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let _guard = tch::no_grad_guard();
    let list = pointers(tensors);
    let mut largest = vec![std::ptr::null_mut(); list.len()];
    // SAFETY: live tensors, and a place for the result of each.
    unsafe { check(s4_foreach_max_abs(list.as_ptr(), list.len(), largest.as_mut_ptr())) }?;
    // SAFETY: without an error there is a tensor in each place, and it is ours.
    Ok(largest.into_iter().map(|tensor| unsafe { Tensor::from_ptr(tensor) }).collect())
}

fn pointers(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

unsafe extern "C" {
    fn s4_foreach_adamw(
        params: *const *const C_tensor,
        grads: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        count: usize,
        step: i64,
        by: *const AdamW,
    ) -> *mut c_char;
    fn s4_foreach_multiply(
        tensors: *const *const C_tensor,
        count: usize,
        factor: *const C_tensor,
    ) -> *mut c_char;
    fn s4_foreach_max_abs(
        tensors: *const *const C_tensor,
        count: usize,
        largest: *mut *mut C_tensor,
    ) -> *mut c_char;
}

//! Gradients summed over all processes while the backward pass goes on.
//!
//! As soon as the gradients of a bucket of parameters are there, their sum is under way; the flat sum
//! after the backward pass ([`flat_sums`]) is the naive twin. Buckets have a group of
//! their own: what else the processes say to each other meanwhile cannot get into their order.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

use anyhow::{Context, Result};
use s4_core::message::check;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::World;
use crate::group::Group;

/// Buckets are of at least so many bytes.
const BYTES: i64 = 1 << 20;

/// The sums of all processes' gradients of `params`, of which this process has `own`, in one operation;
/// zeros where none has one.
///
/// # Errors
/// [`Lost`](crate::Lost).
pub fn flat_sums(world: &World, params: &[&Tensor], own: &[Tensor]) -> Result<Vec<Tensor>> {
    let or_zeros = params.iter().zip(own).map(|(param, gradient)| {
        Ok(if gradient.defined() {
            gradient.shallow_clone()
        } else {
            param.f_zeros_like()?.detach()
        })
    });
    let own = or_zeros.collect::<Result<Vec<_>>>()?;
    let flat = Tensor::f_flatten_dense_tensors(&own)?;
    world.sum(&flat)?;
    Ok(Tensor::f_unflatten_dense_tensors(&flat, &own)?)
}

/// The gradients of some parameters, in buckets.
#[derive(Debug)]
pub struct Buckets {
    buckets: NonNull<c_void>,
    group: Group,
    params: usize,
}

// SAFETY: used by one thread after another, as the group is.
unsafe impl Send for Buckets {}

impl Buckets {
    pub(crate) fn new(group: Group, params: &[&Tensor]) -> Result<Self> {
        let pointers: Vec<_> = params.iter().map(|param| param.as_ptr()).collect();
        let mut buckets = std::ptr::null_mut();
        // SAFETY: a live group and tensors with their number, and a place for the result.
        unsafe {
            check(s4_buckets_new(
                group.pointer(),
                pointers.as_ptr(),
                pointers.len(),
                BYTES,
                &mut buckets,
            ))
        }?;
        let buckets = NonNull::new(buckets).context("no buckets came out")?;
        Ok(Self { buckets, group, params: params.len() })
    }

    /// The next backward pass completes the gradients of a step.
    ///
    /// # Errors
    /// If libtorch refuses.
    pub fn begin(&self) -> Result<()> {
        // SAFETY: live buckets.
        unsafe { check(s4_buckets_begin(self.buckets.as_ptr())) }
    }

    /// Waits for the sums of the gradients of each parameter, in order; zeros where no process has one.
    /// They are good until the next [`Self::begin`]. `None` if there was more than one backward pass:
    /// the gradients are still those of this process.
    ///
    /// # Errors
    /// [`Lost`](crate::Lost).
    pub fn finish(&self) -> Result<Option<Vec<Tensor>>> {
        let mut is_spoiled = false;
        self.group.watched(
            || "all-reduce of gradients".to_owned(),
            // SAFETY: live buckets, and a place for the result.
            || unsafe { check(s4_buckets_finish(self.buckets.as_ptr(), &mut is_spoiled)) },
        )?;
        if is_spoiled {
            return Ok(None);
        }
        // SAFETY: live buckets, numbers below that of their parameters; the tensors are ours.
        let sum =
            |number| unsafe { Tensor::from_ptr(s4_buckets_sum(self.buckets.as_ptr(), number)) };
        Ok(Some((0..self.params).map(sum).collect()))
    }

    /// The error after which they are of no use any more.
    pub fn lost(&self) -> Option<&str> {
        self.group.lost()
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        // As the group's own: threads may wait for what never comes.
        if self.group.lost().is_none() {
            // SAFETY: live buckets, not used again.
            unsafe { s4_buckets_delete(self.buckets.as_ptr()) };
        }
    }
}

unsafe extern "C" {
    fn s4_buckets_new(
        group: *mut c_void,
        params: *const *const C_tensor,
        count: usize,
        bytes: i64,
        buckets: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_buckets_begin(buckets: *mut c_void) -> *mut c_char;
    fn s4_buckets_finish(buckets: *mut c_void, is_spoiled: *mut bool) -> *mut c_char;
    fn s4_buckets_sum(buckets: *mut c_void, number: usize) -> *mut C_tensor;
    fn s4_buckets_delete(buckets: *mut c_void);
}

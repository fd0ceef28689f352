//! The memory of tensors on a device other than the CPU, as libtorch's allocator counts it.

use std::ffi::c_char;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::native::message::check;

/// The most bytes that tensors on `device` took at once, since the start or [`reset_peak`].
///
/// # Errors
/// If the device is the CPU or has no allocator that counts.
pub fn peak(device: Device) -> Result<u64> {
    let on = on(device)?;
    let mut bytes = 0;
    // SAFETY: `on` is a live tensor, `bytes` a place for the result.
    unsafe { check(s4_device_memory_peak(on.as_ptr(), &mut bytes)) }?;
    Ok(bytes.unsigned_abs())
}

/// The bytes of memory that the device has.
///
/// # Errors
/// If the device is the CPU or has no allocator that knows.
pub fn total(device: Device) -> Result<u64> {
    let on = on(device)?;
    let mut bytes = 0;
    // SAFETY: `on` is a live tensor, `bytes` a place for the result.
    unsafe { check(s4_device_memory_total(on.as_ptr(), &mut bytes)) }?;
    Ok(bytes.unsigned_abs())
}

/// Lets the [`peak`] begin anew, with what is now taken.
///
/// # Errors
/// If the device is the CPU or has no allocator that counts.
pub fn reset_peak(device: Device) -> Result<()> {
    let on = on(device)?;
    // SAFETY: `on` is a live tensor.
    unsafe { check(s4_device_memory_reset_peak(on.as_ptr())) }
}

/// A tensor there; the allocator is ready once there is one.
fn on(device: Device) -> Result<Tensor> {
    ensure!(device != Device::Cpu, "the memory of the CPU is the process's");
    Ok(Tensor::f_empty([1], (Kind::Uint8, device))?)
}

unsafe extern "C" {
    fn s4_device_memory_peak(on: *const C_tensor, bytes: *mut i64) -> *mut c_char;
    fn s4_device_memory_total(on: *const C_tensor, bytes: *mut i64) -> *mut c_char;
    fn s4_device_memory_reset_peak(on: *const C_tensor) -> *mut c_char;
}

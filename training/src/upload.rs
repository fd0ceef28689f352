//! Batches on their way from the host to the model's device.

use anyhow::Result;
use tch::{Device, Tensor};

/// `tensor`, which is on the CPU, on `device`. To CUDA it is copied from pinned memory, so that the
/// host goes on while the copy runs; on the CPU the result shares storage with `tensor`.
///
/// # Errors
/// If host or device are out of memory.
pub fn upload(tensor: &Tensor, device: Device) -> Result<Tensor> {
    if device.is_cuda() {
        // Not `pin_memory`, whose device libtorch warns of, and tch has no form without one.
        let pinned = tensor.f_internal_pin_memory(device)?;
        Ok(pinned.f_to_device_(device, tensor.kind(), true, false)?)
    } else {
        Ok(tensor.shallow_clone())
    }
}

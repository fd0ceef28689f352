//! The precisions in which everything is timed.

use anyhow::Result;
use s4_core::layer::Pass;
use tch::Device;
use training::precision::Precision;

/// TF32 comes last: libtorch's switch for it is the process's, and is not put back.
pub const ALL: [(Precision, &str); 3] =
    [(Precision::Float32, "float32"), (Precision::Bf16, "bf16"), (Precision::Tf32, "TF32")];

/// Sets the process up for `precision`; false where it is no other than float32.
pub fn prepare(precision: Precision, device: Device) -> Result<bool> {
    precision.prepare(device)?;
    Ok(device.is_cuda() || precision != Precision::Tf32)
}

/// A training pass.
pub fn pass(precision: Precision) -> Pass {
    Pass { dense: precision.dense(), ..Pass::train() }
}

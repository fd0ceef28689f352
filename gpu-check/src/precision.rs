//! The precisions in which everything is timed.

use anyhow::Result;
use s4_core::gpu;
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use tch::{Device, Kind, Tensor};
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

/// Sequences (B, H, L) as a stack hands them to its blocks.
pub fn as_in_a_stack(x: &Tensor, pass: &Pass) -> Tensor {
    if !gpu::has_kernels(x) {
        return x.shallow_clone();
    }
    let kind = match pass.dense {
        DenseKind::Bfloat16 => Kind::BFloat16,
        DenseKind::Full => x.kind(),
    };
    gpu::channel_major(&x.to_kind(kind))
}

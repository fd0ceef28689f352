//! The precisions in which everything is timed.

use anyhow::Result;
use s4_core::layer::Pass;
use tch::Device;
use training::precision::Precision;

/// Those that there are on `device`, with their names. The process is set up for each as it comes.
///
/// TF32 comes last: libtorch's switch for it is the process's, and is not put back.
pub fn all(device: Device) -> impl Iterator<Item = Result<(Precision, &'static str)>> {
    [(Precision::Float32, "float32"), (Precision::Bf16, "bf16"), (Precision::Tf32, "TF32")]
        .into_iter()
        // On a CPU it is no other than float32.
        .filter(move |(precision, _)| device.is_cuda() || *precision != Precision::Tf32)
        .map(move |(precision, name)| precision.prepare(device).map(|_| (precision, name)))
}

/// A training pass.
pub fn pass(precision: Precision) -> Pass {
    Pass { dense: precision.dense(), ..Pass::train() }
}

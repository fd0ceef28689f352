//! How exactly a training run multiplies.

use anyhow::{Result, ensure};
use s4_core::layer::linear::DenseKind;
use s4_core::tf32;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

/// What a training run computes in. But for `float64`, parameters, optimiser, SSM kernels, states
/// and loss are float32, and so is the arithmetic of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32.
    #[default]
    Float32,
    /// Every float32 matrix product on a CUDA device rounds its factors to TF32 (8 bits of exponent
    /// as float32, 10 of mantissa) and sums in float32. This is a setting of the process: it also
    /// holds for evaluations during training and for the last product of a convolution kernel.
    Tf32,
    /// The linear maps inside and between the blocks multiply in bfloat16 while training (8 bits of
    /// exponent as float32, 7 of mantissa), with weights kept in float32; evaluations do not. On a
    /// CUDA device with NVRTC, activations between the blocks are stored in bfloat16, too, where all
    /// of the layers are S4 or position-wise, and the convolution multiplies in it; sums are float32.
    Bf16,
    /// Everything is float64, in training and evaluation, checkpoints included: to tell rounding
    /// from error. On a CPU alone, at about half the speed.
    Float64,
}

impl Precision {
    /// The kind of the model's parameters, and of its inputs.
    ///
    /// # Errors
    /// If it is float64 on another device than the CPU.
    pub fn kind(self, device: Device) -> Result<Kind> {
        if self != Precision::Float64 {
            return Ok(Kind::Float);
        }
        ensure!(
            device == Device::Cpu,
            "train.precision = \"float64\" is for a CPU, and this is {device:?}; use --device cpu, or \
             float32"
        );
        Ok(Kind::Double)
    }

    /// How linear maps multiply in training steps.
    pub fn dense(self) -> DenseKind {
        match self {
            Precision::Bf16 => DenseKind::Bfloat16,
            Precision::Float32 | Precision::Tf32 | Precision::Float64 => DenseKind::Full,
        }
    }

    /// Sets libtorch up for it, and returns a line for the user where it is not plain float32.
    ///
    /// # Errors
    /// If TF32 is wanted on a CUDA device and libtorch does not switch it on.
    pub fn prepare(self, device: Device) -> Result<Option<&'static str>> {
        Ok(match (self, device.is_cuda()) {
            (Precision::Float32, _) => None,
            (Precision::Float64, _) => Some("precision: float64"),
            (Precision::Tf32, true) => {
                tf32::allow();
                ensure!(
                    tf32::is_allowed(),
                    "train.precision = \"tf32\": libtorch did not switch TF32 on (use float32 or bf16 \
                     instead)"
                );
                Some("precision: TF32 in matrix products")
            }
            (Precision::Tf32, false) => Some(
                "precision: train.precision = \"tf32\" has no effect on a CPU; products are in \
                 float32",
            ),
            (Precision::Bf16, true) => Some(
                "precision: bfloat16 in products and between blocks, float32 in sums and states",
            ),
            (Precision::Bf16, false) => Some(
                "precision: bfloat16 in linear maps, float32 elsewhere; on a CPU that is as a rule \
                 slower than float32",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The switch moves; without a CUDA device nothing depends on it.
    #[test]
    fn tf32_can_be_allowed() {
        assert!(!tf32::is_allowed(), "it is off until it is asked for");
        tf32::allow();
        assert!(tf32::is_allowed());
    }

    #[test]
    fn float64_is_for_a_cpu() {
        assert_eq!(Precision::Float64.kind(Device::Cpu).unwrap(), Kind::Double);
        let message = Precision::Float64.kind(Device::Cuda(0)).unwrap_err().to_string();
        assert!(message.contains("--device cpu"), "{message}");
        assert_eq!(Precision::Bf16.kind(Device::Cuda(0)).unwrap(), Kind::Float);
    }

    #[test]
    fn what_to_expect_on_a_cpu_is_said() {
        let line = |precision: Precision| precision.prepare(Device::Cpu).unwrap();
        assert_eq!(line(Precision::Float32), None);
        assert!(line(Precision::Tf32).unwrap().contains("no effect on a CPU"));
        assert!(line(Precision::Bf16).unwrap().contains("slower"));
    }
}

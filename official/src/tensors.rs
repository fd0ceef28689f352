//! Tensors of a file as libtorch's, and back.

use anyhow::{Result, bail, ensure};
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};
use torch_file::{Dtype, RawTensor};

const KINDS: [(Dtype, Kind); 12] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I16, Kind::Int16),
    (Dtype::I8, Kind::Int8),
    (Dtype::U8, Kind::Uint8),
    (Dtype::Bool, Kind::Bool),
    (Dtype::C64, Kind::ComplexFloat),
    (Dtype::C128, Kind::ComplexDouble),
];

/// The tensor, on the CPU.
pub(crate) fn tensor(raw: &RawTensor) -> Result<Tensor> {
    let shape: Vec<i64> = raw.shape.iter().map(|&size| size as i64).collect();
    let kind = KINDS.iter().find(|(dtype, _)| *dtype == raw.dtype).map(|(_, kind)| *kind);
    let Some(kind) = kind else { bail!("libtorch has no {:?}", raw.dtype) };
    if raw.bytes.is_empty() {
        return Ok(Tensor::f_empty(shape, (kind, Device::Cpu))?);
    }
    Ok(Tensor::f_from_data_size(&raw.bytes, &shape, kind)?)
}

/// A tensor as a file has it.
pub(crate) fn raw(tensor: &Tensor) -> Result<RawTensor> {
    let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
    let kind = tensor.kind();
    let dtype = KINDS.iter().find(|(_, other)| *other == kind).map(|(dtype, _)| *dtype);
    let Some(dtype) = dtype else { bail!("no file of torch.save has {kind:?}") };
    let mut bytes = vec![0; tensor.numel() * dtype.size()];
    if !bytes.is_empty() {
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    }
    let shape = tensor.size().iter().map(|&size| size as usize).collect();
    Ok(RawTensor { dtype, shape, bytes })
}

/// Whether every number is finite.
///
/// # Errors
/// With the names of the tensors that have others.
pub(crate) fn check_finite(weights: &StateDict) -> Result<()> {
    let is_finite = |tensor: &Tensor| {
        !tensor.is_floating_point() || tensor.isfinite().all().int64_value(&[]) == 1
    };
    let wrong: Vec<_> =
        weights.iter().filter(|(_, tensor)| !is_finite(tensor)).map(|(name, _)| name).collect();
    ensure!(
        wrong.is_empty(),
        "{} holds numbers that are infinite or none (NaN): that training diverged; take an earlier \
         checkpoint of it",
        wrong.join(", ")
    );
    Ok(())
}

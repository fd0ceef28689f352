//! Kernels of our own on tensors: what a `.cu` file beside the Rust needs to be started.
//!
//! Each such kernel has a twin in tensor operations, which is used where [`launcher`] has none.
//! Tests run the kernels on a CPU (the feature `host` of the crate `cuda`).

use std::ffi::c_void;

use anyhow::Result;
use cuda::{Argument, Kernel, Launcher, Value, Where};
use tch::{Device, Kind, Tensor};

use crate::dispatched;

/// What starts kernels where the tensor is; `None` where there are none.
pub fn launcher(x: &Tensor) -> Option<&'static Launcher> {
    match x.device() {
        Device::Cpu => Launcher::at(Where::Host),
        Device::Cuda(index) => Launcher::at(Where::Gpu(index)),
        _ => None,
    }
}

/// Whether kernels run where the tensor is: there, sequences lie channel by channel
/// ([`channel_major`]).
pub fn has_kernels(x: &Tensor) -> bool {
    launcher(x).is_some()
}

/// What kernels call a kind of tensor; `None` for one that they do not know.
pub fn type_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Float => Some("float"),
        Kind::Double => Some("double"),
        Kind::BFloat16 => Some("bf16"),
        _ => None,
    }
}

/// A kind as a constant of a kernel.
///
/// # Panics
/// If [`type_name`] has no name for it.
pub fn type_value(kind: Kind) -> Value {
    Value::Type(type_name(kind).expect("a kind that kernels know"))
}

/// a b for matrices or batches of them, in float32 where they are bfloat16: sums over whole sequences,
/// which become gradients of parameters. A GPU has the float32 sums at hand.
pub fn exact_product(a: &Tensor, b: &Tensor) -> Tensor {
    let plain = |a: &Tensor, b: &Tensor| if a.dim() == 2 { a.mm(b) } else { a.bmm(b) };
    match (a.kind(), a.device(), a.dim()) {
        (Kind::BFloat16, Device::Cuda(_), 2) => a.mm_dtype(b, Kind::Float),
        (Kind::BFloat16, Device::Cuda(_), _) => a.bmm_dtype(b, Kind::Float),
        (Kind::BFloat16, ..) => plain(&a.to_kind(Kind::Float), &b.to_kind(Kind::Float)),
        _ => plain(a, b),
    }
}

/// The address of a tensor's first element, as an argument; the tensor must be contiguous.
pub fn address(x: &Tensor) -> Argument {
    debug_assert!(x.is_contiguous(), "a kernel reads contiguous tensors");
    Argument::Pointer(x.data_ptr().cast_const())
}

/// As [`address`], null without a tensor.
pub fn address_or_null(x: Option<&Tensor>) -> Argument {
    x.map_or(Argument::Pointer(std::ptr::null::<c_void>()), address)
}

/// Size as an `int` argument.
///
/// # Panics
/// If it is too large for one.
pub fn int(x: i64) -> Argument {
    Argument::Int(i32::try_from(x).expect("a size below 2³¹"))
}

/// Starts a kernel where `on` is.
///
/// # Safety
/// As [`Launcher::launch`].
///
/// # Errors
/// As [`Launcher::launch`].
pub unsafe fn launch(
    on: &Tensor,
    kernel: &Kernel,
    grid: (i64, i64, i64),
    threads: i64,
    arguments: &[Argument],
) -> Result<()> {
    let launcher = launcher(on).expect("kernels are started where they are");
    let _ours = dispatched::ours(kernel.name);
    // SAFETY: as the caller promises.
    unsafe { launcher.launch(kernel, grid, threads, arguments) }
}

/// Sequences (B, H, L) with the memory of (H, B, L): all positions of a channel in one row, so that a
/// map of the channels is one matrix product and chunks are rows. The shape stays; nothing is copied
/// where the memory is like that already.
pub fn channel_major(x: &Tensor) -> Tensor {
    x.transpose(0, 1).contiguous().transpose(0, 1)
}

/// The rows (H, B·L) of sequences (B, H, L) that are [`channel_major`], without a copy then.
pub fn rows(x: &Tensor) -> Tensor {
    x.transpose(0, 1).flatten(1, 2)
}

/// Rows (H, B·L) as sequences (B, H, L).
pub fn sequences(rows: &Tensor, batch: i64) -> Tensor {
    let (h, positions) = rows.size2().expect("rows have two dimensions");
    rows.view([h, batch, positions / batch]).transpose(0, 1)
}

/// Every kernel of this crate, in variants that stand for all: for the test that compiles them.
#[doc(hidden)]
pub fn kernels() -> Vec<Kernel> {
    let mut all = crate::layer::gpu_kernels();
    all.extend(crate::ssm::gpu_kernels());
    all.extend(crate::conv::chunked::gpu_kernels());
    all
}

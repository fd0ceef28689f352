//! What kernels on rows (H, P) share: a block works on a part of one row.

use cuda::{Kernel, Value};
use tch::{Kind, Tensor};

use crate::gpu;

/// Threads of a block.
pub(super) const THREADS: i64 = 256;

/// Packs that a thread works on, where a row is long enough.
const PACKS: i64 = 4;

/// Bytes that a thread loads at once, where rows allow it.
const BYTES: i64 = 16;

/// Sizes of a launch on rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: i64,
    pub(super) positions: i64,
    /// Values that are loaded at once.
    pub(super) pack: i64,
    /// Blocks that share a row.
    pub(super) blocks: i64,
}

impl Shape {
    /// Of `rows` rows of all these tensors, the first of which has rows of the length that counts.
    pub(super) fn of(rows: i64, tensors: &[&Tensor]) -> Self {
        let positions = tensors[0].size()[1];
        let pack = pack(tensors, BYTES);
        let blocks = ((positions / pack) as u64).div_ceil((PACKS * THREADS) as u64) as i64;
        Self { rows, positions, pack, blocks: blocks.max(1) }
    }

    /// Blocks of the launch.
    pub(super) fn grid(self) -> (i64, i64, i64) {
        (self.blocks, self.rows, 1)
    }
}

/// How many values of the tensors' rows can be loaded at once, by `bytes` at most: one where rows
/// do not begin at multiples of that.
pub(super) fn pack(tensors: &[&Tensor], bytes: i64) -> i64 {
    let size = tensors[0].kind().elt_size_in_bytes() as i64;
    let pack = (bytes / size).max(1);
    let aligned = |x: &&Tensor| (x.data_ptr() as usize).is_multiple_of((pack * size) as usize);
    if tensors[0].size()[1] % pack == 0 && tensors.iter().all(aligned) { pack } else { 1 }
}

/// The kind of sums, means and parameters for activations of a kind.
pub(super) fn sum_kind(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::Double } else { Kind::Float }
}

/// A kernel on rows of a kind.
pub(super) fn kernel(name: &'static str, source: &'static str, kind: Kind, pack: i64) -> Kernel {
    let constants = vec![
        ("VALUE", gpu::type_value(kind)),
        ("SUM", gpu::type_value(sum_kind(kind))),
        ("PACK", Value::Number(pack)),
    ];
    Kernel { name, source, constants }
}

/// Whether the kernels of these names run where x (H, P) is, in its kind.
pub(super) fn have_kernels(x: &Tensor, source: &'static str, names: &[&'static str]) -> bool {
    let (kind, pack) = (x.kind(), pack(&[x], BYTES));
    let has = |name: &&'static str| {
        gpu::launcher(x).is_some_and(|l| l.has(&kernel(name, source, kind, pack)))
    };
    gpu::type_name(kind).is_some() && names.iter().all(has)
}

/// The kernels of these names for all kinds and packs.
pub(super) fn variants(names: &[&'static str], source: &'static str) -> Vec<Kernel> {
    let kinds = [(Kind::Float, 4), (Kind::Double, 2), (Kind::BFloat16, 8)];
    let of =
        |name| kinds.map(|(kind, pack)| [1, pack].map(|pack| kernel(name, source, kind, pack)));
    names.iter().flat_map(|&name| of(name).into_iter().flatten()).collect()
}

/// A tensor as kernels read parameters: detached, contiguous, in the kind of sums for `kind`.
pub(super) fn parameter(x: &Tensor, kind: Kind) -> Tensor {
    x.detach().to_kind(sum_kind(kind)).contiguous()
}

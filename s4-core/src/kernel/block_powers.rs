//! `K[aT + b] = (c Ā^{aT}) (Āᵇ b̄)`: every length L = M·T factors into two tables of about √L powers
//! and one batched (M, N)·(N, T) product a channel. Memory O(H N √L) beside the kernel itself.
//!
//! The tables are doubled in float64, log₂ L products in all, so the error does not grow with L;
//! only the last product runs in the model's kind.

use tch::{Kind, Tensor};

use crate::ssm::discrete::DiscreteSsm;

/// The kernels (C, H, len) in `kind`.
pub fn kernel(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Tensor {
    let (stride, count) = block_shape(len);
    let columns = ssm.columns(stride).to_kind(kind); // (H, N, T)
    let rows = ssm.rows(stride, count).to_kind(kind); // (C, H, M, N)
    let blocks = rows.matmul(&columns); // (C, H, M, T)
    blocks.flatten(-2, -1).narrow(-1, 0, len)
}

/// T and M with T·M >= `len`, T the power of two next above √len.
pub(crate) fn block_shape(len: i64) -> (i64, i64) {
    let mut stride = 1;
    while stride * stride < len {
        stride *= 2;
    }
    (stride, (len + stride - 1) / stride)
}

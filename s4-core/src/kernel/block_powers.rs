//! `K[aT + b] = (c Ā^{aT}) (Āᵇ b̄)`: every length L = M·T factors into two tables of about √L powers
//! and one batched (M, N)·(N, T) product a channel. Memory O(H N √L) beside the kernel itself.
//!
//! The tables are doubled in float64, log₂ L products in all, so the error does not grow with L;
//! only the last product runs in the model's kind.

use tch::{Kind, Tensor};

use crate::ssm::discrete::{DiscreteSsm, rows};
use crate::ssm::transition::Squares;

/// The kernels (C, H, len) in `kind`.
pub fn kernel(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Tensor {
    let (log_stride, count) = block_shape(len);
    let stride = 1 << log_stride;
    let columns = ssm.columns(stride, kind); // (H, N, T)
    let mut strides = Squares::new(&ssm.a.full_power(stride).transposed());
    let rows = rows(&mut strides, &ssm.c, count).to_kind(kind); // (C, H, M, N)
    let blocks = rows.matmul(&columns); // (C, H, M, T)
    blocks.flatten(-2, -1).narrow(-1, 0, len)
}

/// log₂ T and M with T·M >= `len`, T the power of two next above √len.
pub(crate) fn block_shape(len: i64) -> (usize, i64) {
    let mut log_stride = 0;
    while 1 << (2 * log_stride) < len {
        log_stride += 1;
    }
    (log_stride, (len + (1 << log_stride) - 1) >> log_stride)
}

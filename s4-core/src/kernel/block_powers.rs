//! `K[aT + b] = (c Ā^{aT}) (Āᵇ b̄)`: every length L = M·T factors into two tables of about √L powers
//! and one batched (M, N)·(N, T) product a channel. Memory O(H N √L) beside the kernel itself.
//!
//! The tables are stepped in float64, about 2 √L steps in all, so the error does not grow with L;
//! only the last product runs in the model's kind.
//!
//! For the steps from row to row, S4's Āᵀ is a diagonal minus R T columns and rows while that is less
//! work than a full matrix and its squares ([`Strides`]).

use tch::{Device, Kind, Tensor};

use crate::ssm::discrete::{DiscreteSsm, rows};
use crate::ssm::krylov::krylov;
use crate::ssm::transition::{Squares, Transition};

/// The kernels (C, H, len) in `kind`.
pub fn kernel(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Tensor {
    let strides = Strides::of(&ssm.a, len);
    let (stride, count) = (strides.stride, (len + strides.stride - 1) / strides.stride);
    let columns = ssm.columns(stride, kind); // (H, N, T)
    // c Ā^{aT}, (C, H, M, N)
    let rows = match &ssm.a {
        Transition::LowRank(a) if strides.low_rank => {
            let power = Transition::LowRank(a.power(stride).transposed());
            krylov(&power, &ssm.c, count, kind).transpose(-1, -2)
        }
        a => match a.full_power(stride).transposed() {
            power @ Transition::Diagonal(_) => {
                krylov(&power, &ssm.c, count, kind).transpose(-1, -2)
            }
            power => rows(&mut Squares::new(&power), &ssm.c, count).to_kind(kind),
        },
    };
    let blocks = rows.matmul(&columns); // (C, H, M, T)
    blocks.flatten(-2, -1).narrow(-1, 0, len)
}

/// How the rows are stepped.
#[derive(Debug, PartialEq, Eq)]
struct Strides {
    /// T.
    stride: i64,
    /// Whether by columns and rows of Āᵀ rather than by the matrix.
    low_rank: bool,
}

impl Strides {
    /// A step of a row costs 2 N R T by columns and rows, 2 N R L for all of them, where the matrix
    /// takes products of N³. On two CPU cores the former are faster up to L = N² / R.
    fn of(a: &Transition, len: i64) -> Self {
        let whole = 1 << block_shape(len).0;
        match a {
            Transition::LowRank(a) if a.p.device() == Device::Cpu => {
                let (states, rank) = (a.p.size()[1], a.rank());
                let low_rank = rank * len <= states * states;
                let most = if low_rank { (states / (2 * rank)).max(1) } else { whole };
                Self { stride: whole.min(most), low_rank }
            }
            _ => Self { stride: whole, low_rank: false },
        }
    }
}

/// log₂ T and M with T·M >= `len`, T the power of two next above √len.
pub(crate) fn block_shape(len: i64) -> (usize, i64) {
    let mut log_stride = 0;
    while 1 << (2 * log_stride) < len {
        log_stride += 1;
    }
    (log_stride, (len + (1 << log_stride) - 1) >> log_stride)
}

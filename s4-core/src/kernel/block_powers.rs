//! `K[aT + b] = (c Ā^{aT}) (Āᵇ b̄)`: every length L = M·T factors into two tables of about √L powers
//! and one batched (M, N)·(N, T) product a channel. Memory O(H N √L) beside the kernel itself.
//!
//! The tables are stepped in float64, about 2 √L steps in all, so the error does not grow with L;
//! only the last product runs in the model's kind.
//!
//! For the steps from row to row, S4's Āᵀ is a diagonal minus R T columns and rows while that is less
//! work than a full matrix and its squares.

use tch::{Device, Kind, Tensor};

use super::carried;
use crate::ssm::discrete::{DiscreteSsm, rows};
use crate::ssm::krylov::krylov;
use crate::ssm::transition::{Squares, Transition};

/// The kernels (C, H, len) in `kind`.
pub fn kernel(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Tensor {
    if carried::is_served(ssm, kind) {
        let (log_stride, count) = block_shape(len);
        let kernel = carried::kernel(ssm, 1 << log_stride, count, kind);
        return kernel.expect("kernels that compile can be started").narrow(-1, 0, len);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::naive;
    use crate::ssm::low_rank::LowRank;
    use crate::ssm::transition::Rotation;

    /// Contractions of H systems: kernels, and the gradients of a random functional of them for every
    /// part of the system, against those of steps.
    #[test]
    fn kernels_are_those_of_steps() {
        for (n, r) in [(2, 1), (6, 2), (64, 1), (64, 2), (128, 1), (64, 0), (6, 0)] {
            for (len, c) in [(1, 2), (2, 1), (17, 2), (784, 1), (1024, 2)] {
                agree(n, r, len, c);
            }
        }
    }

    fn agree(n: i64, r: i64, len: i64, c: i64) {
        let (h, double) = (2, (Kind::Double, Device::Cpu));
        let angle = Tensor::rand([h, n / 2], double) * 3.0;
        let size = Tensor::rand([h, n / 2], double) * 0.2 + 0.75;
        let low_rank = |shape: [i64; 3]| Tensor::randn(shape, double) * (0.2 / n as f64).sqrt();
        let leaves = [
            &size * angle.cos(),
            &size * angle.sin(),
            low_rank([h, n, r]),
            low_rank([h, r, n]),
            Tensor::randn([h, n], double),
            Tensor::randn([c, h, n], double),
        ]
        .map(|x| x.set_requires_grad(true));
        let weight = Tensor::randn([c, h, len], double);
        let outcome = |kernel: &dyn Fn(&DiscreteSsm, i64, Kind) -> Tensor| {
            let [re, im, p, q, b, c] = leaves.each_ref().map(|x| x * 1.0);
            let d = Rotation { re, im };
            let a = match r {
                0 => Transition::Diagonal(d),
                _ => Transition::LowRank(LowRank { d, p, q }),
            };
            let k = kernel(&DiscreteSsm { a, b, c }, len, Kind::Double);
            let sum = (&k * &weight).sum(Kind::Double);
            // The first value depends on b and c alone.
            let of = match (len, r) {
                (1, _) => vec![4, 5],
                (_, 0) => vec![0, 1, 4, 5],
                _ => (0..6).collect(),
            };
            let of: Vec<_> = of.into_iter().map(|i: usize| &leaves[i]).collect();
            let gradients = Tensor::run_backward(&[sum], &of, false, false);
            std::iter::once(k.detach()).chain(gradients).collect::<Vec<_>>()
        };
        for (found, expected) in outcome(&kernel).iter().zip(outcome(&naive::kernel)) {
            let scale = expected.abs().max().double_value(&[]).max(1e-300);
            let error = (found - expected).abs().max().double_value(&[]) / scale;
            assert!(error < 1e-10, "N {n} R {r} L {len} C {c}: {error:e}");
        }
    }

    #[test]
    fn long_kernels_go_by_matrices() {
        let (h, n) = (1, 64);
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        let a = |r| {
            let d = Rotation { re: zeros(&[h, n / 2]), im: zeros(&[h, n / 2]) };
            Transition::LowRank(LowRank { d, p: zeros(&[h, n, r]), q: zeros(&[h, r, n]) })
        };
        for (r, len, stride, low_rank) in [
            (1, 1, 1, true),
            (1, 100, 16, true),
            (1, 1024, 32, true),
            (1, 4096, 32, true),
            (1, 4097, 128, false),
            (2, 2048, 16, true),
            (2, 2049, 64, false),
        ] {
            assert_eq!(Strides::of(&a(r), len), Strides { stride, low_rank }, "R {r}, L {len}");
        }
    }
}

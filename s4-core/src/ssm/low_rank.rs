//! Diagonal plus low-rank transitions Ā = D - P Q and their powers.
//!
//! Products stay in that form, P and Q growing by each other's rank:
//!
//! ```text
//! (D₁ - P₁ Q₁) (D₂ - P₂ Q₂) = D₁D₂ - [D₁P₂  P₁] [Q₂ ; Q₁(D₂ - P₂ Q₂)]
//! ```
//!
//! so that the first powers of S4's Ā are applied in O(N·rank), not O(N²).
//!
//! Shapes: H channels, N states, R rank, K columns.

use anyhow::bail;
use tch::{Kind, Tensor};

use super::krylov::krylov;
use super::transition::{Rotation, Transition};
use crate::autograd;

/// x ↦ D∘x - P Q x.
#[derive(Debug)]
pub struct LowRank {
    /// D.
    pub d: Rotation,
    /// P, (H, N, R).
    pub p: Tensor,
    /// Q, (H, R, N).
    pub q: Tensor,
}

impl LowRank {
    /// R.
    pub fn rank(&self) -> i64 {
        self.p.size()[2]
    }

    /// Ā X for columns X (…, H, N, K).
    pub fn apply_columns(&self, x: &Tensor) -> Tensor {
        self.d.apply_columns(x) - self.p.matmul(&self.q.matmul(x))
    }

    /// Āᵀ.
    pub fn transposed(&self) -> Self {
        Self { d: self.d.transposed(), p: self.q.transpose(-1, -2), q: self.p.transpose(-1, -2) }
    }

    /// `self` after `other`, of the two ranks' sum.
    pub fn compose(&self, other: &Self) -> Self {
        let p = Tensor::cat(&[self.d.apply_columns(&other.p), self.p.shallow_clone()], -1);
        let after = other.transposed().apply_columns(&self.q.transpose(-1, -2));
        let q = Tensor::cat(&[other.q.shallow_clone(), after.transpose(-1, -2)], -2);
        Self { d: self.d.compose(&other.d), p, q }
    }

    /// Āᵏ = Dᵏ - Σ_j D^{k-1-j} P Q Āʲ, of rank R k, for k >= 1.
    pub fn power(&self, k: i64) -> Self {
        let diagonal = Transition::Diagonal(self.d.copy());
        let columns = krylov(&diagonal, &self.p.movedim_int(-1, 0), k, Kind::Double).flip([-1]); // (R, H, N, k)
        let transposed = Transition::LowRank(self.transposed());
        let rows = krylov(&transposed, &self.q.movedim_int(-2, 0), k, Kind::Double); // (R, H, N, k)
        let side_by_side = |x: &Tensor| x.permute([1, 2, 0, 3]).flatten(-2, -1); // (H, N, R k)
        let (p, q) = (side_by_side(&columns), side_by_side(&rows).transpose(-1, -2));
        Self { d: self.d.power(k), p, q }
    }

    /// Ā as a matrix, (H, N, N). With a backward pass of its own: as tensor operations, the diagonals
    /// would be written to matrices several times.
    pub fn dense(&self) -> Tensor {
        let Self { d: Rotation { re, im }, p, q } = self;
        let half = re.size()[1];
        let guard = tch::no_grad_guard();
        let (p, q) = (p.detach(), q.detach());
        let a = p.matmul(&q).neg_();
        for (offset, values) in
            [(0, Tensor::cat(&[re, re], -1)), (half, -im), (-half, im.shallow_clone())]
        {
            let _ = a.diagonal(offset, -2, -1).g_add_(&values);
        }
        drop(guard);
        let attached = autograd::attach(&[re, im, &self.p, &self.q], &[&a], move |gradients| {
            let [Some(g)] = gradients else { bail!("one output has one gradient") };
            let diagonal = |offset| g.diagonal(offset, -2, -1);
            let both = diagonal(0);
            let of_re = both.narrow(-1, 0, half) + both.narrow(-1, half, half);
            let of_im = diagonal(-half) - diagonal(half);
            // As P itself, with its columns in sequence.
            let of_p = q.matmul(&g.transpose(-1, -2)).neg_().transpose(-1, -2);
            let of_q = p.transpose(-1, -2).matmul(g).neg_();
            Ok(vec![Some(of_re), Some(of_im), Some(of_p), Some(of_q)])
        });
        attached.expect("a fresh matrix has no graph");
        a
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn normal(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu)).set_requires_grad(true)
    }

    /// Ā - and its powers, and their gradients - against products of tensors.
    #[test]
    fn powers_and_matrices_are_products() {
        for (h, n, r, k) in [(1, 2, 1, 1), (3, 6, 2, 5), (2, 64, 1, 16)] {
            let leaves =
                [normal(&[h, n / 2]), normal(&[h, n / 2]), normal(&[h, n, r]), normal(&[h, r, n])];
            let weight = normal(&[h, n, n]).detach();
            let outcome = |by: &dyn Fn(&LowRank) -> Tensor| {
                let [re, im, p, q] = leaves.each_ref().map(|x| x * 0.5 / (n as f64).sqrt());
                let a = by(&LowRank { d: Rotation { re, im }, p, q });
                let gradients = Tensor::run_backward(
                    &[(&a * &weight).sum(Kind::Double)],
                    &leaves,
                    false,
                    false,
                );
                std::iter::once(a.detach()).chain(gradients).collect::<Vec<_>>()
            };
            let plain = |a: &LowRank| a.d.dense() - a.p.matmul(&a.q);
            let by_products = |a: &LowRank| (1..k).fold(plain(a), |x, _| x.matmul(&plain(a)));
            let found = outcome(&|a| a.power(k).dense());
            for (found, expected) in found.iter().zip(outcome(&by_products)) {
                let scale = expected.abs().max().double_value(&[]);
                let error = (found - expected).abs().max().double_value(&[]) / scale;
                assert!(error < 1e-11, "H {h} N {n} R {r} k {k}: {error:e}");
            }
        }
    }
}

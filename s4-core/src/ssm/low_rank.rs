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

use tch::{Kind, Tensor};

use super::krylov::krylov;
use super::transition::{Rotation, Transition};

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

    /// Āᵏ = Dᵏ - Σ_j D^{k-1-j} P Q Āʲ as a matrix, (H, N, N), for k >= 1.
    pub fn dense_power(&self, k: i64) -> Tensor {
        let d = Transition::Diagonal(self.d.copy());
        let columns = krylov(&d, &self.p.movedim_int(-1, 0), k, Kind::Double).flip([-1]); // (R, H, N, k)
        let transposed = Transition::LowRank(self.transposed());
        let rows = krylov(&transposed, &self.q.movedim_int(-2, 0), k, Kind::Double); // (R, H, N, k)
        let products = columns.matmul(&rows.transpose(-1, -2)); // (R, H, N, N)
        let low_rank = match self.rank() {
            1 => products.squeeze_dim(0),
            _ => products.sum_dim_intlist([0i64].as_slice(), false, None),
        };
        d.power(k).dense() - low_rank
    }

    /// Ā as a matrix, (H, N, N).
    pub fn dense(&self) -> Tensor {
        self.d.dense() - self.p.matmul(&self.q)
    }
}

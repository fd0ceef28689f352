//! The discrete state transition Ā of every channel, in real coordinates.
//!
//! A conjugate-symmetric state of N/2 complex numbers z is kept as the N real numbers
//! x = (Re z, Im z). A diagonal Ā then rotates and scales pairs (x_n, x_{n+N/2}); a diagonal plus
//! low-rank one stays real as well: z ↦ Λz - 2 p Re(p* z) is Λ's rotation minus a real low-rank
//! term. Everything after discretisation is therefore plain real arithmetic.
//!
//! Shapes: H channels, N states, R rank, K columns, `…` batch dimensions (or none).

use anyhow::Result;
use tch::Tensor;

/// z ↦ λz for complex λ, as rotations and scalings of real pairs.
#[derive(Debug)]
pub struct Rotation {
    /// Re λ, (H, N/2).
    pub re: Tensor,
    /// Im λ, (H, N/2).
    pub im: Tensor,
}

impl Rotation {
    /// Of complex multipliers λ (H, N/2).
    pub fn new(lambda: &Tensor) -> Self {
        Self { re: lambda.real(), im: lambda.imag() }
    }

    /// λ ∘ x for states x (…, H, N).
    pub fn apply(&self, x: &Tensor) -> Tensor {
        let (re, im) = halves(x, -1);
        Tensor::cat(&[&self.re * &re - &self.im * &im, &self.re * &im + &self.im * &re], -1)
    }

    /// λ ∘ X for columns X (…, H, N, K).
    pub fn apply_columns(&self, x: &Tensor) -> Tensor {
        let (re, im) = halves(x, -2);
        let (lr, li) = (self.re.unsqueeze(-1), self.im.unsqueeze(-1));
        Tensor::cat(&[&lr * &re - &li * &im, &lr * &im + &li * &re], -2)
    }

    /// The transposed map, for row vectors: r ↦ rᵀ diag(λ), rows r (…, H, N).
    pub fn transposed(&self) -> Self {
        Self { re: self.re.shallow_clone(), im: -&self.im }
    }

    /// The map applied twice.
    pub fn square(&self) -> Self {
        Self { re: &self.re * &self.re - &self.im * &self.im, im: (&self.re * &self.im) * 2.0 }
    }

    /// The map as a real matrix, (H, N, N).
    pub fn dense(&self) -> Tensor {
        let (re, im) = (self.re.diag_embed(0, -2, -1), self.im.diag_embed(0, -2, -1));
        let top = Tensor::cat(&[&re, &-&im], -1);
        let bottom = Tensor::cat(&[im, re], -1);
        Tensor::cat(&[top, bottom], -2)
    }
}

/// The state transition Ā of H independent systems of N real states.
#[derive(Debug)]
pub enum Transition {
    /// S4D: one complex multiplier a conjugate pair.
    Diagonal(Rotation),
    /// Any matrix, (H, N, N).
    Dense(Tensor),
}

impl Transition {
    /// Ā X for columns X (…, H, N, K).
    pub fn apply_columns(&self, x: &Tensor) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.apply_columns(x),
            Transition::Dense(a) => a.matmul(x),
        }
    }

    /// Ā x for states x (…, H, N).
    pub fn apply(&self, x: &Tensor) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.apply(x),
            Transition::Dense(a) => a.matmul(&x.unsqueeze(-1)).squeeze_dim(-1),
        }
    }

    /// Āᵀ, so that row vectors can be advanced as columns.
    pub fn transposed(&self) -> Self {
        match self {
            Transition::Diagonal(rotation) => Transition::Diagonal(rotation.transposed()),
            Transition::Dense(a) => Transition::Dense(a.transpose(-1, -2)),
        }
    }

    /// Ā².
    pub fn square(&self) -> Self {
        match self {
            Transition::Diagonal(rotation) => Transition::Diagonal(rotation.square()),
            Transition::Dense(a) => Transition::Dense(a.matmul(a)),
        }
    }

    /// Ā as a matrix, (H, N, N).
    pub fn dense(&self) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.dense(),
            Transition::Dense(a) => a.shallow_clone(),
        }
    }

    /// The largest |eigenvalue| of each channel's Ā, (H).
    ///
    /// # Errors
    /// If the eigenvalues cannot be computed.
    pub fn spectral_radius(&self) -> Result<Tensor> {
        let magnitudes = match self {
            Transition::Diagonal(r) => (r.re.square() + r.im.square()).sqrt(),
            Transition::Dense(a) => a.f_linalg_eigvals()?.abs(),
        };
        Ok(magnitudes.f_amax([-1i64].as_slice(), false)?)
    }

    /// Āᵏ for k >= 1 by repeated squaring.
    pub fn power(&self, k: i64) -> Self {
        assert!(k >= 1, "power of a transition needs an exponent of at least 1");
        let mut square = self.copy();
        let mut result: Option<Self> = None;
        let mut k = k;
        loop {
            if k & 1 == 1 {
                result = Some(match result {
                    None => square.copy(),
                    Some(r) => r.compose(&square),
                });
            }
            k >>= 1;
            if k == 0 {
                return result.expect("k is at least 1");
            }
            square = square.square();
        }
    }

    /// The same map in another floating point kind.
    pub fn to_kind(&self, kind: tch::Kind) -> Self {
        match self {
            Transition::Diagonal(r) => {
                Transition::Diagonal(Rotation { re: r.re.to_kind(kind), im: r.im.to_kind(kind) })
            }
            Transition::Dense(a) => Transition::Dense(a.to_kind(kind)),
        }
    }

    fn copy(&self) -> Self {
        match self {
            Transition::Diagonal(r) => Transition::Diagonal(Rotation {
                re: r.re.shallow_clone(),
                im: r.im.shallow_clone(),
            }),
            Transition::Dense(a) => Transition::Dense(a.shallow_clone()),
        }
    }

    /// Two powers of the same Ā, which commute.
    fn compose(&self, other: &Self) -> Self {
        match (self, other) {
            (Transition::Diagonal(a), Transition::Diagonal(b)) => Transition::Diagonal(Rotation {
                re: &a.re * &b.re - &a.im * &b.im,
                im: &a.re * &b.im + &a.im * &b.re,
            }),
            (a, b) => Transition::Dense(a.dense().matmul(&b.dense())),
        }
    }
}

/// [X, ĀX, Ā²X, …], `len` blocks long in the last dimension, by doubling: O(log len) products.
///
/// `x` is (…, H, N, 1); the result (…, H, N, len).
pub fn krylov(a: &Transition, x: &Tensor, len: i64) -> Tensor {
    let mut block = x.shallow_clone();
    let mut have = 1;
    let mut power = a.copy();
    while have < len {
        let take = have.min(len - have);
        let next = power.apply_columns(&block.narrow(-1, 0, take));
        block = Tensor::cat(&[block, next], -1);
        have += take;
        if have < len {
            power = power.square();
        }
    }
    block
}

fn halves(x: &Tensor, dim: i64) -> (Tensor, Tensor) {
    let size = x.size();
    let n = size[(size.len() as i64 + dim) as usize] / 2;
    (x.narrow(dim, 0, n), x.narrow(dim, n, n))
}

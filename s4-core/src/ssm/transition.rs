//! The discrete state transition Ā of every channel, in real coordinates.
//!
//! A conjugate-symmetric state of N/2 complex numbers z is kept as the N real numbers
//! x = (Re z, Im z). A diagonal Ā then rotates and scales pairs (x_n, x_{n+N/2}); a diagonal plus
//! low-rank one stays real as well: z ↦ Λz - 2 p Re(p* z) is Λ's rotation minus a real low-rank
//! term. Everything after discretisation is therefore plain real arithmetic.
//!
//! Shapes: H channels, N states, R rank, K columns, `…` batch dimensions (or none).

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use super::low_rank::LowRank;
use crate::autograd;

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

    /// One map after the other; they commute.
    pub fn compose(&self, other: &Self) -> Self {
        Self {
            re: &self.re * &other.re - &self.im * &other.im,
            im: &self.re * &other.im + &self.im * &other.re,
        }
    }

    /// The map k times, for k >= 1. With a backward pass of its own, by (λᵏ)' = k λᵏ⁻¹: two products of
    /// small tensors a doubling rather than a graph of dozens.
    pub fn power(&self, k: i64) -> Self {
        assert!(k >= 1, "power of a rotation needs an exponent of at least 1");
        let guard = tch::no_grad_guard();
        let lambda = Tensor::complex(&self.re.detach(), &self.im.detach());
        let mut before = lambda.ones_like(); // λᵏ⁻¹
        let mut square = lambda.shallow_clone();
        let mut rest = k - 1;
        while rest > 0 {
            if rest & 1 == 1 {
                before *= &square;
            }
            rest >>= 1;
            if rest > 0 {
                square = square.square();
            }
        }
        let power = Self::new(&(&before * lambda));
        let (re, im) = (power.re.contiguous(), power.im.contiguous());
        let derivative = (before * k as f64).conj_physical();
        drop(guard);
        let attached = autograd::attach(&[&self.re, &self.im], &[&re, &im], move |gradients| {
            let [of_re, of_im] = gradients else { bail!("two outputs have two gradients") };
            let zero = || derivative.real().zeros_like();
            let part = |g: &Option<Tensor>| g.as_ref().map_or_else(zero, Tensor::shallow_clone);
            let g = Tensor::complex(&part(of_re), &part(of_im)) * &derivative;
            Ok(vec![Some(g.real()), Some(g.imag())])
        });
        attached.expect("fresh tensors have no graph");
        Self { re, im }
    }

    /// The same map in another floating point kind.
    pub fn to_kind(&self, kind: Kind) -> Self {
        Self { re: self.re.to_kind(kind), im: self.im.to_kind(kind) }
    }

    pub(super) fn copy(&self) -> Self {
        Self { re: self.re.shallow_clone(), im: self.im.shallow_clone() }
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
    /// S4: diagonal plus low rank.
    LowRank(LowRank),
    /// Any matrix, (H, N, N).
    Dense(Tensor),
}

impl Transition {
    /// Ā X for columns X (…, H, N, K).
    pub fn apply_columns(&self, x: &Tensor) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.apply_columns(x),
            Transition::LowRank(a) => a.apply_columns(x),
            Transition::Dense(a) => a.matmul(x),
        }
    }

    /// Ā x for states x (…, H, N).
    pub fn apply(&self, x: &Tensor) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.apply(x),
            _ => self.apply_columns(&x.unsqueeze(-1)).squeeze_dim(-1),
        }
    }

    /// Āᵀ, so that row vectors can be advanced as columns.
    pub fn transposed(&self) -> Self {
        match self {
            Transition::Diagonal(rotation) => Transition::Diagonal(rotation.transposed()),
            Transition::LowRank(a) => Transition::LowRank(a.transposed()),
            Transition::Dense(a) => Transition::Dense(a.transpose(-1, -2)),
        }
    }

    /// Ā as a matrix, (H, N, N).
    pub fn dense(&self) -> Tensor {
        match self {
            Transition::Diagonal(rotation) => rotation.dense(),
            Transition::LowRank(a) => a.dense(),
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
            _ => self.dense().f_linalg_eigvals()?.abs(),
        };
        Ok(magnitudes.f_amax([-1i64].as_slice(), false)?)
    }

    /// Āᵏ for k >= 1 by repeated squaring.
    pub fn power(&self, k: i64) -> Self {
        match self {
            Transition::Diagonal(rotation) => Transition::Diagonal(rotation.power(k)),
            a => Squares::new(a).power(k),
        }
    }

    /// Āᵏ for k >= 1 as a diagonal or full matrix, whose powers are to follow.
    pub fn full_power(&self, k: i64) -> Self {
        match self {
            Transition::LowRank(a) => Transition::Dense(a.power(k).dense()),
            a => a.power(k),
        }
    }

    /// The same map in another floating point kind.
    pub fn to_kind(&self, kind: Kind) -> Self {
        match self {
            Transition::Diagonal(r) => Transition::Diagonal(r.to_kind(kind)),
            Transition::LowRank(a) => Transition::LowRank(LowRank {
                d: a.d.to_kind(kind),
                p: a.p.to_kind(kind),
                q: a.q.to_kind(kind),
            }),
            Transition::Dense(a) => Transition::Dense(a.to_kind(kind)),
        }
    }

    pub(crate) fn copy(&self) -> Self {
        match self {
            Transition::Diagonal(r) => Transition::Diagonal(r.copy()),
            Transition::LowRank(a) => Transition::LowRank(LowRank {
                d: a.d.copy(),
                p: a.p.shallow_clone(),
                q: a.q.shallow_clone(),
            }),
            Transition::Dense(a) => Transition::Dense(a.shallow_clone()),
        }
    }

    /// One power of Ā after another.
    fn compose(&self, other: &Self) -> Self {
        match (self, other) {
            (Transition::Diagonal(a), Transition::Diagonal(b)) => {
                Transition::Diagonal(a.compose(b))
            }
            // From half the states on, a full matrix is less work.
            (Transition::LowRank(a), Transition::LowRank(b))
                if 2 * (a.rank() + b.rank()) < a.p.size()[1] =>
            {
                Transition::LowRank(a.compose(b))
            }
            (Transition::LowRank(a), Transition::LowRank(b)) => {
                Transition::Dense(a.compose(b).dense())
            }
            (a, b) => Transition::Dense(a.dense().matmul(&b.dense())),
        }
    }
}

/// Ā, Ā², Ā⁴, …, each computed once.
#[derive(Debug)]
pub struct Squares(Vec<Transition>);

impl Squares {
    /// Spectral radius of this Ā.
    pub fn new(a: &Transition) -> Self {
        Self(vec![a.copy()])
    }

    /// Ā to the power 2ⁱ.
    pub fn nth(&mut self, i: usize) -> &Transition {
        while self.0.len() <= i {
            let last = &self.0[self.0.len() - 1];
            self.0.push(last.compose(last));
        }
        &self.0[i]
    }

    /// Those of Āᵀ, with what is computed so far.
    pub fn transposed(&self) -> Self {
        Self(self.0.iter().map(Transition::transposed).collect())
    }

    /// Those of Ā to the power 2ⁱ, with what is computed so far.
    pub fn from(&mut self, i: usize) -> Self {
        self.nth(i);
        Self(self.0[i..].iter().map(Transition::copy).collect())
    }

    /// Āᵏ for k >= 1.
    pub fn power(&mut self, k: i64) -> Transition {
        assert!(k >= 1, "power of a transition needs an exponent of at least 1");
        let mut result: Option<Transition> = None;
        for i in (0..i64::BITS as usize).filter(|i| k >> i & 1 == 1) {
            let square = self.nth(i);
            result = Some(match result {
                None => square.copy(),
                Some(r) => r.compose(square),
            });
        }
        result.expect("k is at least 1")
    }

    /// [X, ĀX, Ā²X, …], `len` blocks long in the last dimension, by doubling: O(log len) products.
    ///
    /// `x` is (…, H, N, 1); the result (…, H, N, len).
    pub fn krylov(&mut self, x: &Tensor, len: i64) -> Tensor {
        let mut block = x.shallow_clone();
        let mut have = 1;
        for i in 0.. {
            if have >= len {
                break;
            }
            let take = have.min(len - have);
            let next = self.nth(i).apply_columns(&block.narrow(-1, 0, take));
            block = Tensor::cat(&[block, next], -1);
            have += take;
        }
        block
    }
}

fn halves(x: &Tensor, dim: i64) -> (Tensor, Tensor) {
    let size = x.size();
    let n = size[(size.len() as i64 + dim) as usize] / 2;
    (x.narrow(dim, 0, n), x.narrow(dim, n, n))
}

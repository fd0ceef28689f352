//! Discretisation: from a continuous-time [`Ssm`] to x' = Ā x + b̄ u, y = c x in real coordinates
//! (see [`super::transition`]).

use anyhow::{Result, ensure};
use s4_config::Discretisation;
use tch::{Kind, Tensor};

use super::Ssm;
use super::bilinear;
use super::krylov::krylov;
use super::low_rank::LowRank;
use super::transition::{Rotation, Squares, Transition};

/// H discrete-time systems of N real states, in float64.
#[derive(Debug)]
pub struct DiscreteSsm {
    /// State transition Ā.
    pub a: Transition,
    /// Input vectors b̄, (H, N).
    pub b: Tensor,
    /// Output vectors, (C, H, N).
    pub c: Tensor,
}

/// (1 - ΔA/2)⁻¹ of A = Λ - Σ_r P_r P_r*, by the Woodbury identity.
///
/// In real coordinates 1 - ΔA/2 = D⁻¹ + U Wᵀ with D⁻¹ = 1 - ΔΛ/2, U = ΔP/2 and W = 2P, so its
/// inverse is D - DU (1 + Wᵀ D U)⁻¹ Wᵀ D.
fn resolvent(a: &Tensor, p: &Tensor, half_dt: &Tensor) -> LowRank {
    let d = Rotation::new(&(half_dt * a * -1.0 + 1.0).reciprocal());
    let p = p.movedim_int(0, -1); // (H, N/2, R)
    let w = Tensor::cat(&[p.real(), p.imag()], -2) * 2.0; // (H, N, R)
    let scaled = half_dt.unsqueeze(-1) * &p;
    let u = Tensor::cat(&[scaled.real(), scaled.imag()], -2); // (H, N, R)
    let du = d.apply_columns(&u);
    let wd = d.transposed().apply_columns(&w).transpose(-1, -2); // Wᵀ D, (H, R, N)
    let rank = *du.size().last().expect("a matrix");
    let small = Tensor::eye(rank, (Kind::Double, du.device())) + w.transpose(-1, -2).matmul(&du);
    // Rank 1 is the usual case: a division instead of a batch of 1 x 1 systems.
    let q = if rank == 1 { wd / small } else { solve(&small, &wd) };
    LowRank { d, p: du, q }
}

impl Ssm {
    /// The discrete system for a kernel of `len` values (the length matters to DSS alone).
    ///
    /// # Errors
    /// If a low-rank term meets a discretisation other than bilinear.
    pub fn discretise(&self, len: i64) -> Result<DiscreteSsm> {
        let dt_a = || &self.dt * &self.a;
        let mut discrete = match (&self.p, self.disc) {
            (Some(p), Discretisation::Bilinear) => {
                let (a, b) = bilinear::discretise(self).unwrap_or_else(|| self.woodbury(p));
                DiscreteSsm { a: Transition::LowRank(a), b, c: real_rows(&self.c) * 2.0 }
            }
            (Some(_), _) => anyhow::bail!("a low-rank term needs the bilinear discretisation"),
            (None, Discretisation::Bilinear) => {
                let d = (dt_a() * -0.5 + 1.0).reciprocal();
                DiscreteSsm {
                    a: Transition::Diagonal(Rotation::new(&(&d * 2.0 - 1.0))),
                    b: real_columns(&(d * &self.dt * &self.b)),
                    c: real_rows(&self.c) * 2.0,
                }
            }
            (None, Discretisation::Zoh) => {
                let a = dt_a().exp();
                DiscreteSsm {
                    b: real_columns(&((&a - 1.0) / &self.a * &self.b)),
                    a: Transition::Diagonal(Rotation::new(&a)),
                    c: real_rows(&self.c) * 2.0,
                }
            }
            (None, Discretisation::Dss) => DiscreteSsm {
                b: real_columns(&(&self.b * dss_scale(&self.a, &dt_a(), len))),
                a: Transition::Diagonal(Rotation::new(&dt_a().exp())),
                // DSS takes Re(c z), not 2 Re(c z).
                c: real_rows(&self.c),
            },
        };
        if let Some(l) = self.c_tilde_length {
            discrete.c = undo_c_tilde(&discrete.a, &discrete.c, l);
        }
        Ok(discrete)
    }

    /// Ā and b̄ by the bilinear rule, of any rank.
    fn woodbury(&self, p: &Tensor) -> (LowRank, Tensor) {
        let resolvent = resolvent(&self.a, p, &(&self.dt * 0.5));
        let b = real_columns(&(&self.dt * &self.b)).unsqueeze(-1);
        let b = resolvent.apply_columns(&b).squeeze_dim(-1);
        // Ā = 2 (1 - ΔA/2)⁻¹ - 1
        let LowRank { d, p, q } = resolvent;
        let d = Rotation { re: d.re * 2.0 - 1.0, im: d.im * 2.0 };
        (LowRank { d, p: p * 2.0, q }, b)
    }
}

impl DiscreteSsm {
    /// Number of real states N.
    pub fn states(&self) -> i64 {
        *self.b.size().last().expect("b has two dimensions")
    }

    /// Āᵇ b̄ for b < `len`: (H, N, len) in `kind`.
    pub fn columns(&self, len: i64, kind: Kind) -> Tensor {
        krylov(&self.a, &self.b, len, kind)
    }

    /// c Āᵃ for a < `len`: (C, H, len, N) in `kind`.
    pub fn rows(&self, len: i64, kind: Kind) -> Tensor {
        krylov(&self.a.transposed(), &self.c, len, kind).transpose(-1, -2)
    }

    /// C̃ = C (1 - Āˡ) in the official code's sense, as real row vectors (C, H, N).
    pub fn c_tilde(&self, l: i64) -> Tensor {
        let power = self.a.power(l).transposed();
        &self.c - power.apply(&self.c)
    }
}

/// c Aᵏ for k < `len`: (C, H, len, N) from row vectors c (C, H, N) and the squares of Aᵀ.
pub(crate) fn rows(transposed: &mut Squares, c: &Tensor, len: i64) -> Tensor {
    transposed.krylov(&c.unsqueeze(-1), len).transpose(-1, -2)
}

/// Complex state vectors (…, N/2) as real coordinates (…, N).
pub fn real_columns(z: &Tensor) -> Tensor {
    Tensor::cat(&[z.real(), z.imag()], -1)
}

/// Real coordinates (…, N) as complex state vectors (…, N/2).
pub fn complex_columns(x: &Tensor) -> Tensor {
    let half = x.size().last().expect("not a scalar") / 2;
    Tensor::complex(&x.narrow(-1, 0, half), &x.narrow(-1, half, half))
}

/// Complex row vectors c (…, N/2) as the real rows (…, N) that give Re(c z).
pub fn real_rows(c: &Tensor) -> Tensor {
    Tensor::cat(&[c.real(), -c.imag()], -1)
}

/// Real rows (…, N) as complex row vectors (…, N/2), the inverse of [`real_rows`].
pub fn complex_rows(r: &Tensor) -> Tensor {
    let half = r.size().last().expect("not a scalar") / 2;
    Tensor::complex(&r.narrow(-1, 0, half), &-r.narrow(-1, half, half))
}

/// Solves c (1 - Āˡ) = c̃ for c.
fn undo_c_tilde(a: &Transition, c_tilde: &Tensor, l: i64) -> Tensor {
    let power = a.power(l).dense();
    let n = *power.size().last().expect("a matrix");
    let eye = Tensor::eye(n, (Kind::Double, power.device()));
    let transposed = (eye - power).transpose(-1, -2); // (H, N, N)
    let columns = c_tilde.permute([1, 2, 0]); // (H, N, C)
    solve(&transposed, &columns).permute([2, 0, 1])
}

/// a⁻¹ b. A singular a gives NaN rather than an error: to look for it, the host would have to wait
/// for the device at every step.
fn solve(a: &Tensor, b: &Tensor) -> Tensor {
    Tensor::linalg_solve_ex(a, b, true, false).0
}

/// The factor of DSS in front of exp(ΔA l), (H, N/2): (exp(ΔA') - 1) / (A (exp(ΔA' L) - 1)), with
/// A' = A where Re A <= 0 and -A elsewhere, and exp(ΔA l) shifted to stay below one there.
fn dss_scale(a: &Tensor, dt_a: &Tensor, len: i64) -> Tensor {
    let positive = a.real().gt(0.0).to_kind(Kind::Double);
    let shift = (dt_a * &positive * (len - 1) as f64).detach().neg().exp();
    let signed = dt_a * (&positive * -2.0 + 1.0);
    let numerator = signed.exp() - 1.0;
    let denominator = ((signed * len as f64).exp() - 1.0) * a;
    let conj = denominator.conj().resolve_conj();
    let reciprocal = &conj / (&denominator * &conj + 1e-7);
    numerator * reciprocal * shift
}

/// A usable sequence length.
pub(crate) fn check_length(len: i64) -> Result<()> {
    ensure!(len >= 1, "a sequence needs at least one element, got length {len}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// The loop and the tensor operations: Ā, b̄, and the gradients of a random functional of them.
    #[test]
    fn rank_one_has_a_loop_of_its_own() {
        for (h, n, steps) in [(1, 2, 1), (3, 6, 3), (2, 64, 1), (2, 128, 64)] {
            let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
            let complex = |shape: &[i64]| Tensor::randn(shape, (Kind::ComplexDouble, Device::Cpu));
            let a = Tensor::complex(&-random(&[h, n / 2]).abs(), &(random(&[h, n / 2]) * 5.0));
            let dt = random(&[h, steps]).abs() * 0.1;
            let leaves = [dt, a, complex(&[h, n / 2]), complex(&[1, h, n / 2])]
                .map(|x| x.set_requires_grad(true));
            let weights =
                [&[h, n / 2][..], &[h, n / 2], &[h, n, 1], &[h, 1, n], &[h, n]].map(random);
            let outcome = |by: &dyn Fn(&Ssm) -> (LowRank, Tensor)| {
                let [dt, a, b, p] = leaves.each_ref().map(|x| x * 1.0);
                let disc = Discretisation::Bilinear;
                let c = complex(&[1, h, n / 2]);
                let (a, b) = by(&Ssm { dt, a, b, c, p: Some(p), disc, c_tilde_length: None });
                let outputs = [a.d.re, a.d.im, a.p, a.q, b];
                let sums = outputs.iter().zip(&weights).map(|(x, w)| (x * w).sum(Kind::Double));
                let gradients =
                    Tensor::run_backward(&[sums.sum::<Tensor>()], &leaves, false, false);
                outputs.iter().map(Tensor::detach).chain(gradients).collect::<Vec<_>>()
            };
            let found = outcome(&|ssm| bilinear::discretise(ssm).expect("rank 1"));
            let expected = outcome(&|ssm| ssm.woodbury(ssm.p.as_ref().expect("a low rank")));
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let scale = expected.abs().max().double_value(&[]);
                let error = (found - expected).abs().max().double_value(&[]) / scale;
                assert!(error < 1e-12, "H {h} N {n}, {i}: {error:e}");
            }
        }
    }
}

//! Normal plus low-rank form of the HiPPO matrices, and its diagonalisation.

use anyhow::{Result, bail, ensure};
use s4_config::Measure;
use tch::{Device, Kind, Tensor};

use super::rank_correction;
use super::transition;

/// Below this, the modulus of an eigenvector's entry counts as zero. Real zeros come out around
/// 1e-16, the smallest first entry of LegT at N = 1,024 is 2e-6.
const ZERO_ENTRY: f64 = 1e-9;

/// A HiPPO system in the eigenbasis of its normal part, as complex128 tensors on the CPU.
///
/// Of each conjugate pair the member with negative imaginary part is kept, so that
/// A = 2 Re(V (diag(W) - P P*) V*) on real states: N/2 numbers stand for N.
#[derive(Debug)]
pub struct Nplr {
    /// Eigenvalues W (N/2) of the normal part, imaginary parts ascending (fastest first).
    pub w: Tensor,
    /// Low-rank term V* P, (R, N/2).
    pub p: Tensor,
    /// Input vector V* B (N/2), clamped.
    pub b: Tensor,
    /// Eigenvectors V (N, N/2), orthonormal.
    pub v: Tensor,
}

/// The normal plus low-rank form of `measure` with N = `n` states and a low-rank term of `rank`
/// rows (S4, theorem 1).
///
/// Eigenvectors are free in their phase, which LAPACKs choose as they like. Here the first entry
/// of each that is not zero is real and positive, so that a model's initial values are the same
/// everywhere. It matters: with `b_clip` = c, Im(V* B) is clamped to [-c, c] in that phase. S4
/// uses 2, since the largest entries of LegS grow with N and unsettle training; `None` clamps
/// nothing.
///
/// # Errors
/// If `n` is odd, or as [`rank_correction`].
pub fn nplr(measure: Measure, n: i64, rank: i64, b_clip: Option<f64>) -> Result<Nplr> {
    ensure!(
        n >= 2 && n % 2 == 0,
        "the diagonal form has conjugate pairs: the state size must be even, got {n}"
    );
    let (a, b) = transition(measure, n)?;
    let p = rank_correction(measure, n, rank)?;
    let ap = a + p.transpose(0, 1).matmul(&p);

    // A + PᵀP = c + K with K skew-symmetric: the real part of W is c, and -iK is Hermitian.
    let real_part = ap.diagonal(0, 0, 1).mean(Kind::Double);
    let skew = (&ap - ap.transpose(0, 1)) * 0.5;
    let (imag_part, v) = Tensor::complex(&skew.zeros_like(), &-&skew).f_linalg_eigh("L")?;
    // Ascending, and symmetric about 0: the first half is what is kept.
    let imag_part = imag_part.narrow(0, 0, n / 2).clamp_max(0.0);
    let w = Tensor::complex(&real_part.expand_as(&imag_part), &imag_part);

    let v = fix_phase(&split_zero_pair(&imag_part, v.narrow(1, 0, n / 2), &skew)?);
    let v_adjoint = v.transpose(0, 1).conj().resolve_conj();
    let b = v_adjoint.matmul(&b.to_kind(Kind::ComplexDouble));
    let p = p.to_kind(Kind::ComplexDouble).matmul(&v_adjoint.transpose(0, 1));
    let b = match b_clip {
        Some(limit) => Tensor::complex(&b.real(), &b.imag().clamp(-limit, limit)),
        None => b,
    };
    Ok(Nplr { w, p, b, v })
}

/// Makes the vector of a zero frequency one of a conjugate pair.
///
/// The Fourier measures have one: their first two states do not rotate. Its two eigenvalues are
/// equal, so any basis of the plane of these states could come out; (e₀ + i e₁)/√2 is the one
/// whose conjugate is the other vector.
fn split_zero_pair(imag_part: &Tensor, v: Tensor, skew: &Tensor) -> Result<Tensor> {
    let fastest = imag_part.abs().max().double_value(&[]);
    let zeros = imag_part.abs().le(1e-10 * fastest).sum(Kind::Int64).int64_value(&[]);
    match zeros {
        0 => return Ok(v),
        1 if skew.narrow(0, 0, 2).abs().max().double_value(&[]) <= 1e-10 * fastest => {}
        _ => bail!("{zeros} eigenvalues are zero; only the first two states may stand still"),
    }
    let half = 0.5f64.sqrt();
    let pair =
        Tensor::complex(&Tensor::from_slice(&[half, 0.0]), &Tensor::from_slice(&[0.0, half]));
    let (n, kept) = v.size2()?;
    let rest = Tensor::zeros([n - 2], (Kind::ComplexDouble, Device::Cpu));
    let vector = Tensor::cat(&[pair, rest], 0).unsqueeze(1);
    Ok(Tensor::cat(&[v.narrow(1, 0, kept - 1), vector], 1))
}

/// Turns each column so that its first entry that is not zero is real and positive.
fn fix_phase(v: &Tensor) -> Tensor {
    let (n, _) = v.size2().expect("a matrix");
    let from_the_end = Tensor::arange_start_step(n, 0, -1, (Kind::Int64, Device::Cpu));
    let nonzero = v.abs().gt(ZERO_ENTRY).to_kind(Kind::Int64);
    let first = (nonzero * from_the_end.unsqueeze(1)).argmax(0, true);
    let pivot = v.gather(0, &first, false);
    v * (pivot.conj() / pivot.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_NPLR: [Measure; 10] = [
        Measure::LegS,
        Measure::LegSd,
        Measure::LegT,
        Measure::LagT,
        Measure::TLagT,
        Measure::GLagT,
        Measure::Fourier,
        Measure::FourierDecay,
        Measure::Fourier2,
        Measure::FourierDiag,
    ];

    fn max_abs(x: &Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    fn adjoint(x: &Tensor) -> Tensor {
        x.transpose(0, 1).conj().resolve_conj()
    }

    /// 2 Re(V M V*).
    fn to_states(v: &Tensor, m: &Tensor) -> Tensor {
        v.matmul(m).matmul(&adjoint(v)).real() * 2.0
    }

    #[test]
    fn the_form_is_unitarily_equivalent_to_the_matrix() {
        for measure in WITH_NPLR {
            for n in [2, 4, 18, 64] {
                let form = nplr(measure, n, 2, None).unwrap();
                let (a, b) = transition(measure, n).unwrap();
                let scale = max_abs(&a);

                // V and its conjugate together are a unitary basis.
                let basis = Tensor::cat(&[form.v.shallow_clone(), form.v.conj()], 1);
                let identity = Tensor::eye(n, (Kind::ComplexDouble, Device::Cpu));
                let error = max_abs(&(adjoint(&basis).matmul(&basis) - identity));
                assert!(error < 1e-12, "{measure} N = {n}: V is not unitary, {error:e}");

                // The low-rank term mixes the pairs, so it is checked on states.
                let p = form.v.matmul(&form.p.transpose(0, 1)).real() * 2.0;
                let w = to_states(&form.v, &form.w.diag_embed(0, 0, 1));
                let error = max_abs(&(w - p.matmul(&p.transpose(0, 1)) - a)) / scale;
                assert!(error < 1e-13, "{measure} N = {n}: A is off by {error:e}");

                let b_back = form.v.matmul(&form.b.unsqueeze(1)).squeeze_dim(1).real() * 2.0;
                let error = max_abs(&(b_back - &b)) / max_abs(&b);
                assert!(error < 1e-12, "{measure} N = {n}: B is off by {error:e}");
            }
        }
    }

    #[test]
    fn eigenvalues_lie_in_the_lower_left_and_ascend() {
        for measure in WITH_NPLR {
            let w = nplr(measure, 32, 2, None).unwrap().w;
            assert!(max_abs(&w.real().clamp_min(0.0)) < 1e-14, "{measure}");
            assert!(w.imag().max().double_value(&[]) <= 0.0, "{measure}");
            assert!(w.imag().diff::<Tensor>(1, 0, None, None).min().double_value(&[]) > 0.0);
        }
    }

    #[test]
    fn legs_has_real_part_minus_one_half() {
        let w = nplr(Measure::LegS, 64, 1, None).unwrap().w;
        assert!(max_abs(&(w.real() + 0.5)) < 1e-13);
    }

    /// For two states A + PᵀP = -1/2 + [[0, s], [-s, 0]] with s = √3/2.
    #[test]
    fn legs_of_two_states_in_closed_form() {
        let form = nplr(Measure::LegS, 2, 1, None).unwrap();
        let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-15, "{x} is not {y}");
        close(form.w.imag().double_value(&[0]), -0.75f64.sqrt());
        // V = (1, -i)/√2, so V*B = (1 + i√3)/√2 and V*P is that over √2.
        close(form.b.real().double_value(&[0]), 0.5f64.sqrt());
        close(form.b.imag().double_value(&[0]), 1.5f64.sqrt());
        close(form.p.imag().double_value(&[0, 0]), 0.75f64.sqrt());
    }

    #[test]
    fn the_first_nonzero_entry_of_each_vector_is_positive() {
        for measure in WITH_NPLR {
            let v = nplr(measure, 16, 2, None).unwrap().v;
            for k in 0..8 {
                let (re, im) = (v.real().select(1, k), v.imag().select(1, k));
                let first = (0..16)
                    .find(|&i| re.double_value(&[i]).hypot(im.double_value(&[i])) > ZERO_ENTRY)
                    .unwrap();
                assert!(re.double_value(&[first]) > 0.0, "{measure} {k}");
                assert!(im.double_value(&[first]).abs() < 1e-15, "{measure} {k}");
            }
        }
    }

    #[test]
    fn the_clamp_limits_the_imaginary_part_alone() {
        let free = nplr(Measure::LegS, 64, 1, None).unwrap().b;
        let clamped = nplr(Measure::LegS, 64, 1, Some(2.0)).unwrap().b;
        assert!(max_abs(&free.imag()) > 40.0);
        assert_eq!(max_abs(&clamped.imag()), 2.0);
        assert_eq!(clamped.real(), free.real());
        assert_eq!(clamped.imag(), free.imag().clamp(-2.0, 2.0));
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert!(nplr(Measure::LegS, 5, 1, None).is_err());
    }
}

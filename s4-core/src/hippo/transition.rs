//! The HiPPO matrices in closed form.

use s4_config::Measure;
use std::f64::consts::PI;

use anyhow::{Result, bail, ensure};
use tch::{Device, Kind, Tensor};

/// β of generalised Laguerre, the official default: a small one is the most stable.
const GLAGT_BETA: f64 = 0.01;

/// State matrix A (N, N) and input vector B (N) of z' = A z + B u, for N = `n`.
///
/// # Errors
/// If `n` is not positive, or odd for a Fourier measure (its states are sine and cosine pairs).
pub fn transition(measure: Measure, n: i64) -> Result<(Tensor, Tensor)> {
    check_size(measure, n)?;
    let (a, b) = match measure {
        Measure::LegS => (matrix(n, legs), vector(n, legendre_norm)),
        // The correction is half of B Bᵀ; the input is then halved to keep the scale of legs.
        Measure::LegSd => (
            matrix(n, |i, j| legs(i, j) + 0.5 * legendre_norm(i) * legendre_norm(j)),
            vector(n, legendre_norm) * 0.5,
        ),
        // Halved, so that the window has length 2 as in the Fourier case.
        Measure::LegT => (
            matrix(n, |i, j| {
                let sign = if i < j { alternating(i + j) } else { 1.0 };
                -0.5 * sign * legendre_norm(i) * legendre_norm(j)
            }),
            vector(n, legendre_norm) * 0.5,
        ),
        Measure::Lmu => (
            matrix(n, |i, j| {
                let sign = if i < j { -1.0 } else { -alternating(i + j) };
                sign * (2 * i + 1) as f64
            }),
            vector(n, |i| alternating(i) * (2 * i + 1) as f64),
        ),
        Measure::LagT => (laguerre(n, 0.5), vector(n, |_| 1.0)),
        Measure::TLagT => (laguerre(n, 1.0), vector(n, |_| 1.0)),
        Measure::GLagT => (laguerre(n, (1.0 + GLAGT_BETA) / 2.0), vector(n, |_| GLAGT_BETA.sqrt())),
        Measure::Fourier => (fourier(n, PI, 1.0), vector(n, fourier_norm)),
        Measure::FourierDecay => (fourier(n, PI, 0.5), vector(n, fourier_norm) * 0.5),
        Measure::Fourier2 => (fourier(n, 2.0 * PI, 2.0), vector(n, fourier_norm) * 2.0),
        Measure::FourierDiag => {
            let damping = Tensor::eye(n, (Kind::Double, Device::Cpu)) * 0.5;
            (fourier(n, 2.0 * PI, 0.0) - damping, vector(n, fourier_norm))
        }
    };
    Ok((a, b))
}

/// Rows P (R, N), R = `rank`, such that A + PᵀP is normal; rows that are not needed are zero.
///
/// # Errors
/// If `rank` is smaller than the measure needs (2 for `legt`, 1 for the others), if no such P is
/// known (`lmu`), or as [`transition()`].
pub fn rank_correction(measure: Measure, n: i64, rank: i64) -> Result<Tensor> {
    check_size(measure, n)?;
    let half = 0.5f64.sqrt();
    let p = match measure {
        Measure::LegS => vector(n, |i| half * legendre_norm(i)).unsqueeze(0),
        Measure::LegT => Tensor::stack(
            &[1, 0].map(|parity| {
                vector(n, |i| if i % 2 == parity { half * legendre_norm(i) } else { 0.0 })
            }),
            0,
        ),
        Measure::LagT | Measure::TLagT | Measure::GLagT => vector(n, |_| half).unsqueeze(0),
        Measure::Fourier => vector(n, fourier_norm).unsqueeze(0),
        Measure::FourierDecay => vector(n, |i| half * fourier_norm(i)).unsqueeze(0),
        Measure::Fourier2 => vector(n, |i| fourier_norm(i) / half).unsqueeze(0),
        Measure::LegSd | Measure::FourierDiag => vector(n, |_| 0.0).unsqueeze(0),
        Measure::Lmu => bail!(
            "no low-rank correction makes the lmu matrix normal; use legt, which is the same \
             system in a normalisation that has one"
        ),
    };
    let needed = p.size()[0];
    ensure!(
        rank >= needed,
        "{measure} needs a low-rank term of rank {needed} or more, got {rank}; set rank = {needed}"
    );
    let unused = Tensor::zeros([rank - needed, n], (Kind::Double, Device::Cpu));
    Ok(Tensor::cat(&[p, unused], 0))
}

fn check_size(measure: Measure, n: i64) -> Result<()> {
    ensure!(n >= 1, "a HiPPO matrix needs at least one state, got {n}");
    let fourier = matches!(
        measure,
        Measure::Fourier | Measure::FourierDecay | Measure::Fourier2 | Measure::FourierDiag
    );
    ensure!(
        !fourier || n % 2 == 0,
        "{measure} needs an even number of states (sine and cosine pairs), got {n}"
    );
    Ok(())
}

/// LegS: -√(2i+1)√(2j+1) below the diagonal, -(i+1) on it, 0 above.
fn legs(i: usize, j: usize) -> f64 {
    match i.cmp(&j) {
        std::cmp::Ordering::Greater => -legendre_norm(i) * legendre_norm(j),
        std::cmp::Ordering::Equal => -((i + 1) as f64),
        std::cmp::Ordering::Less => 0.0,
    }
}

/// Laguerre: -1 below the diagonal, -`diagonal` on it.
fn laguerre(n: i64, diagonal: f64) -> Tensor {
    matrix(n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Greater => -1.0,
        std::cmp::Ordering::Equal => -diagonal,
        std::cmp::Ordering::Less => 0.0,
    })
}

/// Rotations of the pairs (2k, 2k+1) at angular frequency k·`base`, minus `correction` times the
/// outer product of the basis norms.
fn fourier(n: i64, base: f64, correction: f64) -> Tensor {
    matrix(n, |i, j| {
        let frequency = (i / 2) as f64 * base;
        let rotation = match (i % 2, j) {
            (0, j) if j == i + 1 => -frequency,
            (1, j) if j + 1 == i => frequency,
            _ => 0.0,
        };
        rotation - correction * fourier_norm(i) * fourier_norm(j)
    })
}

/// √(2i+1): the factor that makes Legendre polynomials orthonormal.
fn legendre_norm(i: usize) -> f64 {
    ((2 * i + 1) as f64).sqrt()
}

/// Value of the Fourier basis functions at the window's end: 1, 0, √2, 0, √2, 0, ….
fn fourier_norm(i: usize) -> f64 {
    match i {
        0 => 1.0,
        i if i % 2 == 0 => 2.0f64.sqrt(),
        _ => 0.0,
    }
}

/// (-1)ⁱ.
fn alternating(i: usize) -> f64 {
    if i.is_multiple_of(2) { 1.0 } else { -1.0 }
}

fn matrix(n: i64, entry: impl Fn(usize, usize) -> f64) -> Tensor {
    let size = n as usize;
    let entries: Vec<f64> = (0..size * size).map(|k| entry(k / size, k % size)).collect();
    Tensor::from_slice(&entries).view([n, n])
}

fn vector(n: i64, entry: impl Fn(usize) -> f64) -> Tensor {
    let entries: Vec<f64> = (0..n as usize).map(entry).collect();
    Tensor::from_slice(&entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: &Tensor, expected: &[f64]) {
        let expected = Tensor::from_slice(expected).view_as(actual);
        let error = (actual - expected).abs().max().double_value(&[]);
        assert!(error < 1e-15, "off by {error:e}");
    }

    #[test]
    fn legs_of_three_states() {
        let (a, b) = transition(Measure::LegS, 3).unwrap();
        let (r3, r5, r15) = (3f64.sqrt(), 5f64.sqrt(), 15f64.sqrt());
        assert_close(&a, &[-1.0, 0.0, 0.0, -r3, -2.0, 0.0, -r5, -r15, -3.0]);
        assert_close(&b, &[1.0, r3, r5]);
    }

    #[test]
    fn legt_of_two_states() {
        let (a, b) = transition(Measure::LegT, 2).unwrap();
        let r3 = 3f64.sqrt();
        assert_close(&a, &[-0.5, 0.5 * r3, -0.5 * r3, -1.5]);
        assert_close(&b, &[0.5, 0.5 * r3]);
    }

    #[test]
    fn fourier_of_four_states() {
        let (a, b) = transition(Measure::Fourier, 4).unwrap();
        let r2 = 2f64.sqrt();
        assert_close(&a, &[-1., 0., -r2, 0., 0., 0., 0., 0., -r2, 0., -2., -PI, 0., 0., PI, 0.]);
        assert_close(&b, &[1.0, 0.0, r2, 0.0]);
    }

    /// LMU is LegT in other units: D⁻¹ A D with D = diag(√(2i+1)) and every second sign turned.
    #[test]
    fn lmu_is_a_rescaled_legt() {
        let (lmu, _) = transition(Measure::Lmu, 6).unwrap();
        let (legt, _) = transition(Measure::LegT, 6).unwrap();
        let d = vector(6, |i| legendre_norm(i) * alternating(i));
        let rescaled = d.unsqueeze(1) * legt * 2.0 / d;
        assert!((lmu - rescaled).abs().max().double_value(&[]) < 1e-13);
    }

    #[test]
    fn corrected_matrices_are_identity_plus_skew() {
        for &measure in Measure::ALL.iter().filter(|&&m| m != Measure::Lmu) {
            for rank in [2, 3] {
                let (a, _) = transition(measure, 10).unwrap();
                let p = rank_correction(measure, 10, rank).unwrap();
                assert_eq!(p.size(), [rank, 10]);
                let ap = a + p.transpose(0, 1).matmul(&p);
                let symmetric = &ap + ap.transpose(0, 1);
                let identity = Tensor::eye(10, (Kind::Double, Device::Cpu));
                let rest = &symmetric - symmetric.get(0).get(0) * identity;
                let error = rest.abs().max().double_value(&[]);
                assert!(error < 1e-13, "{measure}: {error:e}");
            }
        }
    }

    #[test]
    fn refuses_what_does_not_exist() {
        assert!(transition(Measure::LegS, 0).is_err());
        assert!(transition(Measure::Fourier, 7).is_err());
        assert!(rank_correction(Measure::Lmu, 4, 1).is_err());
        let message = rank_correction(Measure::LegT, 4, 1).unwrap_err().to_string();
        assert!(message.contains("rank = 2"), "{message}");
    }
}

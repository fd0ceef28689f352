//! S4's kernel as in the paper (Gu et al. 2021, section 3 and appendix C.3): the truncated
//! generating function K̂(ω) = C̃ (1 - Ā ω)⁻¹ b̄ at the L-th roots of unity, with C̃ = C (1 - Āᴸ);
//! the resolvent of the diagonal part is a Cauchy product, the low-rank part a Woodbury
//! correction, and an inverse FFT gives K.
//!
//! The nodes ω come from float64 (powers of a float32 root of unity cost the official code a
//! relative error of 1e-3 at L = 16,384). The paper's 2/(1+ω) · 1/(z - a) with z = 2(1-ω)/(1+ω)
//! is written 2/(2(1-ω) - a(1+ω)), which has no 0/0 at ω = -1.

use std::f64::consts::PI;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use crate::ssm::Ssm;
use crate::ssm::discrete::{DiscreteSsm, complex_rows};

/// The kernels (C, H, len) in `kind` of a system and its discretisation.
///
/// # Errors
/// If A has no low-rank part or is not discretised by the bilinear rule.
pub fn kernel(ssm: &Ssm, discrete: &DiscreteSsm, len: i64, kind: Kind) -> Result<Tensor> {
    let p = ssm.p.as_ref().context("the Cauchy product is for S4; S4D has no low-rank part")?;
    let complex_kind = if kind == Kind::Double { Kind::ComplexDouble } else { Kind::ComplexFloat };
    let device = ssm.a.device();

    let c_tilde = complex_rows(&(discrete.c_tilde(len) * 0.5)); // (C, H, N/2)
    let dt = ssm.dt.to_kind(Kind::ComplexDouble);
    // Rows that multiply from the left: C̃ and P*; columns from the right: Δb and ΔP.
    let left = conjugate_pairs(&Tensor::cat(&[c_tilde, p.conj().resolve_conj()], 0)); // (C+R, H, N)
    let right = Tensor::cat(&[(&dt * &ssm.b).unsqueeze(0), &dt * p], 0);
    let right = conjugate_pairs(&right); // (1+R, H, N)
    let dt_a = conjugate_pairs(&(&dt * &ssm.a)); // (H, N)

    let angle = Tensor::arange(len / 2 + 1, (Kind::Double, device)) * (-2.0 * PI / len as f64);
    let omega = Tensor::polar(&angle.ones_like(), &angle); // (F)
    let denominator = (&omega * -2.0 + 2.0) - dt_a.unsqueeze(-1) * (&omega + 1.0);
    let cauchy = (denominator.reciprocal() * 2.0).to_kind(complex_kind); // (H, N, F)

    let (channels, rank) = (ssm.c.size()[0], p.size()[0]);
    let products = (left.unsqueeze(0) * right.unsqueeze(1)).to_kind(complex_kind); // (1+R, C+R, H, N)
    let resolvent = products.unsqueeze(-2).matmul(&cauchy).squeeze_dim(-2); // (1+R, C+R, H, F)

    // (1 + w r11)⁻¹ with w = (1+ω)/2, as a batch of R x R systems.
    let w = ((&omega + 1.0) * 0.5).to_kind(complex_kind);
    let block = |row: i64, rows: i64, column: i64, columns: i64| {
        resolvent.narrow(1, row, rows).narrow(0, column, columns).permute([2, 3, 1, 0])
    }; // (H, F, rows, columns)
    let r00 = block(0, channels, 0, 1);
    let r01 = block(0, channels, 1, rank);
    let r10 = block(channels, rank, 0, 1);
    let r11 = block(channels, rank, 1, rank);
    let eye = Tensor::eye(rank, (complex_kind, device));
    let w = w.unsqueeze(-1).unsqueeze(-1);
    let inner = &eye + &w * r11;
    // A check for singular systems would make the host wait for the device.
    let solved =
        if rank == 1 { r10 / inner } else { Tensor::linalg_solve_ex(&inner, &r10, true, false).0 };
    let spectrum = r00 - w * r01.matmul(&solved); // (H, F, C, 1)

    let spectrum = spectrum.squeeze_dim(-1).permute([2, 0, 1]); // (C, H, F)
    Ok(spectrum.fft_irfft(len, -1, "backward"))
}

/// (z, z̄) in the last dimension: N/2 -> N.
fn conjugate_pairs(z: &Tensor) -> Tensor {
    Tensor::cat(&[z, &z.conj().resolve_conj()], -1)
}

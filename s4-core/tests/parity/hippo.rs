//! HiPPO matrices and their NPLR form against the official numbers (kind `hippo`).
//!
//! Eigenvectors are free in their phase, so what is compared is either free of it or brought to
//! the phase convention of [`s4_core::hippo::nplr()`] first.

use anyhow::{Context, Result, ensure};
use parity::{Case, for_each_case, relative_error};
use s4_config::Measure;
use s4_core::hippo::Nplr;
use s4_core::hippo::nplr;
use s4_core::hippo::rank_correction;
use s4_core::hippo::transition;
use tch::{Kind, Tensor};

const TOLERANCE: f64 = 1e-8;

#[test]
fn parity_hippo_transition() {
    for_each_case("hippo", |case| {
        let (a, b) = transition(measure(case)?, case.int("N", 0))?;
        case.expect_f64("out64/A", &a, TOLERANCE)?;
        case.expect_f64("out64/B", &b, TOLERANCE)
    });
}

#[test]
fn parity_hippo_rank_correction() {
    let mut compared = 0;
    for_each_case("hippo", |case| {
        let Some(rank) = rank(case)? else { return Ok(()) };
        compared += 1;
        let (measure, n) = (measure(case)?, case.int("N", 0));
        let p = rank_correction(measure, n, rank)?;
        case.expect_f64("out64/P_lowrank", &p, TOLERANCE)?;
        if diagonalised_well(case)? {
            let (a, _) = transition(measure, n)?;
            case.expect_f64("mid/AP_check", &(a + p.transpose(0, 1).matmul(&p)), TOLERANCE)?;
        }
        Ok(())
    });
    assert!(compared > 0, "no case has a low-rank term");
}

#[test]
fn parity_hippo_nplr() {
    let mut compared = 0;
    for_each_case("hippo", |case| {
        let Some(rank) = rank(case)? else { return Ok(()) };
        compared += 1;
        let (measure, n) = (measure(case)?, case.int("N", 0));
        let free = nplr(measure, n, rank, None)?;
        let clamped = nplr(measure, n, rank, Some(2.0))?;

        case.expect_f64("out64/W", &free.w, TOLERANCE)?;
        case.expect_f32("out/W", &free.w.to_kind(Kind::ComplexFloat))?;
        case.expect_f64("out64/absP", &free.p.abs(), TOLERANCE)?;
        case.expect_f32("out/absP", &free.p.abs().to_kind(Kind::Float))?;
        if diagonalised_well(case)? {
            case.expect_f64("out64/BconjP", &(&free.b * free.p.conj()), TOLERANCE)?;
            expect_close("|B|", &free.b.abs(), &complex(case, "out64/B_diag_noclip")?.abs())?;
            let v = complex(case, "out64/V")?;
            expect_close("v v* of each vector", &projectors(&free.v), &projectors(&v))?;
        }
        if fact(case, "min_abs_V0")? > 1e-6 {
            canonical(case, &clamped)?;
        }
        reconstructed(measure, n, &free)
    });
    assert!(compared > 0, "no case has a diagonal form");
}

/// Where no V[0, n] is zero, the phase convention is that of the fixture's canonical tensors.
fn canonical(case: &Case, form: &Nplr) -> Result<()> {
    case.expect_f64("out64/B_canonical", &form.b, TOLERANCE)?;
    case.expect_f64("out64/P_canonical", &form.p, TOLERANCE)?;
    let first = complex(case, "out64/V")?.get(0).abs();
    expect_close("V[0]", &form.v.get(0).real(), &first)?;
    let clipped = (form.b.imag().abs() - 2.0).abs().le(1e-12).sum(Kind::Int64).int64_value(&[]);
    let expected = fact(case, "n_clipped")? as i64;
    ensure!(clipped == expected, "{clipped} entries of B are clamped, expected {expected}");
    Ok(())
}

/// 2 Re(V (diag(W) - P P*) V*) is A again, whatever the official code did.
fn reconstructed(measure: Measure, n: i64, form: &Nplr) -> Result<()> {
    let (a, _) = transition(measure, n)?;
    let adjoint = form.v.transpose(0, 1).conj();
    let normal = form.v.matmul(&form.w.diag_embed(0, 0, 1)).matmul(&adjoint).real() * 2.0;
    let p = form.v.matmul(&form.p.transpose(0, 1)).real() * 2.0;
    expect_close("A from its NPLR form", &(normal - p.matmul(&p.transpose(0, 1))), &a)
}

fn measure(case: &Case) -> Result<Measure> {
    case.text("measure", "").parse()
}

/// The rank, where the official code has a diagonal form; an error where the case does not say.
fn rank(case: &Case) -> Result<Option<i64>> {
    let rank = case.setting("rank").as_i64();
    ensure!(
        rank.is_some() == case.has("out64/W"),
        "a case has either a rank and the tensor out64/W, or neither"
    );
    Ok(rank)
}

/// Whether the official V and W give back A + PᵀP: not so with the zero frequency of
/// `fourier_diag`, of whose two vectors the official code keeps one that is not half of a pair.
fn diagonalised_well(case: &Case) -> Result<bool> {
    Ok(fact(case, "AP_err")? < 1e-6)
}

fn fact(case: &Case, name: &str) -> Result<f64> {
    case.json["facts"][name].as_f64().with_context(|| format!("the case has no fact {name}"))
}

fn complex(case: &Case, name: &str) -> Result<Tensor> {
    Ok(case.tensor(name)?.view_as_complex())
}

/// v v* of each column of V, (N/2, N, N).
fn projectors(v: &Tensor) -> Tensor {
    let v = v.transpose(0, 1);
    v.unsqueeze(2) * v.conj().unsqueeze(1)
}

fn expect_close(what: &str, actual: &Tensor, expected: &Tensor) -> Result<()> {
    let error = relative_error(&actual.resolve_conj(), &expected.resolve_conj());
    ensure!(error <= TOLERANCE, "{what}: relative L2 error {error:.3e}");
    Ok(())
}

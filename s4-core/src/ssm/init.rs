//! What an SSM starts from: (A, B, P) by name, step sizes Δ, output vectors C.
//!
//! | name | A | B, P |
//! |---|---|---|
//! | a HiPPO measure (`legs`, `fourier`, …) | diagonal of its [NPLR form](crate::hippo::nplr()) | from the same |
//! | `diag-X` | diagonal, of the S4D family X | `B_init`; P = 0 |
//! | `dplr-X` | the same | `B_init`; P complex normal |
//! | `hippo`, `diag`, `all` | mixes: legs and fourier; diag-inv and diag-lin; all four | |
//!
//! The S4D families (S4D, section 4) have Re A = -1/2 and, for n = 0 … N/2 - 1,
//!
//! | X | -Im Aₙ |
//! |---|---|
//! | `legs` | that of the LegS eigenvalues; B is theirs, too |
//! | `inv` | N/π · (N/(2n+1) - 1) |
//! | `inv2` | N/π · (N/(n+1) - 1) |
//! | `lin` | πn |
//! | `quad` | (2n+1)²/π |
//! | `real` | 0; Re Aₙ = -(n+1) |
//! | `rand` | eˣ with x standard normal |

use s4_config::{BInit, Family, Init, InitArgs, Measure, Part, SsmConfig, Transform};
use std::f64::consts::PI;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::transform;
use crate::hippo::nplr;

const REAL: (Kind, Device) = (Kind::Double, Device::Cpu);
const COMPLEX: (Kind, Device) = (Kind::ComplexDouble, Device::Cpu);

/// Initial (A, B, P) of S = n_ssm systems of N/2 conjugate pairs; complex128 on the CPU.
#[derive(Debug)]
pub struct InitialSsm {
    /// Diagonal part Λ, (S, N/2); neither real nor imaginary part is positive.
    pub a: Tensor,
    /// Input vectors, (S, N/2).
    pub b: Tensor,
    /// Low-rank term, (R, S, N/2), of A = Λ - Σ_r P_r P_r*.
    pub p: Tensor,
}

/// The initial (A, B, P) of S = `n_ssm` systems with N = `n` states and a low-rank term of `rank`
/// rows.
///
/// Each member of a mix gets an equal share of the S systems, in order. Random values are drawn
/// anew for each system, from tch's CPU generator (see [`tch::manual_seed`]).
///
/// # Errors
/// If `n` is odd, `rank` too small for the measure, `n_ssm` no multiple of the size of the mix, or
/// `args` asks for what `init` does not have.
pub fn initial_ssm(
    init: &Init,
    n: i64,
    rank: i64,
    n_ssm: i64,
    args: &InitArgs,
) -> Result<InitialSsm> {
    let members = init.parts().len() as i64;
    ensure!(n >= 2 && n % 2 == 0, "the state size must be even (conjugate pairs), got {n}");
    ensure!(rank >= 1, "the rank of the low-rank term must be at least 1, got {rank}");
    ensure!(args.b_clip >= 0.0, "B_clip must not be negative, got {}", args.b_clip);
    ensure!(
        n_ssm >= 1 && n_ssm % members == 0,
        "init \"{init}\" needs n_ssm to be a multiple of {members}, the number of its members; \
         got {n_ssm}"
    );
    let size = Size { n, rank, copies: n_ssm / members };
    let parts = init
        .parts()
        .iter()
        .map(|&part| match part {
            Part::Hippo(measure) => hippo(measure, size, args),
            Part::Diagonal { family, low_rank } => diagonal(family, low_rank, size, args),
        })
        .collect::<Result<Vec<_>>>()?;
    let cat =
        |of: fn(&InitialSsm) -> &Tensor| Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), -2);
    Ok(InitialSsm { a: cat(|s| &s.a), b: cat(|s| &s.b), p: cat(|s| &s.p) })
}

/// Initial step sizes Δ, log-uniform in [`dt_min`, `dt_max`], as they are stored: under
/// `dt_transform`, and under a further asinh with `dt_fast`. Float64, (H, 1), or (H, N/2) without
/// `dt_tie`, for H = `d_model` and N/2 = `pairs`.
///
/// # Errors
/// Unless 0 < `dt_min` <= `dt_max`, and `dt_max` < 1 where Δ is stored as a logit.
///
/// [`dt_min`]: SsmConfig::dt_min
/// [`dt_max`]: SsmConfig::dt_max
pub fn initial_dt(d_model: i64, pairs: i64, config: &SsmConfig) -> Result<Tensor> {
    let (min, max, transform) = (config.dt_min, config.dt_max, config.dt_transform);
    ensure!(0.0 < min && min <= max, "0 < dt_min <= dt_max is needed, got {min} and {max}");
    ensure!(
        transform != Transform::Sigmoid || max < 1.0,
        "dt_transform \"sigmoid\" needs dt_max < 1, got {max}"
    );
    let shape = [d_model, if config.dt_tie { 1 } else { pairs }];
    let log_dt = Tensor::rand(shape, REAL) * (max.ln() - min.ln()) + min.ln();
    let stored = match transform {
        // Directly: steps below the floor of the inverse transform are fine here.
        Transform::Exp => log_dt,
        _ => transform::inverse(transform, &log_dt.exp()),
    };
    Ok(if config.dt_fast { stored.asinh() } else { stored })
}

/// Initial output vectors C, (C, H, N/2) complex128 for C = `channels`, H = `d_model` and
/// N/2 = `pairs`: complex normal, so each part has the variance 1/2.
pub fn initial_c(channels: i64, d_model: i64, pairs: i64) -> Tensor {
    Tensor::randn([channels, d_model, pairs], COMPLEX)
}

/// What the initial tensors' shapes are made of.
#[derive(Clone, Copy)]
struct Size {
    n: i64,
    rank: i64,
    copies: i64,
}

impl Size {
    /// Shape of A and B.
    fn pairs(self) -> [i64; 2] {
        [self.copies, self.n / 2]
    }

    /// Shape of P.
    fn low_rank(self) -> [i64; 3] {
        [self.rank, self.copies, self.n / 2]
    }
}

fn hippo(measure: Measure, size: Size, args: &InitArgs) -> Result<InitialSsm> {
    let applicable = InitArgs { b_clip: args.b_clip, ..InitArgs::default() };
    ensure!(
        *args == applicable,
        "of init_args, a HiPPO initialisation (here {measure}) takes B_clip alone; the others are \
         for diag-* and dplr-*"
    );
    let form = nplr(measure, size.n, size.rank, Some(args.b_clip))?;
    Ok(InitialSsm {
        a: form.w.expand(size.pairs(), true).contiguous(),
        b: form.b.expand(size.pairs(), true).contiguous(),
        p: form.p.unsqueeze(1).expand(size.low_rank(), true).contiguous(),
    })
}

fn diagonal(family: Family, low_rank: bool, size: Size, args: &InitArgs) -> Result<InitialSsm> {
    let legs = match family {
        Family::LegS => Some(nplr(Measure::LegS, size.n, size.rank, Some(args.b_clip))?),
        _ => None,
    };
    let frequency = match &legs {
        Some(form) => -form.w.imag().expand(size.pairs(), true),
        None => frequencies(family, size, args.imag_random),
    };
    let a = -Tensor::complex(&damping(family, size, args), &(frequency * args.imag_scale));

    let b = match &legs {
        // In theory half of it makes the kernel of S4; S4D leaves that factor to C.
        Some(form) => form.b.expand(size.pairs(), true).contiguous(),
        None => input_vectors(args.b_init, size)?,
    } * args.b_scale;
    let b = if args.normalize { normalized(&b, &a) } else { b };

    let p = match &legs {
        _ if !low_rank => Tensor::zeros(size.low_rank(), COMPLEX),
        Some(form) if args.b_init == BInit::Legs => {
            form.p.unsqueeze(1).expand(size.low_rank(), true).contiguous()
        }
        _ => Tensor::randn(size.low_rank(), COMPLEX) * args.p_scale,
    };
    Ok(InitialSsm { a, b, p })
}

/// -Re A, (S, N/2).
fn damping(family: Family, size: Size, args: &InitArgs) -> Tensor {
    match (family, args.real_random) {
        (Family::Real, false) => index(size) + 1.0,
        (Family::Real, true) => Tensor::rand(size.pairs(), REAL) * (size.n as f64 / 2.0),
        (_, false) => Tensor::full(size.pairs(), 0.5 * args.real_scale, REAL),
        (_, true) => Tensor::rand(size.pairs(), REAL) * args.real_scale,
    }
}

/// -Im A, (S, N/2), of the families that have a formula.
fn frequencies(family: Family, size: Size, random_index: bool) -> Tensor {
    let n = size.n as f64;
    let k = if random_index { Tensor::rand(size.pairs(), REAL) * (n / 2.0) } else { index(size) };
    match family {
        // A random index can take this a little below zero.
        Family::Inv => (((k * 2.0 + 1.0).reciprocal() * n - 1.0) * (n / PI)).clamp_min(0.0),
        Family::Inv2 => ((k + 1.0).reciprocal() * n - 1.0) * (n / PI),
        Family::Lin => k * PI,
        Family::Quad => (k * 2.0 + 1.0).square() / PI,
        Family::Rand => Tensor::randn(size.pairs(), REAL).exp(),
        Family::Real => k.zeros_like(),
        Family::LegS => unreachable!("its frequencies come from its NPLR form"),
    }
}

/// B, (S, N/2), without its factor.
fn input_vectors(b_init: BInit, size: Size) -> Result<Tensor> {
    let turn = 2.0 * PI / size.n as f64;
    let one = Tensor::ones(size.pairs(), REAL);
    Ok(match b_init {
        BInit::Constant => Tensor::complex(&one, &one.zeros_like()),
        BInit::Random => Tensor::randn(size.pairs(), COMPLEX),
        BInit::Alternating => {
            let sign = index(size).remainder(2.0) * -2.0 + 1.0;
            Tensor::complex(&sign, &sign.zeros_like())
        }
        BInit::UnitCw => Tensor::polar(&one, &(index(size) * -turn)),
        BInit::UnitCcw => Tensor::polar(&one, &(index(size) * turn)),
        BInit::Legs => anyhow::bail!("B_init \"legs\" is for diag-legs and dplr-legs"),
    })
}

/// B scaled by 1/√(2 Σ |B/A|²): the response of n to a constant input 1 tends to -B/A.
fn normalized(b: &Tensor, a: &Tensor) -> Tensor {
    let variance = (b / a).abs().square().sum_dim_intlist(-1, true, Kind::Double) * 2.0;
    b / variance.sqrt()
}

/// 0, 1, … N/2 - 1 for each system, (S, N/2).
fn index(size: Size) -> Tensor {
    Tensor::arange(size.n / 2, REAL).expand(size.pairs(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssm(name: &str, n: i64, n_ssm: i64, args: &InitArgs) -> Result<InitialSsm> {
        initial_ssm(&name.parse()?, n, 1, n_ssm, args)
    }

    fn imag(name: &str, n: i64) -> Vec<f64> {
        let a = ssm(name, n, 1, &InitArgs::default()).unwrap().a;
        Vec::try_from((-a.imag()).view(-1)).unwrap()
    }

    fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (x, y) in actual.iter().zip(expected) {
            assert!((x - y).abs() < 1e-12, "{actual:?} is not {expected:?}");
        }
    }

    #[test]
    fn families_in_closed_form() {
        assert_close(&imag("diag-lin", 8), &[0.0, PI, 2.0 * PI, 3.0 * PI]);
        assert_close(&imag("diag-inv", 4), &[4.0 / PI * 3.0, 4.0 / PI / 3.0]);
        assert_close(&imag("diag-inv2", 4), &[4.0 / PI * 3.0, 4.0 / PI]);
        assert_close(&imag("diag-quad", 4), &[1.0 / PI, 9.0 / PI]);
        assert_close(&imag("diag-real", 4), &[0.0, 0.0]);
        let real = ssm("diag-real", 6, 1, &InitArgs::default()).unwrap().a.real();
        assert_close(&Vec::try_from(real.view(-1)).unwrap(), &[-1.0, -2.0, -3.0]);
    }

    /// S4D-LegS is S4-LegS without its low-rank term.
    #[test]
    fn diag_legs_is_the_diagonal_of_legs() {
        let args = InitArgs::default();
        let (s4d, s4) =
            (ssm("diag-legs", 32, 2, &args).unwrap(), ssm("legs", 32, 2, &args).unwrap());
        assert!((s4d.a - s4.a).abs().max().double_value(&[]) < 1e-12);
        assert_eq!(s4d.b, s4.b);
        assert_eq!(s4d.p.abs().max().double_value(&[]), 0.0);
        assert!(s4.p.abs().max().double_value(&[]) > 1.0);
        let args = InitArgs { b_init: BInit::Legs, ..args };
        assert_eq!(ssm("dplr-legs", 32, 2, &args).unwrap().p, s4.p);
    }

    #[test]
    fn mixes_give_each_member_its_share_in_order() {
        let args = InitArgs::default();
        let mix = ssm("all", 8, 8, &args).unwrap();
        assert_eq!((mix.a.size(), mix.p.size()), (vec![8, 4], vec![1, 8, 4]));
        for (i, name) in ["legs", "fourier", "diag-inv", "diag-lin"].into_iter().enumerate() {
            let alone = ssm(name, 8, 2, &args).unwrap();
            let first = 2 * i as i64;
            assert_eq!(mix.a.narrow(0, first, 2), alone.a, "{name}");
            assert_eq!(mix.b.narrow(0, first, 2), alone.b, "{name}");
            assert_eq!(mix.p.narrow(1, first, 2), alone.p, "{name}");
        }
        let message = ssm("all", 8, 6, &args).unwrap_err().to_string();
        assert!(message.contains("multiple of 4"), "{message}");
    }

    #[test]
    fn input_vectors_of_each_kind() {
        let b = |b_init| {
            let b = ssm("diag-lin", 8, 1, &InitArgs { b_init, ..InitArgs::default() }).unwrap().b;
            Vec::try_from(b.view_as_real().view(-1)).unwrap()
        };
        let h = 0.5f64.sqrt();
        assert_close(&b(BInit::Constant), &[1., 0., 1., 0., 1., 0., 1., 0.]);
        assert_close(&b(BInit::Alternating), &[1., 0., -1., 0., 1., 0., -1., 0.]);
        assert_close(&b(BInit::UnitCw), &[1., 0., h, -h, 0., -1., -h, -h]);
        assert_close(&b(BInit::UnitCcw), &[1., 0., h, h, 0., 1., -h, h]);
        let args = InitArgs { b_init: BInit::Legs, ..InitArgs::default() };
        assert!(ssm("diag-lin", 8, 1, &args).is_err());
    }

    #[test]
    fn scales_and_normalisation() {
        let plain = ssm("diag-inv", 16, 3, &InitArgs::default()).unwrap();
        let args =
            InitArgs { real_scale: 0.5, imag_scale: 2.0, b_scale: 3.0, ..InitArgs::default() };
        let scaled = ssm("diag-inv", 16, 3, &args).unwrap();
        assert_eq!(scaled.a.real(), plain.a.real() * 0.5);
        assert_eq!(scaled.a.imag(), plain.a.imag() * 2.0);
        assert_eq!(scaled.b, plain.b * 3.0);
        let args = InitArgs { normalize: true, ..args };
        let s = ssm("diag-inv", 16, 3, &args).unwrap();
        let variance = (s.b / s.a).abs().square().sum_dim_intlist(-1, false, Kind::Double) * 2.0;
        assert!((variance - 1.0).abs().max().double_value(&[]) < 1e-14);
    }

    #[test]
    fn random_parts_have_their_range_and_differ_between_systems() {
        let args = InitArgs {
            real_random: true,
            imag_random: true,
            real_scale: 3.0,
            ..InitArgs::default()
        };
        for (name, real_max, imag_max) in [
            ("diag-lin", 3.0, 8.0 * PI),
            ("diag-real", 8.0, 1e-300),
            ("diag-inv", 3.0, 16.0 * 15.0 / PI),
        ] {
            let a = ssm(name, 16, 500, &args).unwrap().a;
            let (real, imag) = (-a.real(), -a.imag());
            for (x, max) in [(real, real_max), (imag, imag_max)] {
                assert!(x.min().double_value(&[]) >= 0.0, "{name}");
                assert!(x.max().double_value(&[]) < max, "{name}");
            }
            assert_ne!(a.get(0), a.get(1), "{name}");
        }
    }

    #[test]
    fn arguments_that_would_be_ignored_are_refused() {
        let args = InitArgs { b_scale: 2.0, ..InitArgs::default() };
        assert!(ssm("legs", 8, 1, &args).is_err());
        let args = InitArgs { b_clip: f64::INFINITY, ..InitArgs::default() };
        let b = ssm("legs", 64, 1, &args).unwrap().b;
        assert!(b.imag().abs().max().double_value(&[]) > 40.0);
        assert!(ssm("diag-lin", 7, 1, &args).is_err());
        assert!(initial_ssm(&"legt".parse().unwrap(), 8, 1, 1, &args).is_err());
    }

    #[test]
    fn steps_are_log_uniform_whatever_the_storage() {
        for dt_transform in [
            Transform::None,
            Transform::Exp,
            Transform::Relu,
            Transform::Sigmoid,
            Transform::Softplus,
        ] {
            for (dt_tie, dt_fast) in [(true, false), (false, true)] {
                let config = SsmConfig { dt_transform, dt_tie, dt_fast, ..SsmConfig::default() };
                let stored = initial_dt(2000, 4, &config).unwrap();
                assert_eq!(stored.size(), [2000, if dt_tie { 1 } else { 4 }]);
                let stored = if dt_fast { stored.sinh() } else { stored };
                let log_dt = transform::forward(dt_transform, &stored).log();
                let (low, high) = (config.dt_min.ln(), config.dt_max.ln());
                assert!(log_dt.min().double_value(&[]) > low - 1e-9);
                // relu adds 1e-4, a tenth of the smallest step.
                assert!(log_dt.max().double_value(&[]) < high + 0.01);
                let mean = log_dt.mean(Kind::Double).double_value(&[]);
                assert!((mean - (low + high) / 2.0).abs() < 0.2, "{dt_transform:?}: {mean}");
            }
        }
        let config =
            SsmConfig { dt_transform: Transform::Sigmoid, dt_max: 1.0, ..SsmConfig::default() };
        assert!(initial_dt(4, 4, &config).is_err());
    }
}

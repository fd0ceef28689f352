//! Systems whose answers are known: the naive kernel is compared with formulas first, and the
//! faster ways against the same formulas.

use parity::seeded;
use s4_config::{Discretisation, KernelMethod, Measure};
use s4_core::conv::{chunked, fft};
use s4_core::hippo::nplr;
use s4_core::hippo::transition;

use s4_core::recurrence::StepMode;
use s4_core::ssm::Ssm;
use s4_core::ssm::discrete::complex_columns;
use serde_json::json;
use tch::{Kind, Tensor};

use crate::systems::{METHODS, assert_close, normal, runner, ssm_config, steps, system, variants};

const TIGHT: f64 = 1e-10;

fn complex(re: f64, im: f64) -> Tensor {
    Tensor::complex(&Tensor::from(re), &Tensor::from(im))
}

/// One channel, one pair: z' = a z + b u, y = 2 Re(c z).
fn pair(a: (f64, f64), b: f64, c: f64, dt: f64, disc: Discretisation) -> Ssm {
    Ssm {
        dt: Tensor::from(dt).view([1, 1]),
        a: complex(a.0, a.1).view([1, 1]),
        b: complex(b, 0.0).view([1, 1]),
        c: complex(c, 0.0).view([1, 1, 1]),
        p: None,
        disc,
        c_tilde_length: None,
    }
}

/// One real pole: y = c x, x' = a x + b u. Its conjugate is itself, so C carries half of c.
fn pole(a: f64, b: f64, c: f64, dt: f64, disc: Discretisation) -> Ssm {
    pair((a, 0.0), b, c / 2.0, dt, disc)
}

fn formula(len: i64, value: impl Fn(f64) -> f64) -> Tensor {
    let values: Vec<f64> = (0..len).map(|l| value(l as f64)).collect();
    Tensor::from_slice(&values).view([1, 1, len])
}

/// Every kernel method that `ssm` has.
#[track_caller]
fn assert_kernels(what: &str, ssm: &Ssm, expected: &Tensor) {
    for method in METHODS {
        let k = ssm.kernel(expected.size()[2], method, Kind::Double).expect("a kernel");
        assert_close(&format!("{what}, {method:?}"), &k, expected, TIGHT);
    }
}

/// The outputs for u (1, 1, L) by FFT, in chunks and by steps.
#[track_caller]
fn assert_responses(what: &str, ssm: &Ssm, u: &Tensor, expected: &Tensor) {
    let len = u.size()[2];
    let discrete = ssm.discretise(len).expect("a discrete system");
    let zero = Tensor::zeros([1, 1, discrete.states()], (Kind::Double, u.device()));
    let k = ssm.kernel(len, KernelMethod::Naive, Kind::Double).expect("a kernel");
    let expected = expected.view([1, 1, 1, -1]);
    assert_close(&format!("{what}, FFT"), &fft::causal(u, &k, None).unwrap(), &expected, TIGHT);
    for chunk in [1, 7, 2 * len] {
        let (y, _) = chunked::convolve(&discrete, u, &zero, None, chunk).expect("chunks");
        assert_close(&format!("{what}, chunks of {chunk}"), &y, &expected, TIGHT);
    }
    for mode in [StepMode::Linear, StepMode::Dense] {
        let (y, _) = steps(&discrete, mode, u, &zero).expect("steps");
        assert_close(&format!("{what}, {mode:?} steps"), &y, &expected, TIGHT);
    }
}

fn ones(len: i64) -> Tensor {
    Tensor::ones([1, 1, len], (Kind::Double, tch::Device::Cpu))
}

/// Zero-order hold: K[l] = c b (e^{aΔ} - 1)/a e^{aΔl}.
#[test]
fn real_pole_under_zero_order_hold() {
    let values = (-8.0..-0.01, -2.0..2.0, -2.0..2.0, 1e-4..0.5, 1..200i64);
    runner(40)
        .run(&values, |(a, b, c, dt, len)| {
            let ssm = pole(a, b, c, dt, Discretisation::Zoh);
            let scale = c * b * (a * dt).exp_m1() / a;
            assert_kernels("pole", &ssm, &formula(len, |l| scale * (a * dt * l).exp()));
            Ok(())
        })
        .unwrap();
}

/// Bilinear: Ā = (1 + aΔ/2)/(1 - aΔ/2), b̄ = Δb/(1 - aΔ/2).
#[test]
fn real_pole_under_the_bilinear_rule() {
    let values = (-8.0..-0.01, -2.0..2.0, -2.0..2.0, 1e-4..0.2, 1..200i64);
    runner(40)
        .run(&values, |(a, b, c, dt, len)| {
            let ssm = pole(a, b, c, dt, Discretisation::Bilinear);
            let ratio: f64 = (1.0 + a * dt / 2.0) / (1.0 - a * dt / 2.0);
            let scale = c * b * dt / (1.0 - a * dt / 2.0);
            assert_kernels("pole", &ssm, &formula(len, |l| scale * ratio.powf(l)));
            Ok(())
        })
        .unwrap();
}

/// a = iω under zero-order hold integrates a cosine: K[l] = 2 (sin ωΔ(l+1) - sin ωΔl)/ω. Nothing
/// decays, so errors of the powers would show.
#[test]
fn undamped_rotation() {
    for (omega, dt) in [(1.0, 0.1), (31.4, 0.02), (3.0, 1e-3)] {
        let ssm = pair((0.0, omega), 1.0, 1.0, dt, Discretisation::Zoh);
        let theta = omega * dt;
        let k = formula(5000, |l| 2.0 * ((theta * (l + 1.0)).sin() - (theta * l).sin()) / omega);
        assert_kernels("rotation", &ssm, &k);
    }
    // The bilinear rule turns by another angle, but does not damp either.
    let (omega, dt): (f64, f64) = (2.0, 0.3);
    let ssm = pair((0.0, omega), 1.0, 1.0, dt, Discretisation::Bilinear);
    let (half, gain) = ((omega * dt / 2.0).atan(), dt / (1.0 + (omega * dt / 2.0).powi(2)).sqrt());
    assert_kernels(
        "bilinear rotation",
        &ssm,
        &formula(5000, |l| 2.0 * gain * (half * (2.0 * l + 1.0)).cos()),
    );
}

#[test]
fn the_response_to_an_impulse_is_the_kernel() {
    let ssm = pair((-0.3, 2.0), 1.5, -0.7, 0.1, Discretisation::Zoh);
    let len = 50;
    let k = ssm.kernel(len, KernelMethod::Naive, Kind::Double).unwrap();
    let impulse = ones(1).constant_pad_nd([0, len - 1]);
    assert_responses("impulse", &ssm, &impulse, &k);
    let late = ones(1).constant_pad_nd([20, len - 21]);
    let delayed = k.narrow(-1, 0, len - 20).constant_pad_nd([20, 0]);
    assert_responses("late impulse", &ssm, &late, &delayed);
}

/// A constant input c b (e^{at} - 1)/a, exactly under zero-order hold whatever the step.
#[test]
fn step_response_of_a_pole() {
    let (a, b, c) = (-1.7, 0.8, 1.1);
    for dt in [1e-3, 0.05, 3.0] {
        let ssm = pole(a, b, c, dt, Discretisation::Zoh);
        let expected = formula(60, |l| c * b * (a * dt * (l + 1.0)).exp_m1() / a);
        assert_responses("step", &ssm, &ones(60), &expected);
    }
    // Both rules have the gain -cb/a of the continuous system at frequency zero.
    for disc in [Discretisation::Zoh, Discretisation::Bilinear] {
        let k = pole(a, b, c, 0.1, disc).kernel(400, KernelMethod::Naive, Kind::Double).unwrap();
        let gain = k.sum(Kind::Double).double_value(&[]);
        assert!((gain + c * b / a).abs() < TIGHT, "{disc:?}: {gain}");
    }
}

/// An input held for two steps of Δ is the same input at steps of 2Δ.
#[test]
fn rate_two_is_a_held_input() {
    let config = ssm_config(&json!({"mode": "s4d", "init": "diag-lin", "d_state": 8}));
    let (_store, parameters) = system(1, &config, 2, 1);
    let u = normal(2, &[1, 2, 40], Kind::Double);
    let held = u.repeat_interleave_self_int(2, -1, None);
    let convolve = |u: &Tensor, rate: f64| {
        let k = parameters.ssm(rate).kernel(u.size()[2], KernelMethod::Naive, Kind::Double);
        fft::causal(u, &k.unwrap(), None).unwrap()
    };
    let fine = convolve(&held, 1.0).slice(-1, 1, None, 2);
    assert_close("rate", &convolve(&u, 2.0), &fine, TIGHT);
}

/// S4 without its low-rank term is S4D under the bilinear rule.
#[test]
fn no_low_rank_term_is_diagonal() {
    for rank in [1, 2, 3] {
        let (h, half) = (2, 5);
        let (a_re, a_im, b, c, dt) = seeded(3, || {
            let real = |shape: &[i64]| Tensor::rand(shape, (Kind::Double, tch::Device::Cpu));
            let complex = |shape: &[i64]| Tensor::complex(&real(shape), &real(shape));
            let (b, c) = (complex(&[h, half]), complex(&[1, h, half]));
            (-real(&[h, half]), real(&[h, half]) * 20.0, b, c, real(&[h, 1]) * 0.1)
        });
        let a = Tensor::complex(&a_re, &a_im);
        let ssm = |p: Option<Tensor>| Ssm {
            dt: dt.shallow_clone(),
            a: a.shallow_clone(),
            b: b.shallow_clone(),
            c: c.shallow_clone(),
            p,
            disc: Discretisation::Bilinear,
            c_tilde_length: None,
        };
        let diagonal = ssm(None);
        let zero = Tensor::zeros([rank, h, half], (Kind::ComplexDouble, tch::Device::Cpu));
        let dplr = ssm(Some(zero));
        let (expected, found) = (diagonal.discretise(1).unwrap(), dplr.discretise(1).unwrap());
        assert_close("Ā", &found.a.dense(), &expected.a.dense(), 1e-14);
        assert_close("b̄", &found.b, &expected.b, 1e-14);
        assert_kernels_agree(&dplr, &diagonal);
    }
}

#[track_caller]
fn assert_kernels_agree(ssm: &Ssm, expected: &Ssm) {
    let expected = expected.kernel(300, KernelMethod::Naive, Kind::Double).unwrap();
    for method in METHODS {
        let k = ssm.kernel(300, method, Kind::Double).unwrap();
        assert_close(&format!("{method:?}"), &k, &expected, TIGHT);
    }
}

/// HiPPO in the coordinates that the layers use: states x = T (Re z, Im z).
struct Hippo {
    a: Tensor,
    b: Tensor,
    t: Tensor,
    v: Tensor,
    ssm: Ssm,
}

/// `measure` with N = `n`, one channel, an output for every state, and steps `dt`.
fn hippo(measure: Measure, n: i64, rank: i64, dt: f64) -> Hippo {
    let (a, b) = transition(measure, n).unwrap();
    let form = nplr(measure, n, rank, None).unwrap();
    let v = form.v;
    let ssm = Ssm {
        dt: Tensor::from(dt).view([1, 1]),
        a: form.w.unsqueeze(0),
        b: form.b.unsqueeze(0),
        // Output i is state i: 2 Re(V z)_i.
        c: v.unsqueeze(1),
        p: Some(form.p.unsqueeze(1)),
        disc: Discretisation::Bilinear,
        c_tilde_length: None,
    };
    let t = Tensor::cat(&[v.real(), -v.imag()], 1) * 2.0;
    Hippo { a, b, t, v, ssm }
}

/// The Woodbury form of Ā and b̄ against (1 - ΔA/2)⁻¹ by a linear solve on the HiPPO matrix itself.
#[test]
fn hippo_discretised_as_a_dense_matrix() {
    for (measure, n, rank) in [
        (Measure::LegS, 16, 1),
        (Measure::LegS, 64, 1),
        (Measure::LegT, 16, 2),
        (Measure::Fourier, 16, 1),
    ] {
        for dt in [1e-3, 0.05] {
            let h = hippo(measure, n, rank, dt);
            let eye = Tensor::eye(n, (Kind::Double, tch::Device::Cpu));
            let backward = &eye - &h.a * (dt / 2.0);
            let a_bar = Tensor::linalg_solve(&backward, &(&eye + &h.a * (dt / 2.0)), true);
            let b_bar = Tensor::linalg_solve(&backward, &(&h.b * dt).unsqueeze(-1), true);

            let discrete = h.ssm.discretise(1).unwrap();
            let a = discrete.a.dense();
            let found = h.t.matmul(&a.squeeze_dim(0)).matmul(&Tensor::linalg_inv(&h.t));
            assert_close(&format!("{measure} Ā"), &found, &a_bar, TIGHT);
            let found = h.t.matmul(&discrete.b.squeeze_dim(0).unsqueeze(-1));
            assert_close(&format!("{measure} b̄"), &found, &b_bar, TIGHT);
            // The same through complex states: 2 Re(V z).
            let z = complex_columns(&discrete.b.squeeze_dim(0));
            let found = h.v.matmul(&z.unsqueeze(-1)).real() * 2.0;
            assert_close(&format!("{measure} 2 Re(V z)"), &found, &b_bar, TIGHT);

            let mut x = b_bar.shallow_clone();
            let mut expected = Vec::new();
            for _ in 0..40 {
                expected.push(x.shallow_clone());
                x = a_bar.matmul(&x);
            }
            let expected = Tensor::cat(&expected, -1).unsqueeze(1); // (N, 1, 40)
            for method in METHODS {
                // Fourier has an eigenvalue 0, a pole of the generating function at ω = 1. (Layers
                // start from Re A <= -1e-4.)
                if measure == Measure::Fourier && method == KernelMethod::Paper {
                    continue;
                }
                let k = h.ssm.kernel(40, method, Kind::Double).unwrap();
                assert_close(&format!("{measure} kernel, {method:?}"), &k, &expected, 1e-9);
            }
        }
    }
}

/// HiPPO-LegS remembers in warped Legendre polynomials, e^{tA}B = (√(2n+1) P_n(2e^{-t} - 1) e^{-t})_n,
/// and the bilinear rule is of second order: K[l]/Δ is that at t = (l + 1/2)Δ up to O(Δ²).
#[test]
fn legs_kernels_are_warped_legendre_polynomials() {
    let legendre = |n: i64, x: f64| match n {
        0 => 1.0,
        1 => x,
        2 => (3.0 * x * x - 1.0) / 2.0,
        _ => (5.0 * x * x * x - 3.0 * x) / 2.0,
    };
    let error = |dt: f64| {
        let len = (2.0 / dt) as i64;
        let k = hippo(Measure::LegS, 8, 1, dt).ssm.kernel(len, KernelMethod::Naive, Kind::Double);
        let k = k.unwrap() / dt;
        let mut worst: f64 = 0.0;
        for n in 0..4 {
            let expected = formula(len, |l| {
                let s = (-(l + 0.5) * dt).exp();
                ((2 * n + 1) as f64).sqrt() * legendre(n, 2.0 * s - 1.0) * s
            });
            let found = k.narrow(0, n, 1);
            worst = worst.max((found - expected).abs().max().double_value(&[]));
        }
        worst
    };
    let (coarse, fine) = (error(0.01), error(0.005));
    assert!(fine < 1e-3, "{fine:e}");
    let ratio = coarse / fine;
    assert!((3.8..4.2).contains(&ratio), "halving the step divides the error by {ratio}, not 4");
}

/// The tables behind every fast way, Āᵇ b̄ and c Āᵃˢ, against one product after the other.
#[test]
fn tables_of_powers() {
    let _guard = tch::no_grad_guard();
    for (name, config, h, c, rate) in variants() {
        let (_store, parameters) = system(4, &config, h, c);
        let discrete = parameters.ssm(rate).discretise(1).unwrap();
        let len = 2100;
        let (a, mut x, mut y) =
            (discrete.a.dense(), discrete.b.unsqueeze(-1), discrete.c.unsqueeze(-2));
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        let cube = a.matmul(&a).matmul(&a);
        assert_close(&format!("{name}, Ā³"), &discrete.a.power(3).dense(), &cube, TIGHT);
        for _ in 0..len {
            columns.push(x.shallow_clone());
            rows.push(y.shallow_clone());
            (x, y) = (a.matmul(&x), y.matmul(&a));
        }
        let (columns, rows) = (Tensor::cat(&columns, -1), Tensor::cat(&rows, -2));
        for len in [1, 2, 3, 100, len] {
            let found = discrete.columns(len, Kind::Double);
            assert_close(&format!("{name}, columns"), &found, &columns.narrow(-1, 0, len), TIGHT);
            let found = discrete.rows(len, Kind::Double);
            assert_close(&format!("{name}, rows"), &found, &rows.narrow(-2, 0, len), TIGHT);
        }
    }
}

/// Gradients of a kernel against difference quotients along a random direction of each parameter.
#[test]
fn gradients_are_derivatives() {
    for (name, config, h, c, rate) in variants() {
        let (store, parameters) = system(5, &config, h, c);
        let weight = normal(6, &[c, h, 24], Kind::Double);
        let value = |method| {
            let k = parameters.ssm(rate).kernel(24, method, Kind::Double).expect("a kernel");
            (k * &weight).sum(Kind::Double)
        };
        for method in METHODS {
            store.zero_grad();
            value(method).backward();
            let _guard = tch::no_grad_guard();
            for (parameter, tensor, _) in store.parameters() {
                let direction = normal(7, &tensor.size(), Kind::Double);
                let gradient = (tensor.grad() * &direction).sum(Kind::Double).double_value(&[]);
                let step = 1e-5;
                let moved = |by: f64| {
                    let _ = tensor.detach().g_add_(&(&direction * by));
                    value(KernelMethod::Naive).double_value(&[])
                };
                let difference = moved(step) - moved(-2.0 * step);
                moved(step);
                let quotient = difference / (2.0 * step);
                let error = (gradient - quotient).abs() / quotient.abs().max(1e-2);
                assert!(
                    error < 1e-5,
                    "{name}, {method:?}, {parameter}: {gradient:e}, difference quotient {quotient:e}"
                );
            }
        }
    }
}

//! Stepping and state passing against the official code.

use anyhow::{Context, Result, ensure};
use parity::{Case, for_each_case};
use s4_config::{KernelMethod, Mode};
use s4_core::conv::{chunked, fft};

use s4_core::params::ParamStore;
use s4_core::recurrence::{Recurrence, StepMode};
use s4_core::ssm::discrete::{DiscreteSsm, complex_columns, real_columns};
use s4_core::ssm::parameters::SsmParameters;
use tch::{Kind, Tensor};

use crate::case::{expect_output, input, ssm_config, state_dict};

const OTHER: &[&str] =
    &["d_model", "perturbed", "channels", "l_max", "mode", "c_tilde_setup", "T", "batch"];

struct System {
    store: ParamStore,
    params: SsmParameters,
    d: Tensor,
}

fn system(case: &Case, kind: Kind) -> Result<System> {
    let mode = if case.text("mode", "dplr") == "dplr" { Mode::S4 } else { Mode::S4d };
    let config = ssm_config(case, mode, OTHER)?;
    let mut store = ParamStore::new(parity::device(), kind);
    let (h, channels) = (case.int("d_model", 0), case.int("channels", 1));
    let params = SsmParameters::new(&mut store.root(), h, channels, &config)?;
    let dict = state_dict(case, "sd", kind);
    store.load_state_dict(&dict.under("kernel"))?;
    let d = dict.get("D").context("D")?.to_device(parity::device());
    let mut system = System { store, params, d };
    if case.flag("c_tilde_setup", false) {
        system.params.make_c_tilde(case.int("l_max", 0))?;
    }
    Ok(system)
}

impl System {
    /// y (B, C, H, T) with the skip, channels flattened as (c h).
    fn with_skip(&self, u: &Tensor, y: Tensor) -> Tensor {
        (y + u.unsqueeze(1) * self.d.unsqueeze(-1)).flatten(1, 2)
    }

    fn unroll(&self, u: &Tensor, state: &Tensor, mode: StepMode) -> Result<(Tensor, Tensor)> {
        let discrete = self.params.ssm(1.0).discretise(1)?;
        let recurrence = Recurrence::new(&discrete, mode, u.kind())?;
        let mut x = recurrence.state_from_real(state);
        let mut outputs = Vec::new();
        for t in 0..u.size()[2] {
            let (y, next) = recurrence.step(&u.select(2, t), &x);
            outputs.push(y);
            x = next;
        }
        Ok((self.with_skip(u, Tensor::stack(&outputs, -1)), recurrence.state_to_real(&x)))
    }

    fn convolve(&self, u: &Tensor, state: &Tensor) -> Result<(Tensor, Tensor)> {
        let len = u.size()[2];
        let ssm = self.params.ssm(1.0);
        let discrete = ssm.discretise(len)?;
        let k = ssm.kernel(len, KernelMethod::BlockPowers, u.kind())?;
        let y = fft::causal(u, &k, None)? + fft::state_response(&discrete, state, len);
        Ok((self.with_skip(u, y), fft::final_state(&discrete, state, u)))
    }

    fn chunked(&self, u: &Tensor, state: &Tensor, chunk: i64) -> Result<(Tensor, Tensor)> {
        let discrete = self.params.ssm(1.0).discretise(1)?;
        let (y, state) = chunked::convolve(&discrete, u, state, None, chunk)?;
        Ok((self.with_skip(u, y), state))
    }
}

/// A real matrix (H, N, N) over (Re z, Im z) as the official complex one over (z, z̄).
fn over_conjugate_pairs(a: &Tensor) -> Tensor {
    let n = a.size()[1];
    let eye = Tensor::eye(n / 2, (Kind::ComplexDouble, a.device()));
    let i_eye =
        &eye * Tensor::complex(&Tensor::from(0f64), &Tensor::from(1f64)).to_device(a.device());
    // (z, z̄) = U (Re z, Im z)
    let u = Tensor::cat(
        &[Tensor::cat(&[&eye, &i_eye], 1), Tensor::cat(&[&eye, &(&i_eye * -1.0)], 1)],
        0,
    );
    u.matmul(&a.to_kind(Kind::ComplexDouble)).matmul(&Tensor::linalg_inv(&u))
}

fn check_matrices(case: &Case, discrete: &DiscreteSsm) -> Result<()> {
    let b = complex_columns(&discrete.b);
    if case.text("mode", "dplr") == "dplr" {
        case.expect_f64("mid/dA", &over_conjugate_pairs(&discrete.a.dense()), 1e-8)?;
        case.expect_f64("mid/dB", &Tensor::cat(&[&b, &b.conj().resolve_conj()], -1), 1e-8)?;
    } else {
        case.expect_f64("mid/dB", &b, 1e-8)?;
    }
    Ok(())
}

fn recurrent(kind: Kind) {
    for_each_case("recurrent", |case| {
        let system = system(case, kind)?;
        if kind == Kind::Double {
            check_matrices(case, &system.params.ssm(1.0).discretise(1)?)?;
            if case.has("mid/C_tilde") {
                case.expect_f64("mid/C_tilde", system.store.get("C").context("C")?, 1e-8)?;
            }
        }
        let u = input(case, "u", kind)?;
        let rand = real_columns(&input(case, "state0", kind)?.view_as_complex());
        let zero = rand.zeros_like();

        let mut modes = 0;
        let named = [
            ("dense", StepMode::Dense),
            ("linear", StepMode::Linear),
            ("diagonal", StepMode::Diagonal),
            ("diag", StepMode::Linear),
        ];
        for (name, mode) in named {
            if !case.has(&format!("out64/{name}/y_zero")) {
                continue;
            }
            modes += 1;
            let tolerance = if mode == StepMode::Diagonal { 1e-6 } else { 1e-8 };
            for (which, state) in [("zero", &zero), ("rand", &rand)] {
                let (y, after) = system.unroll(&u, state, mode)?;
                expect_output(case, &format!("{name}/y_{which}"), &y, tolerance)?;
                let after = complex_columns(&after);
                expect_output(case, &format!("{name}/state_{which}"), &after, tolerance)?;
            }
        }
        ensure!(modes > 0, "no step mode in the case");

        type Convolution<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Result<(Tensor, Tensor)>;
        let fft: Convolution = &|u, s| system.convolve(u, s);
        let chunks_of_16: Convolution = &|u, s| system.chunked(u, s, 16);
        let chunks_of_4: Convolution = &|u, s| system.chunked(u, s, 4);
        for convolution in [fft, chunks_of_16, chunks_of_4] {
            expect_output(case, "conv/y_zero", &convolution(&u, &zero)?.0, 1e-8)?;
            let (y, after) = convolution(&u, &rand)?;
            expect_output(case, "conv/y_rand", &y, 1e-8)?;
            expect_output(case, "conv/state_rand", &complex_columns(&after), 1e-8)?;

            // In two halves, the second continuing from the first one's state.
            let t = u.size()[2];
            let (first, middle) = convolution(&u.narrow(2, 0, t / 2), &rand)?;
            let (second, after) = convolution(&u.narrow(2, t / 2, t - t / 2), &middle)?;
            expect_output(case, "conv/state_mid", &complex_columns(&middle), 1e-8)?;
            expect_output(case, "conv/y_chunks", &Tensor::cat(&[first, second], -1), 1e-8)?;
            expect_output(case, "conv/state_chunks", &complex_columns(&after), 1e-8)?;

            let odd = *case.tensor("out64/conv/y_odd37")?.size().last().context("odd")?;
            let (y, after) = convolution(&u.narrow(2, 0, odd), &rand)?;
            expect_output(case, "conv/y_odd37", &y, 1e-8)?;
            expect_output(case, "conv/state_odd37", &complex_columns(&after), 1e-8)?;
        }

        let len = u.size()[2];
        let ssm = system.params.ssm(1.0);
        expect_output(case, "conv/K", &ssm.kernel(len, KernelMethod::BlockPowers, kind)?, 1e-8)?;
        let response = fft::state_response(&ssm.discretise(len)?, &rand, len);
        expect_output(case, "conv/K_state", &response, 1e-8)
    });
}

#[test]
fn parity_recurrent_float64() {
    recurrent(Kind::Double);
}

#[test]
fn parity_recurrent_float32() {
    recurrent(Kind::Float);
}

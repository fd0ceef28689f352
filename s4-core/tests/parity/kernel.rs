//! Kernels of S4 and S4D against the official code, by every method.

use anyhow::{Context, Result, ensure};
use parity::{Case, for_each_case, relative_error};
use s4_config::{Discretisation, KernelMethod, Mode, SsmConfig};

use s4_core::params::ParamStore;

use s4_core::ssm::minimal::MinimalParameters;
use s4_core::ssm::parameters::SsmParameters;
use tch::{Kind, Tensor};

use crate::case::{expect_gradients, expect_output, input, parameters, ssm_config, state_dict};

/// Settings that do not describe the SSM itself.
const OTHER: &[&str] = &["d_model", "perturbed", "lengths", "channels", "calls", "l_max"];
/// The naive sum is slow; beyond this length the other two methods are compared alone.
const NAIVE_LIMIT: i64 = 1100;

fn methods(len: i64) -> Vec<KernelMethod> {
    let mut methods = vec![KernelMethod::BlockPowers, KernelMethod::Paper];
    if len <= NAIVE_LIMIT {
        methods.push(KernelMethod::Naive);
    }
    methods
}

/// Kernels of the case: (name, length parameter L, rate, number of values).
fn kernels(case: &Case) -> Result<Vec<(String, i64, f64, i64)>> {
    let mut found = Vec::new();
    for (name, tensor) in case.group("out64") {
        let Some(rest) = name.strip_prefix("K_L") else { continue };
        let (length, rate) = rest.split_once("_rate").unwrap_or((rest, "1p0"));
        let rate: f64 = rate.replace('p', ".").parse().context("rate")?;
        let values = *tensor.size().last().context("empty kernel")?;
        found.push((name.clone(), length.parse().context("length")?, rate, values));
    }
    ensure!(!found.is_empty(), "no kernels in the case");
    Ok(found)
}

/// The default path must hold float32 to 2e-5 at every length, whatever the official code does.
fn expect_default_precision(
    case: &Case,
    name: &str,
    k: &Tensor,
    method: KernelMethod,
) -> Result<()> {
    if k.kind() == Kind::Float && method == KernelMethod::BlockPowers {
        let error = relative_error(k, &case.tensor(&format!("out64/{name}"))?);
        ensure!(error <= 2e-5, "{name}: float32 relative error {error:.2e} of the default path");
    }
    Ok(())
}

fn check_parameters(case: &Case, params: &SsmParameters) -> Result<()> {
    let ssm = params.ssm(1.0);
    case.expect_f64("mid/dt", &ssm.dt, 1e-12)?;
    case.expect_f64("mid/A", &real_if_needed(case, "mid/A", &ssm.a), 1e-12)?;
    let b = ssm.b.unsqueeze(0);
    case.expect_f64("mid/B", &real_if_needed(case, "mid/B", &b), 1e-12)?;
    case.expect_f64("mid/C", &real_if_needed(case, "mid/C", &ssm.c), 1e-12)?;
    if let Some(p) = &ssm.p {
        case.expect_f64("mid/P", p, 1e-12)?;
    }
    Ok(())
}

fn real_if_needed(case: &Case, name: &str, z: &Tensor) -> Tensor {
    if case.is_complex(name) { z.shallow_clone() } else { z.real() }
}

fn check_gradients(
    case: &Case,
    store: &ParamStore,
    params: &SsmParameters,
    tolerance: f64,
) -> Result<()> {
    let weight = input(case, "grad_weight", store.kind())?;
    let len = *weight.size().last().context("grad_weight")?;
    let k = params.ssm(1.0).kernel(len, KernelMethod::BlockPowers, store.kind())?;
    (k * weight).sum(store.kind()).backward();
    expect_gradients(case, store, tolerance)
}

fn dplr(kind: Kind) {
    for_each_case("kernel_dplr", |case| {
        let config = ssm_config(case, Mode::S4, OTHER)?;
        if !case.setting("calls").is_null() {
            return calls(case, &config, kind);
        }
        check_parameters(case, &parameters(case, &config, Kind::Double)?.1)?;
        for (name, len, rate, values) in kernels(case)? {
            let (store, mut params) = parameters(case, &config, kind)?;
            params.make_c_tilde(len)?;
            if kind == Kind::Double {
                case.expect_f64(&format!("mid/Ctilde_L{len}"), store.get("C").context("C")?, 1e-8)?;
            }
            for method in methods(values) {
                let k = params.ssm(rate).kernel(values, method, kind)?;
                expect_output(case, &name, &k, 1e-8).with_context(|| format!("{method:?}"))?;
                expect_default_precision(case, &name, &k, method)?;
            }
        }
        for (name, c_tilde) in case.group("sd_post") {
            let Some(len) = name.strip_prefix("C_L") else { continue };
            let out = format!("K_post_L{len}");
            let len: i64 = len.parse()?;
            if kind != Kind::Double || !case.has(&format!("out64/{out}")) {
                continue;
            }
            let (store, params) = parameters(case, &config, kind)?;
            let mut dict = state_dict(case, "sd", kind);
            dict.insert("C", c_tilde.to_kind(kind));
            dict.insert("l_kernel", Tensor::from(len));
            store.load_state_dict(&dict)?;
            let k = params.ssm(1.0).kernel(len, KernelMethod::BlockPowers, kind)?;
            expect_output(case, &out, &k, 1e-8)?;
        }
        let (store, mut params) = parameters(case, &config, kind)?;
        let len = *case.tensor("in/grad_weight")?.size().last().context("grad_weight")?;
        params.make_c_tilde(len)?;
        check_gradients(case, &store, &params, 1e-8)
    });
}

/// Several kernels of one module, with the official code's bookkeeping of C̃'s length.
fn calls(case: &Case, config: &SsmConfig, kind: Kind) -> Result<()> {
    let (store, mut params) = parameters(case, config, kind)?;
    let calls = case.setting("calls").as_array().context("calls")?.clone();
    for (i, call) in calls.iter().enumerate() {
        let rate = call["rate"].as_f64().context("rate")?;
        if params.c_tilde_length().is_none()
            && let Some(l_max) = case.setting("l_max").as_i64()
        {
            params.make_c_tilde(l_max)?;
        }
        let len = match call["L"].as_i64() {
            Some(len) => len,
            None => (params.c_tilde_length().unwrap_or(0) as f64 / rate).round_ties_even() as i64,
        };
        let continuous = (rate * len as f64).round_ties_even() as i64;
        while params.c_tilde_length().unwrap_or(0) < continuous {
            params.make_c_tilde(continuous)?;
        }
        let expected = case.json["facts"]["trace"][i]["l_kernel_after"].as_i64();
        ensure!(params.c_tilde_length() == expected, "call {i}: l_kernel");
        for method in methods(len) {
            let k = params.ssm(rate).kernel(len, method, kind)?;
            expect_output(case, &format!("K_call{i}"), &k, 1e-8)?;
        }
        if kind == Kind::Double {
            case.expect_f64(&format!("mid/C_after{i}"), store.get("C").context("C")?, 1e-8)?;
        }
    }
    Ok(())
}

fn diagonal(kind: Kind) {
    for_each_case("kernel_diag", |case| {
        if case.has("sd/log_dt") {
            return minimal(case, kind);
        }
        let config = ssm_config(case, Mode::S4d, OTHER)?;
        // The official code casts DSS kernels to float32 even in float64 runs.
        let tolerance = if config.disc == Discretisation::Dss { 1e-6 } else { 1e-8 };
        let unlimited = SsmConfig { bandlimit: None, ..config.clone() };
        check_parameters(case, &parameters(case, &unlimited, Kind::Double)?.1)
            .or_else(|_| check_parameters(case, &parameters(case, &config, Kind::Double)?.1))?;
        let (store, params) = parameters(case, &config, kind)?;
        for (name, _, rate, values) in kernels(case)? {
            for method in methods(values) {
                let k = params.ssm(rate).kernel(values, method, kind)?;
                expect_output(case, &name, &k, tolerance).with_context(|| format!("{method:?}"))?;
                expect_default_precision(case, &name, &k, method)?;
            }
        }
        check_gradients(case, &store, &params, tolerance)
    });
}

fn minimal(case: &Case, kind: Kind) -> Result<()> {
    let mut store = ParamStore::new(parity::device(), kind);
    let (h, n) = (case.int("d_model", 0), case.int("d_state", 64));
    let params = MinimalParameters::new(&mut store.root(), h, n, (1e-3, 1e-1), None)?;
    store.load_state_dict(&state_dict(case, "sd", kind))?;
    for (name, _, rate, values) in kernels(case)? {
        for method in methods(values) {
            let k = params.ssm(rate).kernel(values, method, kind)?;
            let k = if case.tensor(&format!("out64/{name}"))?.dim() == 2 {
                k.squeeze_dim(0)
            } else {
                k
            };
            expect_output(case, &name, &k, 1e-8).with_context(|| format!("{method:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn parity_kernel_dplr_float64() {
    dplr(Kind::Double);
}

#[test]
fn parity_kernel_dplr_float32() {
    dplr(Kind::Float);
}

#[test]
fn parity_kernel_diag_float64() {
    diagonal(Kind::Double);
}

#[test]
fn parity_kernel_diag_float32() {
    diagonal(Kind::Float);
}

//! Building layers from the settings of a parity case.

use anyhow::{Context, Result};
use parity::Case;
use s4_config::{Mode, SsmConfig};
use s4_core::params::ParamStore;
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;
use serde_json::{Map, Value};
use tch::{Kind, Tensor};

/// Official settings without an effect on what is compared here.
const INERT: &[&str] = &["deterministic", "verbose", "wd", "drop_kernel", "backend"];

/// The settings of a case that configure the SSM; `other` names those that do not. A setting that
/// neither list knows is an error, so that nothing is tested under wrong assumptions.
pub fn ssm_config(case: &Case, mode: Mode, other: &[&str]) -> Result<SsmConfig> {
    let settings = case.json["settings"].as_object().context("settings")?;
    let mut known: Map<String, Value> = settings
        .iter()
        .filter(|(key, value)| {
            let key = key.as_str();
            !other.contains(&key) && !INERT.contains(&key) && !value.is_null()
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    known.insert("mode".to_owned(), serde_json::to_value(mode)?);
    serde_json::from_value(Value::Object(known)).context("settings")
}

/// The tensors of `group` as a state dict of `kind`.
pub fn state_dict(case: &Case, group: &str, kind: Kind) -> StateDict {
    case.group(group).into_iter().collect::<StateDict>().to_kind(kind)
}

/// SSM parameters with the case's initial state dict loaded.
pub fn parameters(
    case: &Case,
    config: &SsmConfig,
    kind: Kind,
) -> Result<(ParamStore, SsmParameters)> {
    let mut store = ParamStore::new(parity::device(), kind);
    let (h, channels) = (case.int("d_model", 0), case.int("channels", 1));
    let parameters = SsmParameters::new(&mut store.root(), h, channels, config)?;
    store.load_state_dict(&state_dict(case, "sd", kind))?;
    Ok((store, parameters))
}

/// Checks the gradient of every parameter against `grad/` (float32) or `grad64/` (float64).
pub fn expect_gradients(case: &Case, store: &ParamStore, tolerance: f64) -> Result<()> {
    let mut checked = 0;
    for (name, tensor, _) in store.parameters() {
        if !case.has(&format!("grad64/{name}")) {
            continue;
        }
        expect_gradient(case, name, &tensor.grad(), store.kind(), tolerance)?;
        checked += 1;
    }
    anyhow::ensure!(checked > 0, "{} has no gradients to check", case.name);
    Ok(())
}

/// Checks one gradient against `grad/name` or `grad64/name`.
pub fn expect_gradient(
    case: &Case,
    name: &str,
    grad: &Tensor,
    kind: Kind,
    tolerance: f64,
) -> Result<()> {
    match kind {
        Kind::Double => case.expect_f64(&format!("grad64/{name}"), grad, tolerance),
        _ => case.expect_f32(&format!("grad/{name}"), grad),
    }
}

/// Checks an output against `out/name` (float32) or `out64/name` (float64).
pub fn expect_output(case: &Case, name: &str, actual: &Tensor, tolerance: f64) -> Result<()> {
    match actual.kind() {
        Kind::Double | Kind::ComplexDouble => {
            case.expect_f64(&format!("out64/{name}"), actual, tolerance)
        }
        _ => case.expect_f32(&format!("out/{name}"), actual),
    }
}

/// An input of the case on the test device, floating point ones as `kind`.
pub fn input(case: &Case, name: &str, kind: Kind) -> Result<Tensor> {
    let tensor = case.tensor(&format!("in/{name}"))?.to_device(parity::device());
    Ok(if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor })
}

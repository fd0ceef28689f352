//! Test support: the reference numbers of the official S4 code, and how results are compared with
//! them.
//!
//! ```no_run
//! use parity::for_each_case;
//!
//! for_each_case("kernel_diag", |case| {
//!     let kernel = case.tensor("out64/k")?; // from your code, given case.group("sd")
//!     case.expect_f64("out64/k", &kernel, 1e-9)
//! });
//! ```
//! A *kind* (`hippo`, `kernel_dplr`, …) is a JSON file that lists cases and a safetensors file that
//! holds their tensors. They are read from the folder named by `S4_FIXTURES`, or else from the
//! small part kept in `parity/fixtures/`, whose README says what each group of tensors is. Tests
//! take every setting from the JSON, so that a folder with other settings and seeds works too.

mod device;
mod generator;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

pub use device::device;
pub use generator::{normal, seeded};

/// All cases of one kind.
pub struct Fixture {
    /// The cases, in the order of the JSON file.
    pub cases: Vec<Case>,
}

/// One case: its settings, and the tensors of its groups.
pub struct Case {
    /// `kind/id`, for messages.
    pub name: String,
    /// The whole JSON object of the case.
    pub json: Value,
    tensors: HashMap<String, Tensor>,
}

/// The folder that the fixtures are read from.
pub fn folder() -> PathBuf {
    match std::env::var_os("S4_FIXTURES") {
        Some(folder) => folder.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures").into(),
    }
}

impl Fixture {
    /// Reads all cases of `kind`.
    pub fn load(kind: &str) -> Result<Self> {
        let json_path = folder().join(format!("{kind}.json"));
        let text = std::fs::read_to_string(&json_path)
            .with_context(|| format!("no parity fixture at {}", json_path.display()))?;
        let json: Value = serde_json::from_str(&text)?;
        let path = folder().join(format!("{kind}.safetensors"));
        let mut by_case: HashMap<String, HashMap<String, Tensor>> = HashMap::new();
        for (key, tensor) in Tensor::read_safetensors(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
        {
            let (case, name) = key.split_once('/').context("tensor name without a case")?;
            by_case.entry(case.to_owned()).or_default().insert(name.to_owned(), tensor);
        }
        let cases = json["cases"]
            .as_array()
            .context("no cases in the JSON file")?
            .iter()
            .map(|case| {
                let id = case["id"].as_str().context("case without an id")?;
                Ok(Case {
                    name: format!("{kind}/{id}"),
                    json: case.clone(),
                    tensors: by_case.remove(id).unwrap_or_default(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        ensure!(!cases.is_empty(), "{} lists no cases", json_path.display());
        Ok(Self { cases })
    }
}

impl Case {
    /// The setting `key`, `Null` where the case has none.
    pub fn setting(&self, key: &str) -> &Value {
        &self.json["settings"][key]
    }

    /// The integer setting `key`, or `default`.
    pub fn int(&self, key: &str, default: i64) -> i64 {
        self.setting(key).as_i64().unwrap_or(default)
    }

    /// The real setting `key`, or `default`.
    pub fn real(&self, key: &str, default: f64) -> f64 {
        self.setting(key).as_f64().unwrap_or(default)
    }

    /// The boolean setting `key`, or `default`.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.setting(key).as_bool().unwrap_or(default)
    }

    /// The text setting `key`, or `default`.
    pub fn text<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.setting(key).as_str().unwrap_or(default)
    }

    /// The tensor `group/name` as it was stored, on the CPU.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor.shallow_clone()),
            None => bail!("{} has no tensor {name}", self.name),
        }
    }

    /// Whether the case has the tensor `group/name`.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Names (without the group) and tensors of `group`, sorted by name.
    pub fn group(&self, group: &str) -> Vec<(String, Tensor)> {
        let prefix = format!("{group}/");
        let mut found: Vec<_> = self
            .tensors
            .iter()
            .filter_map(|(name, t)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), t.shallow_clone()))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Whether the tensor `group/name` holds (re, im) pairs in its last dimension.
    pub fn is_complex(&self, name: &str) -> bool {
        self.json["tensors"][name]["complex"].as_bool().unwrap_or(false)
    }

    /// Holds a float64 result against `out64/name` or `grad64/name`: relative L2 error at most
    /// `tolerance` (1e-8 for most kinds). Complex results are compared as (re, im) pairs.
    pub fn expect_f64(&self, name: &str, actual: &Tensor, tolerance: f64) -> Result<()> {
        let expected = self.tensor(name)?.to_kind(Kind::Double);
        let actual = as_real(actual, &expected)?;
        let norm = expected.norm().double_value(&[]);
        let error = (&actual - &expected).norm().double_value(&[]);
        // A result that is zero in exact arithmetic can only be compared absolutely.
        let bound = tolerance * norm.max(1e-6);
        if error.is_nan() || error > bound {
            bail!(
                "{} {name}: L2 error {error:.3e}, norm {norm:.3e}, tolerance {tolerance:e}",
                self.name
            );
        }
        Ok(())
    }

    /// Holds a float32 result for `group/name` (`out/y`, `grad/x`, …) against the float64 truth
    /// `group64/name`: maximum absolute error at most
    /// `4 * max_abs_err + 1e-6 * ref_max_abs` of the official float32 run.
    pub fn expect_f32(&self, name: &str, actual: &Tensor) -> Result<()> {
        let (group, rest) = name.split_once('/').context("name without a group")?;
        let expected = self.tensor(&format!("{group}64/{rest}"))?.to_kind(Kind::Double);
        let actual = as_real(actual, &expected)?;
        let stats = &self.json["f32_vs_f64"][name];
        let reference = expected.abs().max().double_value(&[]);
        let official = stats["max_abs_err"].as_f64().unwrap_or(0.0);
        let scale = stats["ref_max_abs"].as_f64().unwrap_or(reference);
        let bound = 4.0 * official + 1e-6 * scale;
        let error = (&actual - &expected).abs().max().double_value(&[]);
        if error.is_nan() || error > bound {
            bail!(
                "{} {name}: float32 error {error:.3e} exceeds {bound:.3e} (official {official:.3e})",
                self.name
            );
        }
        Ok(())
    }
}

/// ‖actual - expected‖ / ‖expected‖ over all elements, in float64 on the CPU.
pub fn relative_error(actual: &Tensor, expected: &Tensor) -> f64 {
    let f64_cpu = |t: &Tensor| {
        let t = if t.is_complex() { t.view_as_real() } else { t.shallow_clone() };
        t.detach().to_device(Device::Cpu).to_kind(Kind::Double)
    };
    let (actual, expected) = (f64_cpu(actual), f64_cpu(expected));
    let norm = expected.norm().double_value(&[]);
    (actual - expected).norm().double_value(&[]) / norm.max(f64::MIN_POSITIVE)
}

/// Runs `check` on every case and reports all failures together, so that one bad case does not
/// hide the others.
pub fn for_each_case(kind: &str, mut check: impl FnMut(&Case) -> Result<()>) {
    let fixture = Fixture::load(kind).expect("fixture");
    let failures: Vec<String> = fixture
        .cases
        .iter()
        .filter_map(|case| check(case).err().map(|e| format!("{}: {e:#}", case.name)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        fixture.cases.len(),
        failures.join("\n")
    );
}

fn as_real(actual: &Tensor, expected: &Tensor) -> Result<Tensor> {
    let actual = actual.detach().to_device(Device::Cpu);
    let actual = if actual.is_complex() { actual.resolve_conj().view_as_real() } else { actual };
    ensure!(
        actual.size() == expected.size(),
        "shape {:?}, expected {:?}",
        actual.size(),
        expected.size()
    );
    Ok(actual.to_kind(Kind::Double))
}

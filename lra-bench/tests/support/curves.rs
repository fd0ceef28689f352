//! What a run's `metrics.jsonl` says of its losses.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// What of the machine a run tells with its figures.
const OF_MACHINE: [&str; 6] =
    ["time", "seconds", "steps_per_s", "samples_per_s", "peak_mib", "host_peak_mib"];

/// What a run says of its steps, but for tests after which it went on.
fn figures(run: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut lines: Vec<Map<String, Value>> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().map(|line| line["step"].clone());
    lines.retain(|line| line["split"] != "test" || Some(&line["step"]) == last.as_ref());
    lines.iter_mut().for_each(|line| line.retain(|key, _| !OF_MACHINE.contains(&key.as_str())));
    lines
}

/// Losses by step and split, with the norm of gradients where that is said.
pub fn curve(run: &Path) -> Vec<(u64, String, f64)> {
    let mut curve = Vec::new();
    for line in figures(run) {
        let (step, split) = (line["step"].as_u64().unwrap(), line["split"].as_str().unwrap());
        curve.push((step, split.to_owned(), line["loss"].as_f64().unwrap()));
        if let Some(norm) = line.get("grad_norm").and_then(Value::as_f64) {
            curve.push((step, format!("{split} gradient"), norm));
        }
    }
    curve
}

/// Asserts that two runs say the same to the last bit.
#[track_caller]
pub fn assert_same_figures(found: &Path, expected: &Path) {
    assert_eq!(figures(found), figures(expected), "{}", found.display());
}

/// Asserts that two runs say the same, up to rounding in double precision.
#[track_caller]
pub fn assert_same_curve(found: &Path, expected: &Path) {
    let (a, b) = (curve(found), curve(expected));
    assert_eq!(a.len(), b.len(), "{a:?}\n{b:?}");
    for (a, b) in a.iter().zip(&b) {
        let same = (a.0, &a.1) == (b.0, &b.1) && (a.2 - b.2).abs() <= 1e-6 * b.2.abs().max(1.0);
        assert!(same, "{}: {a:?}, expected {b:?}", found.display());
    }
}

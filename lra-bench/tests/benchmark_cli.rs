//! `lra-bench benchmark` as a user runs it.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn benchmark(arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lra-bench"));
    command.stdin(Stdio::null()).env("OMP_NUM_THREADS", "1").arg("benchmark").args(arguments);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

/// A little of everything; the second length is out of all reach.
const TINY: &[&str] = &[
    "--models=lstm,transformer",
    "--lengths=10000000,16",
    "--d-model=8",
    "--n-layers=1",
    "--seconds-per-entry=0.3",
    "--device=cpu",
];

#[test]
fn every_entry_is_measured_or_says_why_not() {
    let (output, stderr) = benchmark(&[TINY, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&object["device"], &object["d_model"]), (&"cpu".into(), &8.into()));
    let entries = object["entries"].as_array().unwrap();
    let names: Vec<_> =
        entries.iter().map(|e| (e["model"].as_str(), e["length"].as_i64())).collect();
    let expected = [("lstm", 16), ("lstm", 10_000_000), ("transformer", 16)];
    for (name, (model, length)) in names.iter().zip(expected) {
        assert_eq!(*name, (Some(model), Some(length)));
    }
    for entry in entries {
        if entry["length"] == 16 {
            for figure in ["training_steps_per_second", "generation_steps_per_second"] {
                assert!(entry[figure].as_f64().is_some_and(|f| f > 0.0), "{figure}: {entry}");
            }
            assert!(entry["peak_bytes"].as_f64().is_some_and(|b| b >= 0.0), "{entry}");
            let (norms, frame) = (2 * 16, 16 + 90); // H = 8
            let layer = if entry["model"] == "lstm" { 576 } else { 288 + 552 + 16 };
            assert_eq!(entry["parameters"], layer + norms + frame, "{entry}");
        } else {
            assert!(entry["skipped"].as_str().is_some_and(|r| r.contains("would take")), "{entry}");
        }
    }
    assert!(stderr.contains("Transformer, 16 positions: "), "it shows progress: {stderr}");
}

#[test]
fn wrong_arguments_are_one_clear_message() {
    for (wrong, code, words) in [
        ("--models=s5", 2, vec!["s5", "linear-attention"]),
        ("--lengths=1", 2, vec!["1"]),
        ("--batch=0", 2, vec!["batch"]),
        ("--seconds-per-entry=0", 2, vec!["--seconds-per-entry must be positive"]),
        ("--d-model=6", 1, vec!["Transformer", "heads must divide d_model = 6"]),
        ("--n-layers=0", 1, vec!["n_layers must be positive"]),
    ] {
        let (output, stderr) = benchmark(&["--device=cpu", wrong]);
        assert_eq!(output.status.code(), Some(code), "{wrong}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

//! `lra-bench benchmark` as a user runs it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary::{fail, lra_bench, succeed};

fn benchmark(arguments: &[&str]) -> Command {
    let mut command = lra_bench(Path::new("."));
    command.arg("benchmark").args(arguments);
    command
}

/// A little of everything; the second length is out of all reach.
const TINY: &[&str] = &[
    "--models=lstm,s4,transformer",
    "--lengths=10000000,16",
    "--d-model=8",
    "--n-layers=1",
    "--seconds-per-entry=0.3",
    "--device=cpu",
];

#[test]
fn every_entry_is_measured_or_says_why_not() {
    let (json, stderr) = succeed(&mut benchmark(&[TINY, &["--json"]].concat()));
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&object["device"], &object["d_model"]), (&"cpu".into(), &8.into()));
    let entries = object["entries"].as_array().unwrap();
    let names: Vec<_> =
        entries.iter().map(|e| (e["model"].as_str(), e["length"].as_i64())).collect();
    let expected = [("lstm", 16), ("lstm", 10_000_000), ("s4", 16)];
    for (name, (model, length)) in names.iter().zip(expected) {
        assert_eq!(*name, (Some(model), Some(length)));
    }
    for entry in entries {
        if entry["length"] == 16 {
            for figure in ["training_steps_per_second", "generation_steps_per_second"] {
                assert!(entry[figure].as_f64().is_some_and(|f| f > 0.0), "{figure}: {entry}");
            }
            let streamed = entry["streamed_steps_per_second"].as_f64();
            assert_eq!(streamed.is_some_and(|f| f > 0.0), entry["model"] == "s4", "{entry}");
            assert!(entry["peak_bytes"].as_f64().is_some_and(|b| b >= 0.0), "{entry}");
            let (norms, frame) = (2 * 16, 16 + 90); // H = 8
            let layer = match entry["model"].as_str() {
                Some("lstm") => 576,
                Some("transformer") => 288 + 552 + 16,
                _ => 8 + 8 + 3 * 512 + 2 * 256 + 144, // N = 64
            };
            assert_eq!(entry["parameters"], layer + norms + frame, "{entry}");
        } else {
            assert!(entry["skipped"].as_str().is_some_and(|r| r.contains("would take")), "{entry}");
        }
    }
    assert!(stderr.contains("Transformer, 16 positions: "), "it shows progress: {stderr}");
}

#[test]
fn wrong_arguments_are_one_clear_message() {
    let cases: [(_, _, &[&str]); 6] = [
        ("--models=s5", 2, &["s5", "linear-attention"]),
        ("--lengths=1", 2, &["1"]),
        ("--batch=0", 2, &["batch"]),
        ("--seconds-per-entry=0", 2, &["--seconds-per-entry must be positive"]),
        ("--d-model=6", 1, &["Transformer", "heads must divide d_model = 6"]),
        ("--n-layers=0", 1, &["n_layers must be 1 to"]),
    ];
    for (wrong, code, words) in cases {
        fail(&mut benchmark(&["--device=cpu", wrong]), code, words);
    }
}

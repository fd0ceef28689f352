//! A run of the first version is evaluated, resumed and generated from as it was then.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runs/sashimi");
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/spoken-digits");

/// What a command that must succeed writes to standard output.
fn sashimi(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sashimi"));
    command.current_dir(folder).stdin(Stdio::null()).env("OMP_NUM_THREADS", "1");
    let output = command.args(arguments).args(["--device", "cpu"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_kept_run_is_evaluated_generated_from_and_resumed_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (path, kept, run) = (folder.path(), Path::new(KEPT), folder.path().join("run"));
    fs::create_dir_all(run.join("checkpoints")).unwrap();
    for file in ["config.toml", "checkpoints/best.safetensors", "checkpoints/last.safetensors"] {
        fs::copy(kept.join(file), run.join(file)).unwrap();
    }
    let expected = fs::read(kept.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();

    let evaluate = ["evaluate", "run", "--data", DIGITS, "--json"];
    let found: Value = serde_json::from_str(&sashimi(path, &evaluate)).unwrap();
    let was = &expected["evaluate"];
    for key in ["count", "step"] {
        assert_eq!(found[key], was[key], "{key}");
    }
    for key in ["accuracy", "loss", "bits_per_sample"] {
        let difference = found[key].as_f64().unwrap() - was[key].as_f64().unwrap();
        assert!(difference.abs() < 1e-4, "{key}: {found} and {was}");
    }

    sashimi(path, &["generate", "run", "--seconds", "0.1", "--count", "2", "--seed", "7"]);
    for name in ["step6-seed7-000.wav", "step6-seed7-001.wav"] {
        let found = fs::read(run.join("samples").join(name)).unwrap();
        assert_eq!(found, fs::read(kept.join("expected").join(name)).unwrap(), "{name}");
    }

    let resume = ["train", "--resume", "run", "--data", DIGITS, "--max-steps", "9"];
    sashimi(path, &resume);
    let summary = fs::read(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let (found, was) = (&summary["val"]["loss"], &expected["resumed"]["val_loss"]);
    let difference = found.as_f64().unwrap() - was.as_f64().unwrap();
    assert!(difference.abs() < 1e-4, "{found} and {was}");
}

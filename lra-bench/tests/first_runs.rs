//! Runs of the first versions are evaluated and resumed as they were then; and a run's losses are those
//! of every version since.

#[path = "support/binary.rs"]
mod binary;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use binary::{evaluate, lra_bench, mnist, succeed, train_small};
use serde_json::Value;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runs");

/// Puts a copy of a kept run into `folder`, and what is expected of it.
fn kept(run: &str, folder: &Path) -> Value {
    let from = Path::new(KEPT).join(run);
    let to = folder.join(run);
    fs::create_dir_all(to.join("checkpoints")).unwrap();
    for file in ["config.toml", "checkpoints/best.safetensors", "checkpoints/last.safetensors"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    serde_json::from_slice(&fs::read(from.join("expected.json")).unwrap()).unwrap()
}

/// The losses that training printed, by step.
fn losses(stderr: &str) -> BTreeMap<String, f64> {
    let mut losses = BTreeMap::new();
    for line in stderr.lines().filter_map(|line| line.strip_prefix("step ")) {
        let (Some((step, _)), Some((_, loss))) = (line.split_once('/'), line.split_once("  loss "))
        else {
            continue;
        };
        losses.insert(step.to_owned(), loss.split(' ').next().unwrap().parse().unwrap());
    }
    losses
}

#[test]
fn kept_runs_are_evaluated_and_resumed_as_they_were() {
    for run in ["s4", "convolution", "transformer"] {
        let folder = tempfile::tempdir().unwrap();
        let expected = kept(run, folder.path());
        let data = mnist();
        let found = evaluate(folder.path(), run, &["--data", data.to_str().unwrap()]);
        let was = &expected["evaluate"];
        for key in ["accuracy", "confusion_matrix", "count", "step"] {
            assert_eq!(found[key], was[key], "{run}: {key}");
        }
        let loss = |value: &Value| value["loss"].as_f64().unwrap();
        assert!((loss(&found) - loss(was)).abs() < 1e-4, "{run}: {found} and {was}");

        let mut resume = lra_bench(folder.path());
        resume.args(["train", "--resume", run, "--max-steps", "14", "--device", "cpu", "--data"]);
        let found = losses(&succeed(resume.arg(&data)).1);
        let was = expected["resumed"].as_object().unwrap();
        assert_eq!(found.len(), was.len(), "{run}: {found:?}");
        for (step, loss) in was {
            // Four digits are printed.
            let difference = (found[step] - loss.as_f64().unwrap()).abs();
            assert!(difference < 1.5e-4, "{run}: {found:?} and {was:?}");
        }
    }
}

/// Twenty steps in float64, so that rounding does not hide what changed: what every local test allows
/// and is still another model is seen here. The numbers are this program's own.
#[test]
fn twenty_steps_have_the_losses_that_they_always_had() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["train.precision=\"float64\"", "train.log_every=5", "train.eval_every=20"];
    let mut train = train_small(folder.path(), "smnist", &settings);
    train.args(["--run-dir", "run", "--epochs", "4", "--max-steps", "20", "--data"]).arg(mnist());
    succeed(&mut train);
    let summary = fs::read(folder.path().join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let loss = summary["val"]["loss"].as_f64().unwrap();
    assert!((loss - GOLDEN_VAL_LOSS).abs() < 1e-7, "{loss}");
}

const GOLDEN_VAL_LOSS: f64 = 0.0;

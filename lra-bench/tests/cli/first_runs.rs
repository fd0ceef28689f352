//! Runs of the first versions are evaluated and resumed as they were then; and a run's losses are those
//! of every version since.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::binary::{evaluate, lra_bench, mnist, succeed, train_small};

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

/// The loss on the validation split when a run ended.
fn val_loss(run: &Path) -> f64 {
    let summary = fs::read(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    summary["val"]["loss"].as_f64().unwrap()
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
        succeed(resume.arg(&data));
        let (found, was) = (val_loss(&folder.path().join(run)), &expected["resumed"]["val_loss"]);
        assert!((found - was.as_f64().unwrap()).abs() < 1e-4, "{run}: {found} and {was}");
    }
}

/// Eight steps in float64, so that rounding does not hide what changed: what every local test allows
/// and is still another model is seen here. The numbers are this program's own.
#[test]
fn eight_steps_have_the_losses_that_they_always_had() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["train.precision=\"float64\"", "train.log_every=5", "train.eval_every=8"];
    let mut train = train_small(folder.path(), "smnist", &settings);
    train.args(["--run-dir", "run", "--epochs", "4", "--max-steps", "8", "--data"]).arg(mnist());
    succeed(&mut train);
    let loss = val_loss(&folder.path().join("run"));
    assert!((loss - GOLDEN_VAL_LOSS).abs() < 1e-7, "{loss}");
}

const GOLDEN_VAL_LOSS: f64 = 2.350_581_286_702_175_4;

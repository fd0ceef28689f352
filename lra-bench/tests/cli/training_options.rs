//! Settings that trade precision or time for speed or memory, as a user gives them.

use std::path::Path;

use serde_json::Value;
use tch::Kind;
use training::checkpoint::Checkpoint;

use crate::binary::{mnist, succeed, train_small};

/// Trains a small model on the little MNIST with these settings; what it said.
fn train(folder: &Path, run: &str, settings: &[&str]) -> String {
    let tiny = ["model.d_model=8", "model.n_layers=2", "model.layer.ssm.d_state=8"];
    let steps = ["train.batch_size=10", "train.workers=1"];
    let mut command = train_small(folder, "smnist", &[&tiny[..], &steps, settings].concat());
    command.args(["--run-dir", run, "--max-steps", "6", "--data"]).arg(mnist());
    succeed(&mut command).1
}

fn checkpoint(folder: &Path, run: &str) -> Checkpoint {
    Checkpoint::load(&folder.join(run).join("checkpoints/last.safetensors")).unwrap()
}

fn val_loss(folder: &Path, run: &str) -> f64 {
    let text = std::fs::read(folder.join(run).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&text).unwrap();
    summary["val"]["loss"].as_f64().unwrap()
}

#[test]
fn recomputation_leaves_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = ["model.dropout=0.2", "model.norm=\"batch\""];
    train(path, "kept", &settings);
    train(path, "recomputed", &[&settings[..], &["model.recompute=true"]].concat());
    let (kept, recomputed) = (checkpoint(path, "kept"), checkpoint(path, "recomputed"));
    for (a, b) in [(&kept.model, &recomputed.model), (&kept.optimizer, &recomputed.optimizer)] {
        for (name, tensor) in a.iter() {
            assert!(tensor.equal(b.get(name).unwrap()), "{name} differs");
        }
    }
    assert!(kept.model.iter().any(|(name, _)| name.ends_with("running_mean")));
}

#[test]
fn reduced_precision_trains_float32_parameters_to_about_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let plain = train(path, "float32", &[]);
    assert!(!plain.contains("precision:"), "{plain}");
    let bf16 = train(path, "bf16", &["train.precision=\"bf16\""]);
    assert!(bf16.contains("precision: bfloat16 in linear maps"), "{bf16}");
    let tf32 = train(path, "tf32", &["train.precision=\"tf32\""]);
    assert!(tf32.contains("no effect on a CPU"), "{tf32}");

    let last = checkpoint(path, "bf16");
    for (name, tensor) in last.model.iter().chain(last.optimizer.iter()) {
        let kind = tensor.kind();
        assert!(matches!(kind, Kind::Float | Kind::Int64), "{name} is {kind:?}");
        assert!(tensor.isfinite().all().int64_value(&[]) == 1, "{name} is not finite");
    }
    let (full, rounded) = (val_loss(path, "float32"), val_loss(path, "bf16"));
    assert!((full - rounded).abs() < 0.02 * full, "{full} and {rounded}");
    let exact = checkpoint(path, "float32");
    let same = |(name, tensor): (&str, &tch::Tensor)| tensor.equal(exact.model.get(name).unwrap());
    assert!(!last.model.iter().all(same), "nothing was rounded");
    assert_eq!(full, val_loss(path, "tf32"));
}

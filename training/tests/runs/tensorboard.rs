//! TensorBoard itself reads what we write. Needs Python with the `tensorboard` package:
//! `S4_TEST_PYTHON=<interpreter> cargo test -p training --test runs tensorboard`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::show::Sound;
use training::tensorboard::EventWriter;

use crate::perceptron::{Order, run, run_well};

/// What TensorBoard finds about `run` in `folder`; `None` where it cannot be asked.
fn read(folder: &Path, run: &str) -> Option<Value> {
    let Some(python) = std::env::var_os("S4_TEST_PYTHON") else {
        // Not `eprintln!`, which the test harness would swallow.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: event files were not compared with TensorBoard's reading, as S4_TEST_PYTHON is not \
             set (an interpreter with the package tensorboard)\n"
        );
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_events.py");
    let output = Command::new(&python).arg(script).arg(folder).arg(run).output().unwrap();
    assert!(output.status.success(), "{python:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn every_kind_of_event_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let mut writer = EventWriter::create(&run, 0).unwrap();
    writer.scalar(3, "train/loss", 0.5).unwrap();
    writer.scalar(4, "train/loss", -2.0).unwrap();
    writer.text(0, "config", "a = 1").unwrap();
    let pixels = Tensor::zeros([3, 5, 7], (Kind::Float, Device::Cpu));
    writer.picture(3, "kernel", &pixels).unwrap();
    writer.histogram(3, "dt", &Tensor::from_slice(&[0.0f32, 0.0, 64.0])).unwrap();
    let sound = Sound { wav: b"RIFF....WAVE".to_vec(), rate: 16000, channels: 1, frames: 4 };
    writer.sound(3, "sample", &sound).unwrap();
    let lr = toml::Value::Float(0.004);
    let norm = toml::Value::String("batch".to_owned());
    let bidirectional = toml::Value::Boolean(true);
    let settings = [("train.lr", &lr), ("model.norm", &norm), ("model.bi", &bidirectional)];
    writer.hparams(settings).unwrap();
    writer.completed().unwrap();
    writer.flush().unwrap();

    let Some(found) = read(folder.path(), "run") else { return };
    assert_eq!(found["scalars"], json!({ "train/loss": [[3, 0.5], [4, -2.0]] }));
    assert_eq!(found["texts"], json!({ "config": ["a = 1"] }));
    assert_eq!(found["images"], json!({ "kernel": [[3, 7, 5, "89504e470d0a1a0a"]] }));
    assert_eq!(found["audio"], json!({ "sample": [[3, 16000.0, 4, "audio/wav", "RIFF"]] }));
    let histogram = &found["histograms"]["dt"][0];
    // Step, least, greatest, number, sum.
    let head = Value::from(histogram.as_array().unwrap()[..5].to_vec());
    assert_eq!(head, json!([3, 0.0, 64.0, 3.0, 64.0]));
    assert_eq!((&histogram[6][0], &histogram[6][63]), (&json!(2.0), &json!(1.0)));
    assert_eq!(
        found["sessions"],
        json!([{
            "hparams": { "train.lr": 0.004, "model.norm": "batch", "model.bi": true },
            "metrics": { "train/loss": -2.0 },
            "status": ["STATUS_SUCCESS"],
        }])
    );
}

#[test]
fn runs_with_different_settings_are_compared_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    for (run, key, tag) in [("a", "model.norm", "val/accuracy"), ("b", "model.pool", "val/bits")] {
        let path = folder.path().join(run);
        std::fs::create_dir(&path).unwrap();
        let mut writer = EventWriter::create(&path, 0).unwrap();
        let value = toml::Value::Integer(1);
        writer.hparams([("train.lr", &value), (key, &value)]).unwrap();
        writer.scalar(1, tag, 0.5).unwrap();
        writer.flush().unwrap();
    }
    let Some(found) = read(folder.path(), "a") else { return };
    assert_eq!(found["columns"], json!(["model.norm", "model.pool", "train.lr"]));
    assert_eq!(found["results"], json!(["val/accuracy", "val/bits"]));
    assert_eq!(found["sessions"].as_array().unwrap().len(), 2);
}

/// The steps of a scalar tag.
fn steps(found: &Value, tag: &str) -> Vec<u64> {
    let events = found["scalars"][tag].as_array().unwrap_or_else(|| panic!("no {tag}: {found}"));
    events.iter().map(|event| event[0].as_u64().unwrap()).collect()
}

#[test]
fn a_killed_and_resumed_run_is_one_curve() {
    let folder = tempfile::tempdir().unwrap();
    let run_path = folder.path().join("run");
    let order = Order { run: run_path.clone(), ..Order::default() };
    // Within step 27: step 25 was reported and 24 evaluated, but the last checkpoint is of step 21.
    let killed = run(&Order { kill_at_call: Some(2 * 27 + 16), ..order.clone() });
    assert!(!killed.status.success());
    // A killed process may also leave a part of a record.
    let first = std::fs::read_dir(&run_path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("tfevents"))
        .unwrap();
    OpenOptions::new().append(true).open(first).unwrap().write_all(b"\x20\0\0\0\0").unwrap();
    run_well(&Order { resume: true, ..order });

    let Some(found) = read(folder.path(), "run") else { return };
    let every_5th = [5, 10, 15, 20, 25, 30, 35, 40];
    for tag in [
        "train/loss",
        "train/accuracy",
        "lr",
        "grad/norm",
        "throughput/steps_per_s",
        "throughput/samples_per_s",
        "memory/peak_mib",
    ] {
        assert_eq!(steps(&found, tag), every_5th, "{tag}");
    }
    for tag in ["val/loss", "val/accuracy"] {
        assert_eq!(steps(&found, tag), [12, 24, 36, 40], "{tag}");
    }
    assert_eq!(steps(&found, "test/accuracy"), [40]);
    for (kind, tag) in [("histograms", "norm/running_var"), ("images", "first"), ("audio", "tone")]
    {
        let events = found[kind][tag].as_array().unwrap();
        let steps: Vec<_> = events.iter().map(|event| event[0].as_u64().unwrap()).collect();
        assert_eq!(steps, [12, 24, 36, 40], "{tag}");
    }
    assert!(found["texts"]["config"][0].as_str().unwrap().contains("hidden = 16"));
    let session = &found["sessions"][0];
    assert_eq!(session["hparams"]["train.optimizer.lr"], 0.01);
    assert_eq!(session["hparams"]["model.dropout"], 0.3);
    assert_eq!(session["status"], json!(["STATUS_SUCCESS"]));
    let accuracy = found["scalars"]["val/accuracy"][3][1].clone();
    assert_eq!(session["metrics"]["val/accuracy"], accuracy);
}

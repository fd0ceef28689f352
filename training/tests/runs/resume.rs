//! A run that was killed and resumed ends with the very same bits as one that was not.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use program::seed::derive;
use tch::Kind;
use training::checkpoint::Checkpoint;
use training::run_dir::{best_checkpoint, last_checkpoint};
use training::summary::Summary;

use crate::perceptron::{Order, assert_same, run, run_well, stderr};

/// A run from start to end.
fn whole(folder: &Path, overrides: &[&str]) -> PathBuf {
    let path = folder.join("whole");
    run_well(&order(&path, overrides));
    path
}

fn order(run: &Path, overrides: &[&str]) -> Order {
    let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
    Order { run: run.to_owned(), overrides, ..Order::default() }
}

fn assert_same_run(a: &Path, b: &Path, what: &str) {
    assert_same(&last_checkpoint(a), &last_checkpoint(b), what);
    assert_same(&best_checkpoint(a), &best_checkpoint(b), what);
    let results = |run| {
        let summary = Summary::read(run).unwrap().unwrap();
        assert!(summary.finished, "{what}");
        let test = summary.test.unwrap();
        (summary.step, summary.best, test.loss, test.metrics)
    };
    assert_eq!(results(a), results(b), "{what}");
}

#[test]
fn killed_at_chosen_moments() {
    let folder = tempfile::tempdir().unwrap();
    let whole = whole(folder.path(), &[]);
    // Two calls make a step, 12 steps an epoch, 8 calls an evaluation; steps 7, 14, ... are saved.
    let moments = [
        (1, "before the first step is complete"),
        (8, "between the two halves of a step"),
        (15, "right after a checkpoint"),
        (20, "within the first epoch"),
        (25, "at the start of the evaluation after an epoch"),
        (30, "within that evaluation"),
        (33, "after the epoch, before the next checkpoint"),
        (60, "in the second epoch"),
        (115, "in the evaluation of the test split"),
    ];
    for (call, what) in moments {
        let path = folder.path().join(format!("killed-{call}"));
        let killed = run(&Order { kill_at_call: Some(call), ..order(&path, &[]) });
        assert!(!killed.status.success(), "{what}: was not killed\n{}", stderr(&killed));
        run_well(&Order { resume: true, ..order(&path, &[]) });
        assert_same_run(&whole, &path, what);
    }
}

#[test]
fn killed_over_and_over_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    // A checkpoint after nearly every step, so that many kills hit one being written.
    let overrides = ["train.checkpoint_seconds=0.001", "train.steps=100", "train.patience=50"];
    let whole = whole(folder.path(), &overrides);
    let path = folder.path().join("killed");
    let (mut kills, mut resume) = (0, false);
    loop {
        let order = Order { resume, delay_ms: 1, ..order(&path, &overrides) };
        let mut child = crate::perceptron::command(&order)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Once there is a checkpoint, at most a part of the run is made in one go.
        while kills < 6 && !last_checkpoint(&path).exists() {
            thread::sleep(Duration::from_millis(1));
        }
        if kills < 6 {
            thread::sleep(Duration::from_millis(50 + derive(1, "kill", kills) % 150));
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        resume = true;
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "it failed by itself");
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} kills: the test is too slow to kill");
    assert_same_run(&whole, &path, "killed over and over");
    let leftovers: Vec<_> = std::fs::read_dir(path.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".partial"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn other_settings_resume_exactly_too() {
    // Clipping and worker threads; a plateau schedule that lowers the rate; no accumulation; float64;
    // a frozen layer.
    let variants: [&[&str]; 5] = [
        &["train.optimizer.clip_norm=0.5", "train.workers=3"],
        &[
            "train.schedule={ name = \"plateau\", patience = 0, factor = 0.5, threshold = 0.5 }",
            "train.best={ metric = \"val/loss\", mode = \"min\" }",
            "train.eval_every=3",
        ],
        &["train.accumulate=1", "train.workers=0", "train.log_every=1", "train.epochs=1"],
        &["train.precision=float64", "train.ema=0.9", "train.optimizer.clip_norm=0.5"],
        &[
            "train.groups=[{ names = \"first.*\", frozen = true }, { names = \"norm.*\", lr = 0.1 }]",
            "train.ema=0.9",
            "train.optimizer.clip_norm=0.5",
        ],
    ];
    for (number, overrides) in variants.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let whole = whole(folder.path(), overrides);
        let path = folder.path().join("killed");
        let killed = run(&Order { kill_at_call: Some(21), ..order(&path, overrides) });
        assert!(!killed.status.success());
        run_well(&Order { resume: true, ..order(&path, &[]) });
        assert_same_run(&whole, &path, &format!("variant {number}"));
    }
}

#[test]
fn float64_is_that_of_everything_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = whole(folder.path(), &["train.precision=float64", "train.ema=0.9", "train.steps=7"]);
    let Checkpoint { model, ema, optimizer, .. } =
        Checkpoint::load(&last_checkpoint(&path)).unwrap();
    for dict in [model, ema.unwrap(), optimizer] {
        for (name, tensor) in dict.iter() {
            assert!(matches!(tensor.kind(), Kind::Double | Kind::Int64), "{name}: {tensor:?}");
        }
    }
}

#[test]
fn weights_from_another_run_are_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    run_well(&order(&source, &["train.steps=7", "train.ema=0.9"]));
    let from = format!("train.init={{ from = {source:?}, exclude = [\"last.*\"] }}");
    // A layer that is frozen stays as it was taken: in the source the average was the best.
    let frozen = "train.groups=[{ names = \"first.*\", frozen = true }]";
    let overrides = [from.as_str(), frozen];
    let whole = whole(folder.path(), &overrides);
    let path = folder.path().join("killed");
    let killed = run(&Order { kill_at_call: Some(21), ..order(&path, &overrides) });
    let text = stderr(&killed);
    assert!(text.contains("taken: first.weight, norm.weight"), "{text}");
    assert!(text.contains("missing there, new here: last.weight"), "{text}");
    let weights = |run: &Path| training::checkpoint::load_weights(&best_checkpoint(run)).unwrap();
    assert_eq!(weights(&source).get("first.weight"), weights(&whole).get("first.weight"));
    assert_ne!(weights(&source).get("norm.weight"), weights(&whole).get("norm.weight"));
    std::fs::remove_dir_all(&source).unwrap();
    run_well(&Order { resume: true, ..order(&path, &[]) });
    assert_same_run(&whole, &path, "resumed without the source");
}

#[test]
fn a_finished_run_can_be_made_longer() {
    let folder = tempfile::tempdir().unwrap();
    let whole = whole(folder.path(), &[]);
    let path = folder.path().join("extended");
    run_well(&order(&path, &["train.steps=14"]));
    let output = run(&Order { resume: true, ..order(&path, &["train.steps=40"]) });
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("changed since the checkpoint: train.steps: 14 -> 40"), "{text}");
    // The shorter run also evaluated at its end, so only the weights are compared.
    let weights = |run: &Path| training::checkpoint::load_weights(&last_checkpoint(run)).unwrap();
    let (a, b) = (weights(&whole), weights(&path));
    for (name, tensor) in a.iter() {
        assert_eq!(tensor, b.get(name).unwrap(), "{name}");
    }
}

#[test]
fn another_model_and_a_damaged_checkpoint_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = whole(folder.path(), &["train.steps=7"]);
    let output = run(&Order { resume: true, ..order(&path, &["model.hidden=32"]) });
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("model.hidden is 16 there and 32 here"), "{text}");
    assert!(!text.contains("stack backtrace"), "{text}");

    let last = last_checkpoint(&path);
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(&Order { resume: true, ..order(&path, &[]) });
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("last.safetensors: it is damaged"), "{text}");
}

#[test]
fn mistakes_on_the_command_line_have_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&order(&folder.path().join("run"), &["train.stepps=7"]));
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("did you mean `train.steps`?"), "{text}");
    assert!(!folder.path().join("run").exists(), "a refused run leaves a folder");
}

//! What a run keeps and says of itself, and what can be known before it begins.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary::{fail, lra_bench, mnist, run, succeed, train_small};

/// A training of `steps` steps on the little MNIST, which logs every second and evaluates every third.
fn train(folder: &Path, run: &str, steps: &str, settings: &[&str]) -> Command {
    let tiny = ["model.d_model=8", "model.n_layers=1", "model.layer.ssm.d_state=8"];
    let often = ["train.batch_size=10", "train.log_every=2", "train.eval_every=3"];
    let warmup = ["train.schedule.warmup_steps=0"];
    let settings = [&tiny[..], &often, &warmup, settings].concat();
    let mut command = train_small(folder, "smnist", &settings);
    command.args(["--run-dir", run, "--max-steps", steps, "--data"]).arg(mnist());
    command
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn steps(lines: &[Value], split: &str) -> Vec<u64> {
    let of = lines.iter().filter(|line| line["split"] == split);
    of.map(|line| line["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_keeps_its_figures_its_words_and_how_it_came_about() {
    let folder = tempfile::tempdir().unwrap();
    let (path, kept_in) = (folder.path(), folder.path().join("run"));
    let shown = succeed(&mut train(path, "run", "6", &[])).1;
    let kept = lines(&kept_in);
    assert_eq!(steps(&kept, "train"), [2, 4, 6]);
    assert_eq!((steps(&kept, "val"), steps(&kept, "test")), (vec![3, 6], vec![6]));
    assert!(kept.iter().all(|line| line["loss"].is_f64() && line["accuracy"].is_f64()), "{kept:?}");
    assert!(["lr", "grad_norm", "steps_per_s"].iter().all(|name| kept[0][name].is_f64()));
    // The log has the lines that were shown, those from before there was a folder as well.
    let log = fs::read_to_string(kept_in.join("train.log")).unwrap();
    assert_eq!(log.trim_end(), shown.trim_end());
    for words in ["set: model.d_model", "step 2/6", "step 4/6", "step 6  test:"] {
        assert!(log.contains(words), "{log}");
    }
    // The settings are in the folder, not on the screen.
    assert!(!shown.contains("[model.layer.ssm]"), "{shown}");

    let resumed = |settings: &[&str]| {
        let mut command = lra_bench(path);
        command.args(["train", "--resume", "run", "--device", "cpu"]);
        command.args(settings);
        succeed(&mut command).1
    };
    resumed(&["--max-steps=8", "--set=train.optimizer.lr=0.5"]);
    let kept = lines(&kept_in);
    assert_eq!(steps(&kept, "train"), [2, 4, 6, 8]);
    assert_eq!(steps(&kept, "val"), [3, 6, 8]);
    let text = fs::read_to_string(kept_in.join("run.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let [first, second] = record["sessions"].as_array().unwrap().as_slice() else {
        panic!("{text}")
    };
    assert!(first["command"].as_array().unwrap().contains(&"--max-steps".into()), "{text}");
    assert_eq!((&first["changes"], &first["from_step"]), (&Value::Array(vec![]), &0.into()));
    assert_eq!((&first["end"]["outcome"], &first["end"]["step"]), (&"finished".into(), &6.into()));
    assert_eq!(second["from_step"], 6);
    assert!(second["changes"].to_string().contains("train.optimizer.lr: "), "{text}");
    assert!(second["changes"].to_string().contains("-> 0.5"), "{text}");
    assert_eq!(first["data"], second["data"]);
    for name in ["version", "libtorch", "host", "cpu", "device", "started"] {
        assert!(first[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {text}");
    }

    // At its end, a run has nothing left to do.
    let last = kept_in.join("checkpoints/last.safetensors");
    let before = fs::read(&last).unwrap();
    let said = resumed(&[]);
    assert!(said.contains("is finished, after step 8: nothing to do"), "{said}");
    assert!(!said.contains("test:"), "{said}");
    assert_eq!(fs::read(&last).unwrap(), before);
}

#[test]
fn a_schedule_ends_with_the_run_or_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let said = succeed(&mut train(path, "whole", "6", &[])).1;
    assert!(!said.contains("warning:"), "{said}");
    let rates = |run: &str| -> Vec<f64> {
        lines(&path.join(run)).iter().filter_map(|line| line["lr"].as_f64()).collect()
    };
    let whole = rates("whole");
    assert!(whole[0] > whole[1] && whole[1] > whole[2] && whole[2] > 0.0, "{whole:?}");

    let short = train(path, "short", "6", &["train.schedule.total_steps=3"]).output().unwrap();
    let said = String::from_utf8(short.stderr).unwrap();
    assert!(said.contains("warning: the schedule ends at step 3, the run at step 6"), "{said}");
    assert_eq!(rates("short")[2], 0.0);
    let warmup = ["train.schedule.warmup_steps=100"];
    let said = succeed(&mut train(path, "warm", "6", &warmup)).1;
    assert!(said.contains("warning: the learning rate warms up for 100 steps, but the"), "{said}");
}

#[test]
fn a_dry_run_tells_what_a_run_would_take_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = train_small(folder.path(), "smnist", &["model.d_model=8"]);
    command.args(["--dry-run", "--data"]).arg(mnist());
    let said = succeed(&mut command).1;
    for words in [" parameters; ", " samples to train on, ", " ms a step over 3 steps", "MiB at"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn quiet_commands_show_results_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(succeed(train(path, "run", "3", &[]).arg("--quiet")).1, "");
    let mut command = lra_bench(path);
    command.args(["evaluate", "run", "-q", "--device", "cpu"]);
    let (result, said) = succeed(&mut command);
    assert!(result.starts_with("smnist test: accuracy "), "{result}");
    assert_eq!(said, "");
    // The log has it all.
    let log = fs::read_to_string(path.join("run/train.log")).unwrap();
    assert!(log.contains("step 2/3"), "{log}");
    let said = run(lra_bench(path).args(["evaluate", "run", "-q", "--data", "gone"])).1;
    assert!(said.starts_with("error: "), "{said}");
}

#[test]
fn shells_can_complete_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(lra_bench(folder.path()).args(["completions", shell])).0;
        assert!(script.contains("dry-run") && script.contains("evaluate"), "{shell}: {script}");
    }
}

#[test]
fn a_file_can_be_based_on_a_preset() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, "base = \"smnist-small\"\n[model]\nd_model = 8\nn_layers = 1\n").unwrap();
    let mut command = lra_bench(folder.path());
    command.args([
        "train",
        "--config",
        "mine.toml",
        "--device",
        "cpu",
        "--max-steps",
        "2",
        "--data",
    ]);
    succeed(command.arg(mnist()));
    let config =
        fs::read_to_string(folder.path().join("runs/smnist/mine-001/config.toml")).unwrap();
    assert!(config.contains("d_model = 8") && config.contains("task = \"smnist\""), "{config}");
    assert!(!config.contains("base ="), "{config}");
}

#[test]
fn what_was_probably_meant_is_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for setting in ["lr=0.1", "train.lr=0.1"] {
        let mut command = train(path, "a", "1", &[]);
        fail(command.args(["--set", setting]), 2, &["did you mean `train.optimizer.lr`?"]);
    }
    // An error has no words before it that do not concern it.
    let mut command = lra_bench(path);
    command.args(["train", "--task", "folder", "--preset", "small", "--data", "no"]);
    let said = run(&mut command).1;
    assert!(said.starts_with("error: "), "{said}");
    // Runs of another program are none to be evaluated here.
    let other = path.join("runs/audio/nosuch-1");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("config.toml"), "[preview]\ncount = 1\n").unwrap();
    fail(lra_bench(path).args(["evaluate", "nosuch"]), 1, &["there are no runs"]);
}

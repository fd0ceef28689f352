//! What a run keeps and says of itself, and what can be known before it begins.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::binary::{evaluate, fail, lra_bench, mnist, run, succeed, train_small};

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
fn a_profile_says_what_the_time_of_a_step_goes_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = train_small(folder.path(), "smnist", &["model.d_model=8"]);
    command.args(["--profile", "--data"]).arg(mnist());
    let (table, said) = succeed(&mut command);
    assert!(said.contains("nothing was trained, and no run was made"), "{said}");
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let named = |name: &str| {
        let row = rows.iter().find(|row| row.iter().any(|word| word.contains(name)));
        row.unwrap_or_else(|| panic!("no {name}: {table}")).clone()
    };
    let ms = |row: &[&str]| row[0].parse::<f64>().unwrap();
    // The parts are those of the whole, and each is called as often in every step.
    let (whole, between) = (ms(&named("together")), ms(&named("between")));
    let parts: f64 = rows.iter().map(|row| ms(row)).sum::<f64>() - whole;
    assert!((parts - whole).abs() < 0.05 * whole + 0.2 && between > 0.0, "{table}");
    let backward = named("aten::gelu_backward");
    assert!(backward[2].parse::<f64>().unwrap() >= 1.0, "{table}");
    assert!(table.contains("_fft_r2c") && table.contains("aten::"), "{table}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_best_checkpoints_are_kept_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = ["train.keep_best=2", "train.eval_every=2", "train.optimizer.lr=0.05"];
    let run = |name: &str, steps: &str| train(path, name, steps, &settings);
    succeed(&mut run("run", "12"));
    let metrics = lines(&path.join("run"));
    let mut val: Vec<(f64, u64)> = metrics
        .iter()
        .filter(|line| line["split"] == "val")
        .map(|line| (line["accuracy"].as_f64().unwrap(), line["step"].as_u64().unwrap()))
        .collect();
    // The highest first; of equal ones the first.
    val.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let kept = |run: &str| {
        let entries = fs::read_dir(path.join(run).join("checkpoints")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("step-")).collect();
        names.sort();
        names
    };
    let mut expected: Vec<String> =
        val[..2].iter().map(|(_, step)| format!("step-{step}.safetensors")).collect();
    expected.sort();
    assert_eq!(kept("run"), expected);
    for &(accuracy, step) in &val[..2] {
        let file = format!("run/checkpoints/step-{step}.safetensors");
        let found = evaluate(path, &file, &["--split", "val"]);
        assert_eq!((&found["accuracy"], &found["step"]), (&json!(accuracy), &json!(step)));
    }
    let last = evaluate(path, "run/checkpoints/last.safetensors", &[]);
    assert_eq!(last["step"], 12);

    // A run that was stopped on the way keeps the same.
    succeed(&mut run("halves", "6"));
    let mut command = lra_bench(path);
    command.args(["train", "--resume", "halves", "--device", "cpu", "--max-steps", "12"]);
    succeed(&mut command);
    assert_eq!(kept("halves"), expected);

    fs::copy(path.join("run/checkpoints/last.safetensors"), path.join("alone.safetensors"))
        .unwrap();
    fail(
        lra_bench(path).args(["evaluate", "alone.safetensors"]),
        1,
        &["config.toml", "name a run"],
    );
    let checkpoint = "run/checkpoints/last.safetensors";
    fail(lra_bench(path).args(["train", "--resume", checkpoint]), 1, &["is a file", "folder"]);
}

#[test]
fn numbers_out_of_range_are_told_their_range() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (["--epochs", "-1"], "'-1' for '--epochs <N>': expected a whole number from 0 on"),
        (["--max-steps", "many"], "'many' for '--max-steps <N>': expected a whole number"),
        (["--set", "train.batch_size=-1"], "integer `-1`, expected a whole number from 0 on"),
        (["--set", "train.batch_size=1000"], "lower train.batch_size"),
    ] {
        let mut command = lra_bench(folder.path());
        command.args(["train", "--task", "smnist", "--device", "cpu", "--data"]).arg(mnist());
        let (code, said) = {
            let output = command.args(arguments).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert!(code != Some(0) && said.contains(words), "{arguments:?}: {said}");
    }
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
fn another_schedule_leaves_out_what_the_old_one_needed() {
    let folder = tempfile::tempdir().unwrap();
    let dry = |settings: &[&str]| {
        let mut command = lra_bench(folder.path());
        command.args(["train", "--task", "smnist", "--preset", "paper", "--dry-run", "--device"]);
        command.args(["cpu", "--data"]).arg(mnist());
        let tiny = ["model.d_model=4", "model.n_layers=1", "train.batch_size=2"];
        for setting in tiny.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        command
    };
    let said = succeed(&mut dry(&["train.schedule.name=constant"])).1;
    assert!(said.contains("train.schedule.warmup_steps: 900 -> left out"), "{said}");
    let both = ["train.schedule.name=constant", "train.schedule.warmup_steps=5"];
    fail(&mut dry(&both), 2, &["unknown key `train.schedule.warmup_steps`"]);
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

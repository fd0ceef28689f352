//! What `docs/reliability.md` promises, by the real program.
#![cfg(unix)]

#[path = "support/binary.rs"]
mod binary;
#[path = "../../lra-bench/tests/support/curves.rs"]
mod curves;
#[path = "../../lra-bench/tests/support/kills.rs"]
mod kills;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use binary::{DIGITS, sashimi, set, succeed, train_tiny};
use curves::{assert_same_curve, assert_same_figures};
use kills::{assert_cache_survives, assert_same, assert_training_survives, kill, kills, moment};

fn train(folder: &Path, run: &str, steps: u32) -> Command {
    let mut command = train_tiny(folder, DIGITS, steps);
    command.args(["--run-dir", run]);
    let settings = [
        "model.dropout=0.1",
        "data.segment=128",
        "train.checkpoint_every=3",
        "train.eval_every=60",
    ];
    set(&mut command, &settings);
    command
}

fn resume(folder: &Path, run: &str) -> Command {
    let mut command = sashimi(folder);
    command.args(["train", "--resume", run, "--device", "cpu"]);
    command
}

#[test]
fn killed_runs_resume_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = |run: &str| train(path, run, 240);
    assert_training_survives(path, kills(5), start, |run| resume(path, run), kill);
}

#[test]
fn several_processes_learn_as_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = |run: &str, processes: &str| {
        let mut command = train_tiny(path, DIGITS, 4);
        // Whole clips, which differ in length, in segments; parts of unequal size.
        let settings = [
            "data.cut=\"clips\"",
            "data.length=3000",
            "data.segment=1024",
            "model.dropout=0.1",
            "train.batch_size=3",
            "train.precision=float64",
            "train.log_every=1",
            "train.eval_every=2",
        ];
        set(&mut command, &settings);
        command.args(["--run-dir", run, "--processes", processes, "--timeout", "60"]);
        succeed(&mut command);
        path.join(run)
    };
    let one = start("one", "1");
    for processes in ["2", "3"] {
        assert_same_curve(&start(processes, processes), &one);
    }
}

/// With `train.shards`, to the last bit.
#[test]
fn shards_learn_the_same_bits_whoever_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let by = |processes: &str, mut command: Command| {
        succeed(command.args(["--processes", processes, "--timeout", "60"]));
    };
    let start = |run: &str, steps| {
        let mut command = train(path, run, steps);
        let settings = [
            "train.shards=4",
            "train.batch_size=5",
            "train.eval_every=2",
            "train.log_every=1",
            "train.schedule.total_steps=400",
        ];
        set(&mut command, &settings);
        command
    };
    by("1", start("one", 4));
    by("2", start("others", 2));
    let mut command = resume(path, "others");
    command.args(["--max-steps", "4"]);
    by("4", command);
    let [one, others] = ["one", "others"].map(|run| path.join(run));
    assert_same_figures(&others, &one);
    assert_same(&others, &one);
}

/// Killed while recordings are decoded: what is half-written must not count.
#[test]
fn killed_caches_hold_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = |run: &str, cache: &str| {
        let mut command = train(path, run, 3);
        command.args(["--set", &format!("data.cache={cache:?}")]);
        command
    };
    assert_cache_survives(path, 0.25, start);
}

#[test]
fn killed_generation_leaves_whole_files_or_none_and_is_repeated_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 3));
    let generate = |out: &str| {
        let mut command = sashimi(path);
        command.args(["generate", "run", "--seconds", "1", "--count", "2", "--device", "cpu"]);
        command.args(["--out", out]);
        command
    };
    let begin = Instant::now();
    let (names, _) = succeed(&mut generate("whole"));
    let span = begin.elapsed();
    let names: Vec<&str> = names.lines().map(|name| name.trim_start_matches("whole/")).collect();
    assert_eq!(names.len(), 2);
    let same = |name: &str| {
        fs::read(path.join("killed").join(name)).unwrap()
            == fs::read(path.join("whole").join(name)).unwrap()
    };
    for number in 0..kills(5).div_ceil(2) {
        let mut command = generate("killed");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(moment(span, number));
        let _ = child.kill();
        child.wait().unwrap();
        for name in &names {
            assert!(!path.join("killed").join(name).exists() || same(name), "half of {name}");
        }
    }
    succeed(&mut generate("killed"));
    assert!(names.iter().all(|name| same(name)));
}

#[test]
fn output_that_cannot_be_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    assert!(train(path, "run", 3).stdout(full()).stderr(full()).status().unwrap().success());
    let file = format!("{DIGITS}/0_george_10.wav");
    let commands: &[&[&str]] = &[
        &["--help"],
        &["evaluate", "run", "--device", "cpu", "--json"],
        &["score", "run", &file, "--device", "cpu"],
        &["generate", "run", "--seconds", "0.01", "--count", "2", "--device", "cpu"],
        &["stability", "run", "--times", "0.1", "--plot", "chart.svg", "--device", "cpu"],
    ];
    for arguments in commands {
        let output = sashimi(path).args(*arguments).stdout(full()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let message = stderr.lines().last().unwrap();
        assert!(message.starts_with("error: cannot write to standard output"), "{stderr}");
        assert_eq!(path.join("chart.svg").exists(), arguments[0] == "stability");
        let mut command = sashimi(path);
        let mut child =
            command.args(*arguments).stdout(Stdio::piped()).stderr(full()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
    let samples = fs::read_dir(path.join("run/samples")).unwrap().count();
    assert_eq!(samples, 2, "what was generated is kept, whoever is told");
}

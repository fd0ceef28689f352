//! The program as a user runs it: in a folder, with its exit code and what it says.
#![allow(dead_code, unused_imports)] // each test binary uses its part

#[path = "outcome.rs"]
mod outcome;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub use outcome::{fail, run, succeed};

/// The program in `folder`.
pub fn lra_bench(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lra-bench"));
    command.current_dir(folder).stdin(Stdio::null()).env_remove("S4_FIXTURES");
    command.env("RUST_BACKTRACE", "1").env("OMP_NUM_THREADS", "1");
    command
}

/// Training of the small preset of `task` with these settings, on the CPU.
pub fn train_small(folder: &Path, task: &str, settings: &[&str]) -> Command {
    let mut command = lra_bench(folder);
    command.args(["--task", task, "--preset", "small", "--device", "cpu"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// A folder with a little MNIST.
pub fn mnist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mnist")
}

/// The object that `evaluate` prints for a run.
#[track_caller]
pub fn evaluate(folder: &Path, run: &str, arguments: &[&str]) -> Value {
    let mut command = lra_bench(folder);
    command.args(["evaluate", run, "--json", "--device", "cpu"]).args(arguments);
    let (json, _) = succeed(&mut command);
    serde_json::from_str(&json).unwrap()
}

/// The records of a CSV file or of CSV on standard output, the heading first.
pub fn records(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let records = reader.records();
    records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The records that `evaluate --predictions` writes of a run's test split, without the heading.
#[track_caller]
pub fn predictions(folder: &Path, run: &str) -> Vec<Vec<String>> {
    evaluate(folder, run, &["--predictions", "predictions.csv"]);
    let text = std::fs::read_to_string(folder.join("predictions.csv")).unwrap();
    let mut records = records(&text);
    assert_eq!(records[0][..4], ["example", "file", "label", "prediction"]);
    records.remove(0);
    records
}

/// `predict` of a run on the CPU, as CSV without the heading.
#[track_caller]
pub fn predict(folder: &Path, run: &str, inputs: &[String]) -> Vec<Vec<String>> {
    let mut command = lra_bench(folder);
    command.args(["predict", run, "--csv", "--device", "cpu"]).args(inputs);
    let mut records = records(&succeed(&mut command).0);
    assert_eq!(records[0][..3], ["file", "label", "probability"]);
    records.remove(0);
    records
}

/// Asserts that files were taken for what `evaluate` takes the same examples for, to the last bit.
#[track_caller]
pub fn assert_same(predicted: &[Vec<String>], evaluated: &[Vec<String>]) {
    assert_eq!(predicted.len(), evaluated.len());
    for (predicted, evaluated) in predicted.iter().zip(evaluated) {
        assert_eq!(predicted[1], evaluated[3], "{predicted:?} {evaluated:?}");
        assert_eq!(predicted[3..], evaluated[4..]);
    }
}

/// What a command that must succeed writes where it is given `text` on standard input.
#[track_caller]
pub fn with_input(command: &mut Command, text: &str) -> (String, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

//! The program as a user runs it: in a folder, with its exit code and what it says.
#![allow(dead_code)] // each test binary uses its part

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

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

/// What is written to standard error, as text beside the rest.
pub fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

/// What a command that must succeed writes to standard output and to standard error.
#[track_caller]
pub fn succeed(command: &mut Command) -> (String, String) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

/// The program fails with this exit code and one message that has these words; no panic, no trace.
#[track_caller]
pub fn fail(command: &mut Command, code: i32, words: &[&str]) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let message = stderr.split("error: ").last().unwrap();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    for trace in ["panicked", "stack backtrace", "frame #0", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(trace), "{stderr}");
    }
}

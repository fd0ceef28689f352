//! The program as a user runs it: in a folder, with its exit code and what it says.
#![allow(dead_code, unused_imports)] // each test binary uses its part

#[path = "outcome.rs"]
mod outcome;

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

//! The program as a user runs it: in a folder, with its exit code and what it says.
#![allow(dead_code, unused_imports)] // each test binary uses its part

#[path = "../../../lra-bench/tests/support/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use outcome::{fail, run, succeed};

/// Six recordings of each of ten digits.
pub const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/spoken-digits");

/// One of [`DIGITS`].
pub fn clip(name: &str) -> PathBuf {
    Path::new(DIGITS).join(name)
}

/// A model that trains in a moment.
pub const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=4",
    "data.length=256",
    "data.val_count=8",
    "train.batch_size=2",
    "train.workers=1",
    "train.log_every=5",
    "train.schedule.warmup_steps=0",
    "preview.count=1",
    "preview.seconds=0.05",
];

/// The program in `folder`.
pub fn sashimi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sashimi"));
    command.current_dir(folder).stdin(Stdio::null());
    command.env("RUST_BACKTRACE", "1").env("OMP_NUM_THREADS", "1");
    command
}

/// Training of a tiny model for `steps` steps on the audio in `data`, on the CPU.
pub fn train_tiny(folder: &Path, data: &str, steps: u32) -> Command {
    train_with(folder, data, steps, TINY)
}

/// The same of a model that is tiny by these settings.
pub fn train_with(folder: &Path, data: &str, steps: u32, settings: &[&str]) -> Command {
    let mut command = sashimi(folder);
    command.args(["train", "--data", data, "--preset", "small", "--device", "cpu"]);
    command.args(["--max-steps", &steps.to_string()]);
    set(&mut command, settings);
    command
}

/// Adds settings.
pub fn set<'a>(command: &'a mut Command, settings: &[&str]) -> &'a mut Command {
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

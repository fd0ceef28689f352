//! The program as a user runs it: in a folder, with its exit code and what it says.
#![allow(dead_code, unused_imports)] // each test binary uses its part

#[path = "../../../lra-bench/tests/support/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

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

/// Waits until `happened`, at most until the process ends.
pub fn wait_until(child: &mut Child, happened: impl Fn() -> bool) {
    while !happened() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends Ctrl-C; the exit code, standard output and standard error.
#[cfg(unix)]
pub fn interrupt(child: Child) -> (Option<i32>, String, String) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

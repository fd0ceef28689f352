//! A training that the tests disturb.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use training::checkpoint::Checkpoint;
use training::run_dir::last_checkpoint;

use crate::binary::{mnist, train_small};

/// What every training says right before its first step.
pub const BEGINS: &str = " training samples, ";

/// A small training of `steps` steps in `folder/run`, with a checkpoint every few steps.
pub fn train(folder: &Path, run: &str, steps: u32) -> Command {
    let settings = [
        "model.d_model=8",
        "model.n_layers=1",
        "model.layer.ssm.d_state=8",
        "model.dropout=0.1",
        "train.batch_size=10",
        "train.workers=1",
        "train.checkpoint_every=4",
        "train.eval_every=\"epoch\"",
        "train.epochs=100000",
    ];
    let mut command = train_small(folder, "smnist", &settings);
    command.args(["--run-dir", run, "--max-steps", &steps.to_string()]).arg("--data").arg(mnist());
    command
}

/// More steps than any test waits for.
pub const ENDLESS: u32 = 1_000_000;

/// Starts `command` and waits until it trains; standard error goes on with what is returned.
pub fn start(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(BEGINS) {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before its first step");
    }
    (child, stderr)
}

/// Sends `signals`, one right after the other.
pub fn send(child: &Child, signals: &[&str]) {
    let id = child.id();
    let script: Vec<String> = signals.iter().map(|name| format!("kill -{name} {id}")).collect();
    assert!(Command::new("sh").args(["-c", &script.join(" && ")]).status().unwrap().success());
}

/// The step of a run's last checkpoint.
pub fn saved_step(run: &Path) -> Option<u64> {
    let path = last_checkpoint(run);
    fs::exists(&path).unwrap().then(|| Checkpoint::load(&path).unwrap().meta.state.step)
}

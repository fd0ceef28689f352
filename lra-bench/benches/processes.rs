//! Time of a training step by several processes, beside that of one with its part of the batch.
//!
//! ```text
//! cargo bench -p lra-bench --bench processes --profile dev [-- [--quick] [--json FILE] [--out DIR] [FILTER]]
//! ```
//!
//! The program itself trains the small preset of sequential MNIST on a little of it, one thread per
//! process; what is measured is what the run logs of itself. `ratio` is against one process with the
//! part of the batch that each of the others has: 1 would be a perfect division of the work, and the
//! rest is what it costs to work together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use measure::{Entry, Figure, Measured, Role, Session, Table, significant};
use serde_json::Value;

/// Seconds that a training may take.
const LIMIT: f64 = 120.0;
/// Steps of which each reading is the mean.
const STEPS: u64 = 5;
/// Processes and samples of a step. Several are compared with one that has the part of each of them.
const CASES: [(usize, usize); 5] = [(1, 50), (1, 25), (2, 50), (1, 12), (2, 24)];

fn main() -> Result<()> {
    match measure::role("processes", &[])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => task.answer(&time(&task)?),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    session.minutes(3.0);
    session.describe("model", "smnist-small".to_owned());
    session.describe("threads per process", "1".to_owned());
    let entries: Vec<Entry> = CASES
        .iter()
        .map(|&(processes, samples)| {
            let names = [processes.to_string(), samples.to_string()];
            let entry = Entry::new("step", names).limit(LIMIT);
            match processes {
                1 => entry,
                _ => entry.against(format!("step/1/{}", samples / processes)),
            }
        })
        .collect();
    let table = Table::new("Steps of several processes", &["processes", "samples"])
        .figures(&[Figure { name: "samples/s", show: significant }]);
    session.table(&table, &entries)?;
    session.finish()
}

fn time(task: &measure::Task) -> Result<Measured> {
    let parts: Vec<&str> = task.name().split('/').collect();
    let ["step", processes, samples] = parts[..] else {
        bail!("there is no entry {}", task.name())
    };
    let folder = tempfile::tempdir()?;
    let steps = if task.quick() { 3 * STEPS } else { 10 * STEPS };
    let mut command = Command::new(env!("CARGO_BIN_EXE_lra-bench"));
    command
        .current_dir(folder.path())
        .env("OMP_NUM_THREADS", "1")
        .args([
            "train",
            "--task",
            "smnist",
            "--preset",
            "small",
            "--device",
            "cpu",
            "--run-dir",
            "run",
        ])
        .args(["--data", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mnist")])
        .args(["--processes", processes, "--max-steps", &steps.to_string()])
        .args(["--set", &format!("train.batch_size={samples}"), "--set", "train.workers=1"])
        .args(["--set", &format!("train.log_every={STEPS}"), "--set", "train.epochs=1000000"])
        .stdout(Stdio::null());
    ensure!(command.stderr(Stdio::null()).status()?.success(), "the training failed");
    let seconds = seconds(&folder.path().join("run/metrics.jsonl"))?;
    let measured = Measured { seconds, peak_bytes: 0.0, figures: BTreeMap::new() };
    let rate = samples.parse::<f64>()? / measured.median();
    Ok(measured.with("samples/s", rate))
}

/// Seconds of a step, by each reading but the first, which pays for all that is made once.
fn seconds(metrics: &Path) -> Result<Vec<f64>> {
    let text = fs::read_to_string(metrics)?;
    let mut seconds = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        if let Some(rate) = line["steps_per_s"].as_f64() {
            seconds.push(1.0 / rate);
        }
    }
    ensure!(seconds.len() > 1, "the training logged too little");
    seconds.remove(0);
    Ok(seconds)
}

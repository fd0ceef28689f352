//! Time of a training step by two processes, beside that of one, and of one with its half of the batch.
//!
//! The program itself trains small presets on a little data, one thread per process; what is measured is
//! what a run logs of itself. `ratio` is against one process with half of the batch: 1 would be a perfect
//! division of the work, and the rest is what it costs to work together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use measure::{Entry, Figure, Measured, Role, Session, Table, Task, significant};
use serde_json::Value;

/// Seconds that a training may take.
const LIMIT: f64 = 120.0;
/// Steps of which each reading is the mean.
const STEPS: u64 = 5;

/// A small preset.
pub struct Model {
    /// Its name in the table.
    pub name: &'static str,
    /// Samples of a step, an even number.
    pub samples: usize,
    /// What the program trains it by, on a little data.
    pub arguments: &'static [&'static str],
}

/// The benchmark `name` of `models`, which `program` trains.
pub fn main(name: &str, program: &str, models: &[Model]) -> Result<()> {
    match measure::role(name, &[])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => task.answer(&time(&task, program, models)?),
        Role::Bench(session) => bench(*session, models),
    }
}

fn bench(mut session: Session, models: &[Model]) -> Result<()> {
    session.minutes(models.len() as f64);
    session.describe("threads per process", "1".to_owned());
    let entries: Vec<Entry> = models
        .iter()
        .flat_map(|&Model { name, samples, .. }| {
            let entry = |processes: usize, samples: usize| {
                let names = [name.to_owned(), processes.to_string(), samples.to_string()];
                Entry::new("step", names).limit(LIMIT)
            };
            let (half, whole) = (entry(1, samples / 2), entry(1, samples));
            let against = half.name().to_owned();
            [half, whole, entry(2, samples).against(against)]
        })
        .collect();
    let table = Table::new("Steps of several processes", &["model", "processes", "samples"])
        .figures(&[Figure { name: "samples/s", show: significant }]);
    session.table(&table, &entries)?;
    session.finish()
}

fn time(task: &Task, program: &str, models: &[Model]) -> Result<Measured> {
    let parts: Vec<&str> = task.name().split('/').collect();
    let found = match parts[..] {
        ["step", name, processes, samples] => {
            models.iter().find(|model| model.name == name).map(|model| (model, processes, samples))
        }
        _ => None,
    };
    let (model, processes, samples) =
        found.with_context(|| format!("there is no entry {}", task.name()))?;
    let folder = tempfile::tempdir()?;
    let steps = if task.quick() { 3 * STEPS } else { 10 * STEPS };
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .env("OMP_NUM_THREADS", "1")
        .args(["train", "--preset", "small", "--device", "cpu", "--run-dir", "run"])
        .args(model.arguments)
        .args(["--processes", processes, "--max-steps", &steps.to_string()])
        .args(["--set", &format!("train.batch_size={samples}"), "--set", "train.workers=1"])
        .args(["--set", &format!("train.log_every={STEPS}"), "--set", "train.epochs=1000000"])
        .args(["--set", "train.eval_every=1000000"])
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

//! Entry by entry, each in a process of its own.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use measure::{available_memory, memory_shortage, run_child};
use program::interrupt;

use super::entry::{Entry, Measured};

/// Limit of a process's time, in multiples of its entry's, beside the time for its start.
const PATIENCE: f64 = 5.0;
const START: Duration = Duration::from_secs(60);

/// What became of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was measured.
    Measured(Measured),
    /// It was not, for this reason.
    Skipped(String),
}

/// An entry and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was to be measured.
    pub entry: Entry,
    /// What came out.
    pub outcome: Outcome,
}

/// Measures `entries`, the lengths of a model in ascending order, and tells `watch` of each. An
/// entry whose shorter neighbour predicts that it would take too much time or memory is skipped.
/// Where the user interrupts, what was measured so far is all.
pub fn run(entries: Vec<Entry>, mut watch: impl FnMut(&Row)) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for entry in entries {
        if interrupt::requested() {
            break;
        }
        let shorter = rows.last().filter(|row| row.entry.model == entry.model);
        let outcome = match shorter.and_then(|shorter| too_much(&entry, shorter)) {
            Some(reason) => Outcome::Skipped(reason),
            None => match in_a_process(&entry) {
                Ok(measured) => Outcome::Measured(measured),
                Err(_) if interrupt::requested() => break,
                Err(error) => Outcome::Skipped(format!("{error:#}")),
            },
        };
        let row = Row { entry, outcome };
        watch(&row);
        rows.push(row);
    }
    rows
}

/// Why an entry is not run, judged by the same model at a smaller length.
fn too_much(entry: &Entry, shorter: &Row) -> Option<String> {
    let measured = match &shorter.outcome {
        Outcome::Measured(measured) => measured,
        Outcome::Skipped(reason) if reason.starts_with("at L = ") => return Some(reason.clone()),
        Outcome::Skipped(reason) => {
            return Some(format!("at L = {}: {reason}", shorter.entry.length));
        }
    };
    let growth = entry.length as f64 / shorter.entry.length as f64;
    let power = if entry.model.state_grows() { 2 } else { 1 };
    let seconds = growth.powi(power) * measured.seconds_per_step;
    if seconds > entry.seconds {
        return Some(format!("a step would take about {seconds:.0} s; see --seconds-per-entry"));
    }
    // A GPU that is out of memory says so; a CPU's system may end other programs first.
    if entry.device != "cpu" {
        return None;
    }
    memory_shortage(growth * measured.peak_bytes?, available_memory()?)
}

fn in_a_process(entry: &Entry) -> Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["benchmark", "--entry", &serde_json::to_string(entry)?]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let limit = START + Duration::from_secs_f64(PATIENCE * entry.seconds);
    let output = run_child(&mut command, limit)?;
    if !output.status.success() {
        bail!(cause(output.status, &String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).context("the process did not say what it measured")
}

/// Why a process failed, in one line.
fn cause(status: ExitStatus, stderr: &str) -> String {
    let message = stderr.rsplit_once("error: ").map_or("", |(_, message)| message);
    if message.contains("out of memory") {
        return "out of memory".to_owned();
    }
    match message.lines().next() {
        Some(line) if status.code().is_some() => line.to_owned(),
        _ => format!("the process failed ({status}); out of memory?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::entry::Model;

    fn row(model: Model, length: i64, seconds_per_step: f64, peak_bytes: f64) -> Row {
        let entry = Entry {
            model,
            length,
            batch: 1,
            d_model: 8,
            n_layers: 1,
            device: "cpu".to_owned(),
            seconds: 10.0,
        };
        let peak_bytes = Some(peak_bytes);
        let measured = Measured {
            parameters: 1,
            seconds_per_step,
            peak_bytes,
            generated_per_second: 1.0,
            streamed_per_second: None,
        };
        Row { entry, outcome: Outcome::Measured(measured) }
    }

    fn longer(row: &Row) -> Entry {
        Entry { length: 2 * row.entry.length, ..row.entry.clone() }
    }

    #[test]
    fn what_would_take_too_long_or_too_much_is_predicted() {
        // Twice the length: twice the time of a linear model, four times that of attention.
        let linear = row(Model::S4, 1024, 4.0, 1e6);
        assert_eq!(too_much(&longer(&linear), &linear), None);
        let square = row(Model::Transformer, 1024, 4.0, 1e6);
        let reason = too_much(&longer(&square), &square).unwrap();
        assert!(reason.contains("16 s"), "{reason}");
        let big = row(Model::Lstm, 1024, 1.0, 1e18);
        let reason = too_much(&longer(&big), &big);
        assert_eq!(reason.is_some_and(|r| r.contains("GiB")), available_memory().is_some());
    }

    #[test]
    fn the_reason_of_the_first_skipped_length_is_kept() {
        let mut skipped = row(Model::S4, 2048, 1.0, 1.0);
        skipped.outcome = Outcome::Skipped("out of memory".to_owned());
        let entry = longer(&skipped);
        let reason = too_much(&entry, &skipped).unwrap();
        assert_eq!(reason, "at L = 2048: out of memory");
        let next = Row { entry, outcome: Outcome::Skipped(reason.clone()) };
        assert_eq!(too_much(&longer(&next), &next), Some(reason));
    }
}

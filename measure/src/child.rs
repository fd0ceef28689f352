//! The process in which one entry is measured, from inside and from outside.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use program::output::say;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::memory::PeakMemory;
use crate::process::run_child;
use crate::statistics::median;

/// The first argument of such a process.
pub(crate) const CHILD: &str = "--child";

/// What a process is to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub(crate) name: String,
    pub(crate) quick: bool,
    pub(crate) settings: Vec<(String, String)>,
}

/// What a process measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of each run.
    pub seconds: Vec<f64>,
    /// Peak of the memory above that before the first run, in bytes.
    pub peak_bytes: f64,
    /// Whatever else there is to say of it, by name.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
}

impl Measured {
    /// Seconds of the run in the middle.
    pub fn median(&self) -> f64 {
        median(self.seconds.clone())
    }

    /// With a further figure.
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }
}

impl Task {
    /// The name of the entry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a rough figure will do.
    pub fn quick(&self) -> bool {
        self.quick
    }

    /// The value of one of the benchmark's own options (`--device`).
    pub fn setting(&self, name: &str) -> Option<&str> {
        setting(&self.settings, name)
    }

    /// Times `run` until a second is over, at least three times, and takes the peak memory of the
    /// first run. A run ends when its results are there: wait for the device.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn time(&self, mut run: impl FnMut() -> Result<()>) -> Result<Measured> {
        let mut timed = || -> Result<f64> {
            let start = Instant::now();
            run()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let memory = PeakMemory::reset();
        let first = timed()?;
        let peak_bytes = memory.bytes();
        let (budget, most) = if self.quick { (0.3, 5) } else { (1.0, 15) };
        let mut seconds = Vec::new();
        // The first run pays for fresh pages; it counts only where one is all that there is time
        // for.
        if first < 2.0 * budget {
            while seconds.len() < 3
                || (seconds.iter().sum::<f64>() < budget && seconds.len() < most)
            {
                seconds.push(timed()?);
            }
        } else {
            seconds.push(first);
        }
        Ok(Measured { seconds, peak_bytes, figures: BTreeMap::new() })
    }

    /// Hands the answer over to the process that asked; the last thing to be done.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn answer(&self, answer: &impl Serialize) -> Result<()> {
        say(serde_json::to_string(answer)?)
    }

    /// The arguments of a process for this task.
    fn arguments(&self) -> Vec<String> {
        let pace = if self.quick { "quick" } else { "full" };
        let mut arguments = vec![CHILD.to_owned(), self.name.clone(), pace.to_owned()];
        for (name, value) in &self.settings {
            arguments.extend([name.clone(), value.clone()]);
        }
        arguments
    }

    /// The task of a process with these arguments behind [`CHILD`].
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let [name, pace, settings @ ..] = arguments else {
            bail!("{CHILD} is not for use by hand")
        };
        let (settings, rest) = settings.as_chunks::<2>();
        ensure!(rest.is_empty(), "{CHILD} is not for use by hand");
        let settings = settings.iter().map(|[name, value]| (name.clone(), value.clone())).collect();
        Ok(Self { name: name.clone(), quick: pace == "quick", settings })
    }

    /// Runs the task in a process of its own and returns its answer.
    ///
    /// # Errors
    /// If it takes longer than `limit` or fails.
    pub(crate) fn run(&self, limit: Duration) -> Result<Value> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args(self.arguments()).stdout(Stdio::piped());
        let output = run_child(&mut command, limit)?;
        ensure!(output.status.success(), "failed ({}); out of memory?", output.status);
        let line = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&line).with_context(|| format!("answered {line:?}"))
    }
}

/// The value of a setting.
pub(crate) fn setting<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
    settings.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_survives_the_command_line() {
        let task = Task {
            name: "s4/forward/1024/paper".into(),
            quick: true,
            settings: vec![("--device".into(), "cpu".into())],
        };
        let arguments = task.arguments();
        assert_eq!(arguments[0], CHILD);
        assert_eq!(Task::parse(&arguments[1..]).unwrap(), task);
        assert_eq!(task.setting("--device"), Some("cpu"));
        assert!(Task::parse(&arguments[1..2]).is_err());
        assert!(Task::parse(&arguments[1..4]).is_err());
    }

    #[test]
    fn the_first_of_several_runs_does_not_count() {
        let task = Task { name: String::new(), quick: true, settings: Vec::new() };
        let mut runs = 0;
        let measured = task
            .time(|| {
                runs += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(measured.seconds.len(), 5);
        assert_eq!(runs, 6);
        assert!(task.time(|| bail!("no")).is_err());
    }
}

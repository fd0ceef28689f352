//! One run of a benchmark.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::bandwidth::triad;
use crate::child::{Measured, Task, setting};
use crate::entry::{Bound, Entry};
use crate::format::significant;
use crate::options::Options;
use crate::outcome::{Outcome, Outcomes};
use crate::report::Report;
use crate::table::{Context, Table};
use crate::{machine, memory};
use program::output::note;

/// What a process may take beyond the timed part: start, parameters, warm-up.
const OVERHEAD: Duration = Duration::from_secs(15);

/// One run of a benchmark.
#[derive(Debug)]
pub struct Session {
    name: String,
    options: Options,
    header: Vec<(String, String)>,
    is_headed: bool,
    peaks: Vec<(Bound, f64)>,
    outcomes: Outcomes,
    records: Vec<Value>,
    sections: Map<String, Value>,
    report: Report,
    started: Instant,
    minutes: f64,
    available_memory: fn() -> Option<f64>,
}

impl Session {
    pub(crate) fn new(name: &str, options: Options) -> Self {
        let mut header = machine::describe();
        if options.quick {
            header.push(("pace".to_owned(), "quick: few runs, short lengths".to_owned()));
        }
        machine::warn_of_load();
        Self {
            name: name.to_owned(),
            outcomes: Outcomes::new(options.force),
            options,
            header,
            is_headed: false,
            peaks: Vec::new(),
            records: Vec::new(),
            sections: Map::new(),
            report: Report::default(),
            started: Instant::now(),
            minutes: f64::INFINITY,
            available_memory: memory::available_memory,
        }
    }

    /// Whether rough figures will do.
    pub fn quick(&self) -> bool {
        self.options.quick
    }

    /// The value of one of the benchmark's own options.
    pub fn setting(&self, name: &str) -> Option<&str> {
        setting(&self.options.settings, name)
    }

    /// Skips what has not begun after this many minutes.
    pub fn minutes(&mut self, minutes: f64) {
        self.minutes = minutes;
    }

    /// How many bytes entries may take; by default what the machine has left.
    pub fn memory(&mut self, available: fn() -> Option<f64>) {
        self.available_memory = available;
    }

    /// Adds a line to what is said of the machine.
    pub fn describe(&mut self, name: &str, value: impl Into<String>) {
        self.header.push((name.to_owned(), value.into()));
    }

    /// Sets the machine's best rate, in FLOP or bytes a second, and says how it was found.
    pub fn peak(&mut self, bound: Bound, per_second: f64, how: &str) {
        self.peaks.push((bound, per_second));
        let rate = significant(per_second / 1e9);
        self.describe(&format!("peak {}", bound.unit()), format!("{rate} ({how})"));
    }

    /// Measures the bandwidth of the memory.
    pub fn measure_bandwidth(&mut self) {
        note("peak/triad");
        self.peak(Bound::Memory, triad(program::machine::cores()), "triad on all cores");
    }

    /// Whether the user wants the entry called `name`.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.options.filter)
    }

    /// Runs something that is no line of a table, for at most `limit`, in a process of its own.
    ///
    /// # Errors
    /// If the process fails.
    pub fn ask<T: DeserializeOwned>(&self, name: &str, limit: Duration) -> Result<T> {
        note(format_args!("{:4.0} s  {name}", self.started.elapsed().as_secs_f64()));
        let task = Task {
            name: name.to_owned(),
            quick: self.options.quick,
            settings: self.options.settings.clone(),
        };
        let answer = task.run(limit)?;
        serde_json::from_value(answer.clone()).with_context(|| format!("answered {answer}"))
    }

    /// Measures the entries that are wanted, and prints them.
    ///
    /// # Errors
    /// If an entry refers to one that is not among them.
    pub fn table(&mut self, table: &Table, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            for other in [&entry.baseline, &entry.smaller, &entry.sibling].into_iter().flatten() {
                ensure!(
                    entries.iter().any(|entry| entry.name == *other),
                    "{} refers to {other}, which there is not",
                    entry.name
                );
            }
        }
        self.outcomes.plan(entries);
        let wanted: Vec<&Entry> = entries.iter().filter(|entry| self.wants(&entry.name)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.head()?;
        for line in table.head() {
            self.report.line(&line)?;
        }
        let mut skipped = Vec::new();
        for entry in &wanted {
            // Baselines first: should time run out, there is something to compare with.
            let baseline = entry.baseline.as_ref().map(|name| self.outcome(name));
            let outcome = self.outcome(&entry.name);
            let smaller = entry.smaller.as_ref().map(|name| self.outcome(name));
            let context = Context {
                baseline: baseline.as_ref().and_then(Outcome::measured),
                smaller: smaller.as_ref().and_then(Outcome::measured),
                peak: entry.work.and_then(|work| self.peak_of(work.bound)),
            };
            let (row, record) = table.row(entry, &outcome, &context);
            self.report.line(&row)?;
            self.records.push(record);
            if let Outcome::Skipped(reason) = outcome {
                skipped.push(format!("- {}: {reason}", entry.name));
            }
        }
        let baseline = wanted.iter().find_map(|entry| entry.baseline.as_deref());
        let baseline = baseline.and_then(|name| name.rsplit('/').next());
        self.report.line("")?;
        self.report.line(&table.foot(baseline))?;
        if !skipped.is_empty() {
            self.report.line("\nSkipped:\n")?;
            for line in skipped {
                self.report.line(&line)?;
            }
        }
        self.report.line("")
    }

    /// Prints Markdown of the benchmark's own, and keeps its `figures` under `name`.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn section(&mut self, name: &str, text: &str, figures: Value) -> Result<()> {
        self.head()?;
        self.report.line(text)?;
        self.sections.insert(name.to_owned(), figures);
        Ok(())
    }

    /// Writes the files that the user asked for.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(self) -> Result<()> {
        if self.records.is_empty() && self.sections.is_empty() {
            // No error: one filter is given to several benchmarks.
            note(format_args!(
                "no entry of {} has {:?} in its name",
                self.name, self.options.filter
            ));
            return Ok(());
        }
        let header: Map<String, Value> =
            self.header.into_iter().map(|(name, value)| (name, json!(value))).collect();
        let peaks: Map<String, Value> = self
            .peaks
            .into_iter()
            .map(|(bound, rate)| (bound.unit().to_owned(), json!(rate / 1e9)))
            .collect();
        let mut figures = json!({
            "benchmark": self.name, "header": header, "peaks": peaks,
            "quick": self.options.quick, "entries": self.records,
        });
        for (name, section) in self.sections {
            figures[name] = section;
        }
        let (out, json) = (self.options.out.as_deref(), self.options.json.as_deref());
        self.report.write(&self.name, &figures, out, json)
    }

    /// What was measured where, before the first figures.
    fn head(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_headed, true) {
            return Ok(());
        }
        for (name, value) in &self.header {
            self.report.line(&format!("- {name}: {value}"))?;
        }
        self.report.line("")
    }

    fn outcome(&mut self, name: &str) -> Outcome {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let outcome = outcomes.get(name, self.available_memory, &mut |entry| self.run(entry));
        self.outcomes = outcomes;
        outcome
    }

    fn run(&self, entry: &Entry) -> Result<Measured> {
        let minutes = self.minutes;
        ensure!(
            self.started.elapsed().as_secs_f64() < 60.0 * minutes,
            "the {minutes} minutes of this benchmark were over"
        );
        // Predictions can err; twice the limit is far enough.
        let limit = Duration::from_secs_f64(2.0 * entry.limit) + OVERHEAD;
        let measured: Measured = self.ask(&entry.name, limit)?;
        ensure!(!measured.seconds.is_empty(), "measured nothing");
        Ok(measured)
    }

    fn peak_of(&self, bound: Bound) -> Option<f64> {
        self.peaks.iter().find(|(known, _)| *known == bound).map(|(_, rate)| *rate)
    }
}

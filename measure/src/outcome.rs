//! What became of each entry.

use std::collections::HashMap;

use anyhow::Result;

use crate::child::Measured;
use crate::entry::Entry;
use crate::format::duration;
use crate::memory::memory_shortage;

/// An entry is four times as large as the one that predicts its cost.
const GROWTH: f64 = 4.0;
/// How a reason begins that was another entry's.
const INHERITED: &str = "as ";

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Measured(Measured),
    /// Why not.
    Skipped(String),
}

impl Outcome {
    pub(crate) fn measured(&self) -> Option<&Measured> {
        match self {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Skipped(_) => None,
        }
    }
}

/// All that was measured in this run.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    force: bool,
    entries: HashMap<String, Entry>,
    known: HashMap<String, Outcome>,
}

impl Outcomes {
    /// None yet; with `force`, what is predicted to be too much will be run.
    pub(crate) fn new(force: bool) -> Self {
        Self { force, ..Self::default() }
    }

    /// Makes entries known, so that others may refer to them.
    pub(crate) fn plan(&mut self, entries: &[Entry]) {
        self.entries.extend(entries.iter().map(|entry| (entry.name.clone(), entry.clone())));
    }

    /// The outcome of an entry: measured with `run` the first time it is asked for, unless its
    /// sibling was skipped, or the smaller one predicts that it takes too long or needs more memory
    /// than is `available`.
    pub(crate) fn get(
        &mut self,
        name: &str,
        available: fn() -> Option<f64>,
        run: &mut dyn FnMut(&Entry) -> Result<Measured>,
    ) -> Outcome {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let Some(entry) = self.entries.get(name).cloned() else {
            return Outcome::Skipped(format!("there is no entry {name}"));
        };
        let mut refusal = None;
        for (other, is_smaller) in [(&entry.sibling, false), (&entry.smaller, true)] {
            let Some(other) = other.as_ref().filter(|_| !self.force) else { continue };
            refusal = refusal.or(match self.get(other, available, run) {
                Outcome::Measured(measured) if is_smaller => {
                    too_much(&entry, &measured, available())
                }
                Outcome::Measured(_) => None,
                Outcome::Skipped(reason) if reason.starts_with(INHERITED) => Some(reason),
                Outcome::Skipped(reason) => Some(format!("{INHERITED}{other}: {reason}")),
            });
        }
        let outcome = match refusal {
            Some(reason) => Outcome::Skipped(reason),
            None => match run(&entry) {
                Ok(measured) => Outcome::Measured(measured),
                Err(error) => Outcome::Skipped(format!("{error:#}")),
            },
        };
        self.known.insert(name.to_owned(), outcome.clone());
        outcome
    }
}

/// Why an entry is not run, if its cost grows with its size from that of the smaller one.
fn too_much(entry: &Entry, smaller: &Measured, available: Option<f64>) -> Option<String> {
    let seconds = GROWTH * smaller.median();
    if seconds > entry.limit {
        let (expected, limit) = (duration(seconds), duration(entry.limit));
        return Some(format!("would take about {expected} a run, more than {limit}"));
    }
    memory_shortage(GROWTH * smaller.peak_bytes, available?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anyhow::bail;

    use super::*;

    const GIB: f64 = (1 << 30) as f64;

    fn measured(seconds: f64, peak_bytes: f64) -> Measured {
        Measured { seconds: vec![seconds], peak_bytes, figures: BTreeMap::new() }
    }

    /// Three sizes, the smallest of which takes `seconds` and `peak_bytes`; what becomes of the
    /// largest, and what was run.
    fn largest(seconds: f64, peak_bytes: f64) -> (Outcome, Vec<String>) {
        let mut outcomes = Outcomes::default();
        outcomes.plan(&[
            Entry::new("e", ["1"]),
            Entry::new("e", ["4"]).after("e/1"),
            Entry::new("e", ["16"]).after("e/4"),
        ]);
        let mut ran = Vec::new();
        let outcome = outcomes.get("e/16", || Some(10.0 * GIB), &mut |entry| {
            let scale: f64 = entry.labels[0].parse()?;
            ran.push(entry.name.clone());
            Ok(measured(scale * seconds, scale * peak_bytes))
        });
        (outcome, ran)
    }

    #[test]
    fn small_entries_predict_large_ones() {
        let (outcome, ran) = largest(0.1, 0.1 * GIB);
        assert_eq!(outcome, Outcome::Measured(measured(1.6, 1.6 * GIB)));
        assert_eq!(ran, ["e/1", "e/4", "e/16"]);

        let (outcome, ran) = largest(1.0, 0.0);
        assert_eq!(
            outcome,
            Outcome::Skipped("would take about 16 s a run, more than 10 s".to_owned())
        );
        assert_eq!(ran, ["e/1", "e/4"]);

        let (outcome, _) = largest(0.1, 0.8 * GIB);
        let reason = "would need about 13 GiB, 10 GiB are available";
        assert_eq!(outcome, Outcome::Skipped(reason.to_owned()));
    }

    #[test]
    fn what_is_skipped_small_is_skipped_large() {
        let (outcome, ran) = largest(5.0, 0.0);
        let reason = "as e/4: would take about 20 s a run, more than 10 s";
        assert_eq!(outcome, Outcome::Skipped(reason.to_owned()));
        assert_eq!(ran, ["e/1"]);
    }

    #[test]
    fn siblings_share_their_fate_but_not_their_cost() {
        for (seconds, is_run) in [(9.0, true), (11.0, false)] {
            let mut outcomes = Outcomes::default();
            outcomes.plan(&[Entry::new("e", ["1"]), Entry::new("e", ["2"]).like("e/1")]);
            let outcome = outcomes.get("e/2", || None, &mut |_| {
                anyhow::ensure!(seconds < 10.0, "stopped");
                Ok(measured(seconds, GIB))
            });
            assert_eq!(outcome.measured().is_some(), is_run);
            if !is_run {
                assert_eq!(outcome, Outcome::Skipped("as e/1: stopped".to_owned()));
            }
        }
    }

    #[test]
    fn failures_are_reasons_and_happen_once() {
        let mut outcomes = Outcomes::default();
        outcomes.plan(&[Entry::new("e", ["1"])]);
        let mut runs = 0;
        for _ in 0..2 {
            let outcome = outcomes.get("e/1", || None, &mut |_| {
                runs += 1;
                bail!("out of order")
            });
            assert_eq!(outcome, Outcome::Skipped("out of order".to_owned()));
        }
        assert_eq!(runs, 1);
    }
}

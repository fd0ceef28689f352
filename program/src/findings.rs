//! What there is to say about data: files that were left out, and files that were read although
//! something is wrong with them. By kind, each with its number and a few names, so that thousands of
//! files make a few lines, and nothing is left out in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::{Serialize, Serializer};

use crate::names::shown;
use crate::output::note;

/// Names in a line.
const NAMED: usize = 3;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    LeftOut,
    PassedOver,
    Noted,
}

impl Weight {
    fn name(self) -> &'static str {
        match self {
            Self::LeftOut => "left out",
            Self::PassedOver => "passed over",
            Self::Noted => "note",
        }
    }
}

/// Names by what there is to say about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<(Weight, String), Vec<String>>);

impl Findings {
    /// What may be data and is not read; an error where nothing may be left out. `kind` is a plural,
    /// such as ".gif files".
    pub fn leave_out(&mut self, kind: impl Into<String>, name: impl AsRef<Path>) {
        self.add(Weight::LeftOut, kind, name.as_ref());
    }

    /// What is no data, such as files of the operating system.
    pub fn pass_over(&mut self, kind: impl Into<String>, name: impl AsRef<Path>) {
        self.add(Weight::PassedOver, kind, name.as_ref());
    }

    /// What is read all the same.
    pub fn note(&mut self, kind: impl Into<String>, name: impl AsRef<Path>) {
        self.add(Weight::Noted, kind, name.as_ref());
    }

    fn add(&mut self, weight: Weight, kind: impl Into<String>, name: &Path) {
        self.0.entry((weight, kind.into())).or_default().push(shown(name));
    }

    /// Adds what was found elsewhere.
    pub fn extend(&mut self, others: Self) {
        for (key, names) in others.0 {
            self.0.entry(key).or_default().extend(names);
        }
    }

    /// A line for each kind: "left out: .gif files: 4 (a.gif, b.gif, c.gif, ...)".
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|((weight, kind), names)| format!("{}: {}", weight.name(), summary(kind, names)))
    }

    /// What was left out, in one line; empty if nothing was.
    pub fn left_out(&self) -> String {
        let kinds = self.0.iter().filter(|((weight, _), _)| *weight == Weight::LeftOut);
        kinds.map(|((_, kind), names)| summary(kind, names)).collect::<Vec<_>>().join("; ")
    }

    /// Prints the lines on standard error.
    ///
    /// # Errors
    /// As [`Findings::refuse`].
    pub fn tell(&self, strict: bool) -> Result<()> {
        self.refuse(strict)?;
        for line in self.lines() {
            note(line);
        }
        Ok(())
    }

    /// Makes sure of data that is `strict`, of which nothing may be left out.
    ///
    /// # Errors
    /// If something was.
    pub fn refuse(&self, strict: bool) -> Result<()> {
        let left_out = self.left_out();
        ensure!(
            !strict || left_out.is_empty(),
            "left out of the data, which --strict forbids: {left_out}; convert, move or remove \
             them, or leave --strict out"
        );
        Ok(())
    }
}

/// Names files that cannot be read, with the reasons, on standard error: the first of them, how many
/// there are beyond, and `more`, where those are named.
pub fn tell_skipped(files: &[(PathBuf, String)], more: &str) {
    const TOLD: usize = 10;
    for (path, reason) in files.iter().take(TOLD) {
        note(format_args!("skipped: {}: {reason}", shown(path)));
    }
    if files.len() > TOLD {
        note(format_args!("skipped: {} more files{more}", files.len() - TOLD));
    }
}

impl Serialize for Findings {
    /// As a map from each kind to its names, which has all of them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|((_, kind), names)| (kind, names)))
    }
}

fn summary(kind: &str, names: &[String]) -> String {
    let more = if names.len() > NAMED { ", ..." } else { "" };
    let mut sorted: Vec<_> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.truncate(NAMED);
    format!("{kind}: {} ({}{more})", names.len(), sorted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_and_a_few_names_given() {
        let mut findings = Findings::default();
        for name in ["a.gif", "b.gif", "c.gif", "d.gif"] {
            findings.leave_out(".gif files", name);
        }
        findings.pass_over("files of the operating system", "Thumbs.db");
        let mut others = Findings::default();
        others.note("odd headers", "x\ny.wav");
        others.leave_out(".gif files", "e.gif");
        findings.extend(others);
        let lines: Vec<_> = findings.lines().collect();
        let expected = [
            "left out: .gif files: 5 (a.gif, b.gif, c.gif, ...)",
            "passed over: files of the operating system: 1 (Thumbs.db)",
            "note: odd headers: 1 (x\\ny.wav)",
        ];
        assert_eq!(lines, expected);
        let error = findings.tell(true).unwrap_err().to_string();
        assert!(error.contains(".gif files: 5 (a.gif") && !error.contains("Thumbs"), "{error}");
        Findings::default().tell(true).unwrap();
    }
}

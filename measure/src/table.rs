//! A table of entries.

use serde_json::{Value, json};

use crate::child::Measured;
use crate::entry::Entry;
use crate::format::{bytes, duration, percent, significant};
use crate::outcome::Outcome;

/// What a table looks like.
#[derive(Debug)]
pub struct Table<'a> {
    title: &'a str,
    labels: &'a [&'a str],
    figures: Vec<Figure>,
    size: Option<&'a str>,
}

/// A further column: a figure of [`Measured`], its heading and how it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Its name among the figures, and the heading.
    pub name: &'static str,
    /// As text.
    pub show: fn(f64) -> String,
}

/// What an entry is compared with.
#[derive(Debug, Default)]
pub(crate) struct Context<'a> {
    pub baseline: Option<&'a Measured>,
    pub smaller: Option<&'a Measured>,
    /// The machine's rate, in FLOP or bytes a second.
    pub peak: Option<f64>,
}

/// An entry in figures that do not depend on the machine as much.
#[derive(Debug, Default, PartialEq)]
struct Ratios {
    speedup: Option<f64>,
    memory: Option<f64>,
    growth: Option<f64>,
    /// FLOP or bytes a second.
    rate: Option<f64>,
    share: Option<f64>,
}

impl Ratios {
    fn new(entry: &Entry, measured: &Measured, context: &Context) -> Self {
        let (baseline, seconds) = (context.baseline, measured.median());
        let rate = entry.work.map(|work| work.amount / seconds);
        Self {
            speedup: baseline.map(|b| b.median() / seconds),
            memory: baseline
                .filter(|b| b.peak_bytes > 0.0)
                .map(|b| measured.peak_bytes / b.peak_bytes),
            growth: context.smaller.map(|s| seconds / s.median()),
            rate,
            share: rate.zip(context.peak).map(|(rate, peak)| rate / peak),
        }
    }
}

impl<'a> Table<'a> {
    /// A table called `title`, the first columns of which have the headings `labels`.
    pub fn new(title: &'a str, labels: &'a [&'a str]) -> Self {
        Self { title, labels, figures: Vec::new(), size: Some("length") }
    }

    /// With further columns.
    pub fn figures(mut self, figures: &[Figure]) -> Self {
        self.figures.extend(figures);
        self
    }

    /// What grows from an entry to the one after it, where that is not the length; none: nothing.
    pub fn size(mut self, size: Option<&'a str>) -> Self {
        self.size = size;
        self
    }

    /// Everything above the first row.
    pub(crate) fn head(&self) -> Vec<String> {
        let mut headings: Vec<&str> = self.labels.to_vec();
        headings.extend(["time", "speed-up"]);
        headings.extend(self.size.map(|_| "growth"));
        headings.push("of the peak");
        headings.extend(self.figures.iter().map(|figure| figure.name));
        headings.extend(["peak memory", "memory ratio"]);
        let rules = headings.iter().enumerate().map(|(i, _)| match i < self.labels.len() {
            true => "---",
            false => "---:",
        });
        vec![format!("### {}", self.title), String::new(), line(&headings), {
            format!("|{}|", rules.collect::<Vec<_>>().join("|"))
        }]
    }

    /// What is said below the last row: what the ratios are to.
    pub(crate) fn foot(&self, baseline: Option<&str>) -> String {
        let baseline = baseline.map_or(String::new(), |baseline| {
            format!("Speed-up and memory ratio are against `{baseline}` in this run. ")
        });
        let growth = self.size.map_or(String::new(), |size| {
            format!("Growth is the time over that at a quarter of the {size}.")
        });
        format!("{baseline}{growth}").trim_end().to_owned()
    }

    /// The row of an entry, and its figures for a program to read.
    pub(crate) fn row(
        &self,
        entry: &Entry,
        outcome: &Outcome,
        context: &Context,
    ) -> (String, Value) {
        let mut record = json!({ "name": entry.name });
        for (label, heading) in entry.labels.iter().zip(self.labels) {
            record[heading] = label.parse::<i64>().map_or_else(|_| json!(label), |n| json!(n));
        }
        let mut cells = entry.labels.clone();
        let measured = match outcome {
            Outcome::Measured(measured) => measured,
            Outcome::Skipped(reason) => {
                record["skipped"] = json!(reason);
                cells.push("skipped".to_owned());
                let further = if self.size.is_some() { 6 } else { 5 };
                cells.resize(self.labels.len() + self.figures.len() + further, String::new());
                return (line(&cells), record);
            }
        };
        let ratios = Ratios::new(entry, measured, context);
        let show = |value: Option<f64>, show: fn(f64) -> String| value.map_or("–".into(), show);
        cells.push(duration(measured.median()));
        cells.push(show(ratios.speedup, significant));
        cells.extend(self.size.map(|_| show(ratios.growth, significant)));
        cells.push(match (ratios.share, entry.work) {
            (Some(share), Some(work)) => format!("{} {}", percent(share), work.bound.unit()),
            _ => "–".into(),
        });
        for figure in &self.figures {
            cells.push(show(measured.figures.get(figure.name).copied(), figure.show));
        }
        cells.push(bytes(measured.peak_bytes));
        cells.push(show(ratios.memory, significant));

        record["median_seconds"] = json!(measured.median());
        record["seconds"] = json!(measured.seconds);
        record["peak_bytes"] = json!(measured.peak_bytes);
        record["speedup"] = json!(ratios.speedup);
        record["memory_ratio"] = json!(ratios.memory);
        record["growth"] = json!(ratios.growth);
        record["figures"] = json!(measured.figures);
        if let Some(work) = entry.work {
            record["bound"] = json!(work.bound.unit());
            record["rate"] = json!(ratios.rate.map(|rate| rate / 1e9));
            record["share_of_peak"] = json!(ratios.share);
        }
        (line(&cells), record)
    }
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::entry::{Bound, Work};

    fn measured(seconds: f64, peak_bytes: f64) -> Measured {
        Measured { seconds: vec![seconds; 3], peak_bytes, figures: BTreeMap::new() }
    }

    fn entry() -> Entry {
        Entry::new("s4", ["16", "fast"]).work(Work { bound: Bound::Arithmetic, amount: 3e9 })
    }

    #[test]
    fn an_entry_is_held_against_baseline_size_and_peak() {
        let (fast, slow, small) = (measured(0.5, 4e6), measured(2.0, 16e6), measured(0.1, 1e6));
        let context = Context { baseline: Some(&slow), smaller: Some(&small), peak: Some(60e9) };
        let ratios = Ratios::new(&entry(), &fast, &context);
        assert_eq!(
            ratios,
            Ratios {
                speedup: Some(4.0),
                memory: Some(0.25),
                growth: Some(5.0),
                rate: Some(6e9),
                share: Some(0.1),
            }
        );
        let alone = Ratios::new(&entry(), &fast, &Context::default());
        assert_eq!(alone, Ratios { rate: Some(6e9), ..Ratios::default() });
    }

    #[test]
    fn rows_have_the_columns_of_the_heading() {
        let show = Figure { name: "steps/s", show: significant };
        let table = Table::new("S4", &["L", "method"]).figures(&[show]);
        let head = table.head();
        assert_eq!(
            head[2],
            "| L | method | time | speed-up | growth | of the peak | steps/s | peak memory | \
             memory ratio |"
        );
        let mib = f64::from(1 << 20);
        let (fast, slow) = (measured(0.5, mib).with("steps/s", 2.0), measured(2.0, 4.0 * mib));
        let context = Context { baseline: Some(&slow), smaller: None, peak: Some(60e9) };
        let (row, record) = table.row(&entry(), &Outcome::Measured(fast), &context);
        assert_eq!(row, "| 16 | fast | 500 ms | 4.0 | – | 10 % GFLOP/s | 2.0 | 1.0 MiB | 0.25 |");
        assert_eq!(record["L"], 16);
        assert_eq!(record["method"], "fast");
        assert_eq!(record["rate"], 6.0);

        let skipped = Outcome::Skipped("too long".to_owned());
        let (row, record) = table.row(&entry(), &skipped, &Context::default());
        assert_eq!(record["skipped"], "too long");
        let columns = |text: &str| text.matches('|').count();
        for text in [&row, &head[3]] {
            assert_eq!(columns(text), columns(&head[2]), "{text}");
        }
        let one_size = table.size(None);
        let fast = Outcome::Measured(measured(0.5, mib));
        for outcome in [&skipped, &fast] {
            let (row, _) = one_size.row(&entry(), outcome, &Context::default());
            assert_eq!(columns(&row), columns(&head[2]) - 1, "{row}");
        }
    }
}

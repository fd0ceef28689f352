//! Results as people and programs read them: one [`Report`], in many formats.

mod changes;
pub mod csv;
mod curves;
mod examples;
pub mod html;
pub mod latex;
pub mod markdown;
pub mod table;
pub mod tensorboard;
pub mod terminal;

use anyhow::{Context, Result};
use program::names::endings;

use crate::agreement::Agreement;
use crate::compare::Comparison;
use crate::mce::Errors;
use crate::probe::Probe;
use crate::reference::Reference;
use crate::results::Results;
use table::Table;

/// What every format tells: of one model, of several side by side, or of two compared.
pub struct Report<'a> {
    /// In a few words.
    pub title: String,
    /// What was judged on what, a line each.
    pub about: Vec<String>,
    /// Every slice.
    pub table: Table<'a>,
    /// What stands out, a line each.
    pub findings: Vec<String>,
}

impl<'a> Report<'a> {
    /// The report of results; of several, all are compared with the first.
    ///
    /// # Errors
    /// If there are none, or they are of different tasks or metrics.
    pub fn new(results: &'a [Results]) -> Result<Self> {
        let (first, others) = results.split_first().context("a report of no results")?;
        let names = names(results);
        let title = format!("Robustness of {}", names.join(", "));
        let about = names.iter().zip(results).map(|(name, it)| about(name, it)).collect();
        if others.is_empty() {
            let (table, findings) = (Table::of(first), findings(first, None));
            return Ok(Self { title, about, table, findings });
        }
        let comparisons = others.iter().map(|other| Comparison::of(first, other));
        let comparisons: Vec<Comparison> = comparisons.collect::<Result<_>>()?;
        let each = names.iter().zip(results).flat_map(|(name, results)| {
            let reference = Some(first).filter(|first| !std::ptr::eq(*first, results));
            findings(results, reference).into_iter().map(move |line| format!("{name}: {line}"))
        });
        let findings = each.collect();
        let table = Table::of_several(results, &names, &comparisons);
        Ok(Self { title, about, table, findings })
    }

    /// The report of a comparison.
    pub fn of_comparison(comparison: &'a Comparison) -> Self {
        let (regressions, slices) = (comparison.regressions().count(), comparison.rows.len());
        let mut findings =
            vec![format!("B is significantly worse on {regressions} of {slices} slices")];
        if !comparison.unmatched.is_empty() {
            findings.push(format!("only one has: {}", comparison.unmatched.join(", ")));
        }
        let (title, table) = ("B against A".to_owned(), Table::of_comparison(comparison));
        Self { title, about: Vec::new(), table, findings }
    }

    /// The report of how far models agree in their errors.
    pub fn of_agreement(agreement: &'a Agreement) -> Self {
        let title = "Errors in common".to_owned();
        let table = Table::of_agreement(agreement);
        Self { title, about: Vec::new(), table, findings: agreement.findings() }
    }
}

/// A name for each, the end of its run's path, and where that is the same, the step, the suite or a
/// number.
pub fn names(results: &[Results]) -> Vec<String> {
    let runs = results.iter().map(|it| &*it.about.run);
    let endings = endings(&runs.collect::<Vec<_>>(), 2);
    let named = |(run, results): (&String, &Results), form: usize| match form {
        0 => run.clone(),
        1 => format!("{run} step {}", results.about.step),
        _ => format!("{run} {}", results.suite.name),
    };
    let unique =
        |names: &[String]| names.iter().enumerate().all(|(i, name)| !names[i + 1..].contains(name));
    let each = |form| endings.iter().zip(results).map(|it| named(it, form)).collect::<Vec<_>>();
    let found = (0..3).map(each).find(|names| unique(names));
    found.unwrap_or_else(|| {
        let each = each(0).into_iter().enumerate();
        each.map(|(number, name)| format!("{} {name}", number + 1)).collect()
    })
}

fn about(name: &str, results: &Results) -> String {
    let Results { about, suite, drawn, .. } = results;
    let (step, data) = (about.step, &about.data);
    format!("{name}: step {step}, on {data}; suite {}, {drawn}", suite.name)
}

/// The mean errors over transformations: by themselves, and divided by those of the first of several and of
/// the task's reference model.
fn mean_errors(results: &Results, errors: &Errors, first: Option<&Results>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mce) = errors.mean(None) {
        lines.push(format!(
            "mean error over {} transformation{}: {}, {} of it beyond the clean error",
            mce.transformations,
            if mce.transformations == 1 { "" } else { "s" },
            results.metric.show(mce.mce),
            results.metric.show(mce.relative.unwrap_or_default())
        ));
    }
    let shipped = Reference::for_task(&results.about.task);
    let shipped =
        shipped.map(|it| (it.errors, format!("the reference for {} ({})", it.task, it.model)));
    let first = first.and_then(Errors::of).map(|errors| (errors, "the first".to_owned()));
    for (reference, name) in first.into_iter().chain(shipped) {
        if let Some(mce) = errors.mean(Some(&reference)) {
            lines.push(format!(
                "mean corruption error against {name}: {:.1}%{}, over {} transformations",
                100.0 * mce.mce,
                mce.relative.map(|it| format!(", relative {:.1}%", 100.0 * it)).unwrap_or_default(),
                mce.transformations
            ));
        }
    }
    lines
}

/// The clean figure, the worst group, and mean errors, which are divided by those of `reference`, too.
fn findings(results: &Results, reference: Option<&Results>) -> Vec<String> {
    let metric = &results.metric;
    let mut lines = Vec::new();
    let mut scored = |what: &str, row: &crate::results::Row| {
        if let Some(score) = row.score {
            let count = row.slice.members.len();
            lines.push(format!("{what}: {} of {count} examples", table::score(metric, &score)));
        }
    };
    if let Some(row) = results.clean() {
        scored(&format!("clean {}", metric.name), row);
    }
    if let Some(row) = results.worst_group() {
        scored(&format!("worst group, {}", row.slice.name), row);
    }
    if let Some(errors) = Errors::of(results) {
        lines.extend(mean_errors(results, &errors, reference));
    }
    for Probe { name, strength, figure, estimate, count, note } in &results.probes {
        let (value, low, high) = (estimate.value, estimate.interval.low, estimate.interval.high);
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        lines.push(format!(
            "{name} ({strength}): {value:.3} [{low:.3}, {high:.3}] {figure}, of {count}{note}"
        ));
    }
    lines.extend(results.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines
}

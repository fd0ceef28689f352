//! Data of several tasks as one.

use anyhow::{Context, Result};
use datasets::shape::Shape;
use datasets::split::Split;
use datasets::tasks::{self, Splits};
use program::exit::usage;

use super::Source;
use super::known::known;

/// `first` with the examples of `with` mixed in; what the data decides is filled into these.
///
/// # Errors
/// If data cannot be read, or is of another kind.
pub(crate) fn mixed(
    task: &str,
    first: Splits,
    with: &mut [Source],
    seed: u64,
    progress: bool,
) -> Result<Splits> {
    let mut all = first;
    let mut parts = [vec![all.train.clone()], vec![all.val.clone()], vec![all.test.clone()]];
    for source in with {
        let other = known(tasks::find(&source.task)?.open(&source.data, progress)?);
        let kind = |splits: &Splits| format!("{:?} {}", splits.medium, input(&splits.shape));
        if kind(&other) != kind(&all) {
            return Err(usage(format!(
                "{task} has {}, and {} has {}: what is mixed must be of one kind",
                kind(&all),
                source.task,
                kind(&other)
            )));
        }
        source.data = other.config;
        all.origin = format!("{}; {}", all.origin, other.origin);
        all.findings.extend(other.findings);
        for (parts, part) in parts.iter_mut().zip([other.train, other.val, other.test]) {
            parts.push(part);
        }
    }
    let [train, val, test] = parts.map(fitted);
    let train = train?;
    let len = train.iter().map(|part| part.len()).sum();
    let weighted: Vec<_> =
        train.into_iter().map(|part| (part.clone(), part.len() as f64)).collect();
    all.train = Split::mixture(&weighted, len, seed).context("the training data")?;
    all.val = Split::concatenation(val?);
    all.test = Split::concatenation(test?);
    Ok(all)
}

fn input(shape: &Shape) -> String {
    match shape.input {
        s4_config::Input::Tokens { vocabulary } => format!("of {vocabulary} tokens"),
        s4_config::Input::Values { features } => format!("of {features} values a position"),
    }
}

/// The parts such that their examples fit into one batch.
fn fitted(parts: Vec<Split>) -> Result<Vec<Split>> {
    let mut lengths = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        lengths.push(part.batch(&[0])?.length);
    }
    let differ = lengths.windows(2).any(|pair| pair[0] != pair[1])
        || parts.iter().any(|part| part.padding().is_some());
    Ok(if differ { parts.iter().map(Split::padded).collect() } else { parts })
}

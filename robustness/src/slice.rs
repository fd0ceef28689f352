//! A slice: some examples, as they are or changed, that a model is judged on.

use derive_more::Display;
use serde::{Deserialize, Serialize};
use transformations::{Effect, Severity};

/// Where a slice comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idiom {
    /// All drawn examples, as they are.
    #[display("clean")]
    Clean,
    /// Some of the examples, as they are.
    #[display("subpopulation")]
    Subpopulation,
    /// All examples, changed.
    #[display("transformation")]
    Transformation,
    /// Examples changed so that this model fails.
    #[display("attack")]
    Attack,
    /// Examples that were kept on disk.
    #[display("evaluation set")]
    EvaluationSet,
}

/// Some examples, as they are or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Where it comes from.
    pub idiom: Idiom,
    /// Its name within the suite, such as "gaussian-noise" or "length [100, 200)".
    pub name: String,
    /// How it came about, the last step last: what was drawn, which of those, what was done to them.
    pub lineage: Vec<String>,
    /// How strong the change is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub severity: Option<Severity>,
    /// The change's strength in the units of the field.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strength: Option<String>,
    /// What the change does to labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<Effect>,
    /// What all its randomness follows from.
    pub seed: u64,
    /// Its examples, by their numbers in the data's test part, ascending.
    pub members: Vec<usize>,
}

impl Slice {
    /// A slice without a change, and no members yet.
    pub fn new(idiom: Idiom, name: String, lineage: Vec<String>, seed: u64) -> Self {
        let (severity, strength, effect) = (None, None, None);
        Self { idiom, name, lineage, severity, strength, effect, seed, members: Vec::new() }
    }

    /// What tells it from the others of a suite: idiom, name and severity.
    pub fn identifier(&self) -> String {
        let severity = self.severity.map(|severity| format!("/{severity}"));
        format!("{}/{}{}", self.idiom, self.name, severity.unwrap_or_default())
    }
}

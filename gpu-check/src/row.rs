//! A line of the report.

use serde::{Deserialize, Serialize};

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Figures, each with what it is and its unit: `forward, ms`.
    pub figures: Vec<(String, f64)>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Row {
    /// Without figures so far.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), figures: Vec::new(), note: String::new(), failure: None }
    }

    /// With a further figure.
    pub fn with(mut self, what: &str, value: f64) -> Self {
        self.figures.push((what.to_owned(), value));
        self
    }

    /// With something more to say.
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Failed for this reason.
    pub fn failing(mut self, reason: impl Into<String>) -> Self {
        self.failure = Some(reason.into());
        self
    }
}

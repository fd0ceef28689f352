//! What a change of an example is.

use anyhow::Result;
use datasets::batch::Label;
use derive_more::Display;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Severity;
use crate::content::{Content, Kind};

/// A change that is made to examples, alone and one by one.
pub trait Transformation: Send + Sync {
    /// Its name in suites and reports, in kebab-case.
    fn name(&self) -> &'static str;

    /// What it does, in half a line.
    fn about(&self) -> &'static str;

    /// What it can be applied to.
    fn kinds(&self) -> &'static [Kind];

    /// What it does to the label.
    fn effect(&self) -> Effect;

    /// The severities that it has: all, or [`Severity::ONE`].
    fn severities(&self) -> &'static [Severity] {
        &Severity::ALL
    }

    /// The strength at a severity in the units of the field, such as "sd 0.08" or "SNR 10 dB".
    fn strength(&self, severity: Severity) -> String;

    /// The same for `content`, where that decides between two scales.
    fn strength_for(&self, severity: Severity, content: &Content) -> String {
        let _ = content;
        self.strength(severity)
    }

    /// Whether what it mixes in is noise that was recorded, rather than other examples.
    fn mixes_noise(&self) -> bool {
        false
    }

    /// The example `content` with this `label`, changed. All randomness comes from `random`. `others` are
    /// some examples of the same data that this one is none of, for what mixes several; of a
    /// transformation that [mixes noise](Self::mixes_noise) all recordings of noise.
    ///
    /// # Errors
    /// [`Unchanged`] where there is nothing to change; anything else is a failure. Both are counted.
    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        random: &mut ChaCha8Rng,
        others: &[Content],
    ) -> Result<Changed>;
}

/// A changed example.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// What it is now.
    pub content: Content,
    /// What is right of it now.
    pub label: Label,
}

impl Changed {
    /// Changed content with the label that it had.
    pub fn same(content: impl Into<Content>, label: &Label) -> Self {
        Self { content: content.into(), label: label.clone() }
    }
}

/// What a change does to what is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The label stays right: predictions should not change.
    #[display("invariant")]
    Invariant,
    /// The label is computed anew, exactly.
    #[display("recomputed")]
    Recomputed,
    /// It may push predictions one way only: confidence in the label may fall, the label stays.
    #[display("directional")]
    Directional,
}

/// There is nothing in the example that the transformation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[display("nothing to change")]
pub struct Unchanged;

impl std::error::Error for Unchanged {}

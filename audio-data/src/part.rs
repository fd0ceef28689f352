//! What a recording is for.

use serde::{Deserialize, Serialize};
use strum::Display;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose by.
    Val,
    /// To report.
    Test,
}

//! What a recording is for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

/// A part of a data set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, Serialize, Deserialize, JsonSchema,
)]
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

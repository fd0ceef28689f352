//! The settings of tasks on a fixed set of images.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hold_out::DEFAULT_SEED;

/// Where the images are, and which are held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ImageFiles {
    /// Folder with the official files; looked for in `data` where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Draws the tenth of the training images that is held out for validation.
    pub seed: u64,
}

impl Default for ImageFiles {
    fn default() -> Self {
        Self { dir: None, seed: DEFAULT_SEED }
    }
}

//! What tasks on a fixed set of images have in common.

use std::path::{Path, PathBuf};

use anyhow::Result;
use program::config::to_table;
use program::findings::Findings;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use super::Splits;
use crate::hold_out::{DEFAULT_SEED, hold_out_tenths};
use crate::medium::Medium;
use crate::shape::{Shape, Target};
use crate::split::Split;

/// Where the images are, and which are held out.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ImageFiles {
    /// Folder with the official files; looked for in `data` where it is missing.
    pub dir: Option<PathBuf>,
    /// Draws the tenth of the training images that is held out for validation.
    #[default(DEFAULT_SEED)]
    pub seed: u64,
}

impl ImageFiles {
    /// What goes in, with this many values a pixel, and what is asked for.
    pub(super) fn shape(features: i64, classes: [&str; 10]) -> Shape {
        Shape {
            input: Input::Values { features },
            target: Target::Classes(classes.map(str::to_owned).to_vec()),
        }
    }

    /// The images of `name` in `dir`. A tenth of the training images
    /// is held out for validation.
    pub(super) fn splits(
        &self,
        (name, dir): (&str, &Path),
        shape: Shape,
        medium: Medium,
        [train, test]: [Split; 2],
    ) -> Result<Splits> {
        let (rest, [held_out]) = hold_out_tenths(train.len(), self.seed);
        Ok(Splits {
            shape,
            medium,
            config: to_table(self)?,
            origin: format!(
                "{name} in {}: {} images to train on, {} to validate, {} to test",
                dir.display(),
                rest.len(),
                held_out.len(),
                test.len()
            ),
            train: train.subset(rest)?,
            val: train.subset(held_out)?,
            test,
            findings: Findings::default(),
        })
    }
}

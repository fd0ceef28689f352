//! Adaptive embedding and softmax, for large vocabularies (Baevski and Auli 2019).

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

/// Clusters of ever rarer tokens, which are numbered by their frequency: rare ones have short vectors.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveConfig {
    /// First token of each cluster after that of the most frequent tokens, ascending.
    #[default(vec![19_997, 39_997, 199_997])]
    pub cutoffs: Vec<i64>,
    /// By how much the vectors of a cluster are shorter than those of the one before, at least 2.
    #[default(4)]
    pub divisor: i64,
    /// Probability of dropping an entry of an embedded token, and of what scores are made of.
    pub dropout: f64,
    /// Whether tokens are scored by the vectors that embed them.
    #[default(true)]
    pub tie_weights: bool,
    /// For each cluster of rarer tokens, whether scores are made by the map that embeds it; each where it
    /// is missing. The most frequent tokens have a map of their own for that.
    pub tie_projections: Option<Vec<bool>>,
}

impl AdaptiveConfig {
    /// Checks what the types cannot, for vectors of `width` channels.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self, width: i64) -> Result<()> {
        let Self { cutoffs, divisor, dropout, tie_projections, .. } = self;
        ensure!(
            !cutoffs.is_empty() && cutoffs[0] > 0 && cutoffs.is_sorted_by(|a, b| a < b),
            "cutoffs are token numbers that ascend from above 0, got {cutoffs:?}"
        );
        ensure!(*divisor >= 2, "divisor must be at least 2, got {divisor}");
        ensure!((0.0..1.0).contains(dropout), "dropout must be in [0, 1), got {dropout}");
        ensure!(
            self.width(width, cutoffs.len()) >= 1,
            "{} clusters, each of vectors shorter by {divisor}, leave nothing of {width} channels; have \
             fewer cutoffs or a smaller divisor",
            cutoffs.len() + 1
        );
        if let Some(ties) = tie_projections {
            ensure!(
                ties.len() == cutoffs.len(),
                "tie_projections has {} entries for {} clusters of rarer tokens",
                ties.len(),
                cutoffs.len()
            );
        }
        Ok(())
    }

    /// Entries of the vectors of cluster `number`, where the network has `width` channels.
    pub fn width(&self, width: i64, number: usize) -> i64 {
        let divisor = u32::try_from(number).ok().and_then(|power| self.divisor.checked_pow(power));
        divisor.map_or(0, |divisor| width / divisor)
    }

    /// Whether the scores of cluster `number`, from 0, use the map that embeds it.
    pub fn ties_projection(&self, number: usize) -> bool {
        let tie = |rarer: usize| self.tie_projections.as_ref().is_none_or(|ties| ties[rarer]);
        number.checked_sub(1).is_some_and(tie)
    }
}

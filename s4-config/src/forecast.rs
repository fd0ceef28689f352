//! How the steps of a series are told: `[model.forecast]`.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::Series;

/// What is done around a network that is asked for a series. The defaults are the official code's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForecastConfig {
    /// What each window is freed of, channel by channel, and its forecast given back: `none`, `last` (its
    /// last value is subtracted) or `standard` (its mean is, and the rest divided by its deviation; Kim
    /// et al. 2022).
    pub normalise: Normalise,
    /// Every channel is a sequence of its own, and all have one network (Nie et al. 2023).
    pub independent: bool,
    /// A linear map from the known steps to those asked for is added to what the network says, one for
    /// all channels: with `normalise = "last"` the NLinear of Zeng et al. (2023). Training begins with it
    /// alone, at 0.
    pub linear: bool,
    /// The linear map is that of ridge regression on the training windows, whose penalty the validation
    /// windows choose, and is not trained: the network learns what is left.
    pub ridge: bool,
    /// Where the steps are read off: `positions` (each at a position of its own, after the known ones) or
    /// `direct` (all of them from one vector of the known ones, as `pooling` has it).
    pub decoder: Decoder,
}

/// What a window is freed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Nothing.
    #[default]
    None,
    /// Its last value.
    Last,
    /// Its mean and its deviation.
    Standard,
}

/// Where the steps of a series are read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// Each at a position of its own.
    #[default]
    Positions,
    /// All of them from one vector.
    Direct,
}

impl ForecastConfig {
    /// Checks that a `series` can be told in this way.
    ///
    /// # Errors
    /// With the key and what it is for.
    pub fn validate(&self, series: &Series) -> Result<()> {
        let around = [
            ("normalise", self.normalise != Normalise::None),
            ("linear", self.linear),
            ("independent", self.independent),
        ];
        ensure!(
            !self.ridge || (self.linear && self.normalise == Normalise::Last),
            "model.forecast.ridge solves the linear map of windows without their last value: set it to false, or \
             linear to true and normalise to \"last\""
        );
        for (key, given) in around {
            ensure!(
                !given || series.context.is_some(),
                "model.forecast.{key} is for forecasts, which continue what is known; leave it out"
            );
        }
        ensure!(
            !self.independent || series.channels == series.targets,
            "model.forecast.independent keeps the {} channels apart, but only {} of them are asked for: \
             use data.features = \"S\" or \"M\", or leave it out",
            series.channels,
            series.targets
        );
        Ok(())
    }
}

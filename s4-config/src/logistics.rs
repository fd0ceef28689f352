//! Scores of levels by a mixture of logistic distributions: `[model.logistics]`.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::network::MAX_LAG;

/// A mixture of discretised logistic distributions (Salimans et al. 2017, PixelCNN++), which says how likely each
/// level is to come next. Their means are what simple predictors make of the levels before, weighted by the
/// network, and a correction.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogisticsConfig {
    /// Distributions that are mixed.
    #[default(5)]
    pub components: i64,
    /// What a level may be like: each is a sum of levels so many places before, a minus takes one off. `[3, 96, -99]`
    /// is the plane through the pixel to the left, the one above and the one between them, of 32 x 32 pixels in
    /// colour.
    #[default(vec![vec![1]])]
    pub predictors: Vec<Vec<i64>>,
}

impl LogisticsConfig {
    /// log s of the narrowest and the widest component before anything is learned: 0.9 and 17 of 256 levels.
    pub const FIRST_SCALES: (f64, f64) = (-5.0, -2.0);
    /// log s is between these two: at the lower one a component is one level, at the upper one all alike.
    pub const SCALES: (f64, f64) = (-7.0, 7.0);
    /// ε, the share of all levels alike.
    pub const FLOOR: f64 = 1e-4;
    /// Numbers of a component beside the weights of predictions: log π, b and log s.
    pub const OWN: i64 = 3;
    /// b in the unit of the network's outputs, which all learn at one rate.
    pub const SHIFT: f64 = 0.1;

    /// Checks the ranges.
    ///
    /// # Errors
    /// With the offending key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { components, predictors } = self;
        ensure!((1..=256).contains(components), "components is {components}; it must be 1 to 256");
        ensure!(
            !predictors.is_empty() && predictors.len() <= 256,
            "predictors has {} entries; it must have 1 to 256, such as [1], the last level",
            predictors.len()
        );
        for predictor in predictors {
            let is_in_range = predictor.iter().all(|lag| (1..=MAX_LAG).contains(&lag.abs()));
            ensure!(
                is_in_range && predictor.iter().map(|lag| lag.signum()).sum::<i64>() == 1,
                "predictors has {predictor:?}; each has levels 1 to {MAX_LAG} places before, one more of them added than \
                 taken off, so that it is a level"
            );
        }
        Ok(())
    }

    /// Numbers that a network says of a position.
    pub fn outputs(&self) -> i64 {
        self.components * (Self::OWN + self.predictors.len() as i64)
    }

    /// The farthest place before the next level that is looked at.
    pub fn reach(&self) -> i64 {
        self.predictors.iter().flatten().map(|lag| lag.abs()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictors_are_levels() {
        assert!(LogisticsConfig::default().validate().is_ok());
        let of = |predictors: &[&[i64]]| LogisticsConfig {
            predictors: predictors.iter().map(|lags| lags.to_vec()).collect(),
            ..LogisticsConfig::default()
        };
        let plane = of(&[&[3], &[3, 96, -99]]);
        assert!(plane.validate().is_ok());
        assert_eq!(plane.reach(), 99);
        for wrong in
            [of(&[]), of(&[&[]]), of(&[&[0]]), of(&[&[1, 2]]), of(&[&[-1]]), of(&[&[1 << 17]])]
        {
            assert!(
                wrong.validate().unwrap_err().to_string().contains("predictors has"),
                "{wrong:?}"
            );
        }
        let none = LogisticsConfig { components: 0, ..LogisticsConfig::default() };
        assert!(none.validate().is_err());
    }
}

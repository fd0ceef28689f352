//! What data is, as far as a model has to know.

use anyhow::{Result, ensure};
use s4_config::{Input, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What goes in and what is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// What sequences are made of.
    pub input: Input,
    /// What is asked of them.
    pub target: Target,
}

/// What is asked of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Its class, one of these names in the order of their numbers.
    Classes(Vec<String>),
    /// The class of two sequences, (2B, …): all first ones, then all second ones.
    Pair(Vec<String>),
    /// A token at every position.
    PerPosition {
        /// Number of different tokens.
        vocabulary: i64,
    },
    /// A token at each of the last positions, from all that is before it and from itself.
    LastTokens {
        /// Number of different tokens.
        vocabulary: i64,
        /// Positions that are asked about.
        positions: usize,
    },
    /// These real numbers.
    Values(Vec<Quantity>),
    /// Real numbers step by step.
    Series(Series),
}

/// A series that is asked for: what follows a known one, or what becomes of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What has a value at each step. Labels are step by step, and in a step in this order.
    pub quantities: Vec<Quantity>,
    /// Steps that are asked for.
    pub steps: usize,
    /// Of a forecast: where the known series is in the input.
    pub past: Option<Past>,
    /// Of each value these quantiles are asked for, in rising order, the median among them, which is the
    /// forecast; where there are none, only its mean is.
    pub quantiles: Vec<f64>,
}

impl Series {
    /// How many numbers are said of each value: its quantiles, or one.
    pub fn levels(&self) -> usize {
        self.quantiles.len().max(1)
    }

    /// Which of them is the forecast: the median, or the one.
    pub fn point(&self) -> usize {
        self.quantiles.iter().position(|quantile| *quantile == 0.5).unwrap_or(0)
    }
}

/// The known part of a series that is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Steps that are known. They are the first positions of the input, which has as many more as steps
    /// are asked for.
    pub context: usize,
    /// Series that are known: the first features of the input, the last of them those asked for,
    /// standardised as they are.
    pub channels: usize,
    /// Steps after which a value like this one is to be expected: a day, a week, a year.
    pub season: usize,
}

/// A real number that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// What it is called.
    pub name: String,
    /// Its mean over the training examples, in its own unit.
    pub mean: f64,
    /// Its standard deviation, above 0.
    pub std: f64,
}

impl Shape {
    /// Tokens go in, and the next one is asked for.
    pub fn next_token(vocabulary: i64) -> Self {
        Self { input: Input::Tokens { vocabulary }, target: Target::PerPosition { vocabulary } }
    }

    /// What a network for it takes and returns.
    pub fn network(&self) -> s4_config::Shape {
        let output = match &self.target {
            Target::Classes(names) => Output::Classes(names.len() as i64),
            Target::Pair(names) => Output::Pair(names.len() as i64),
            Target::PerPosition { vocabulary } => Output::PerPosition(*vocabulary),
            Target::Values(quantities) => Output::Values(quantities.len() as i64),
            // The scores of a token are a step's values.
            Target::LastTokens { vocabulary, positions } => Output::Series(s4_config::Series {
                steps: *positions as i64,
                context: None,
                channels: 0,
                targets: *vocabulary,
                levels: 1,
            }),
            Target::Series(series) => Output::Series(s4_config::Series {
                steps: series.steps as i64,
                context: series.past.map(|past| past.context as i64),
                channels: series.past.map_or(0, |past| past.channels) as i64,
                targets: series.quantities.len() as i64,
                levels: series.levels() as i64,
            }),
        };
        s4_config::Shape { input: self.input, output }
    }
}

impl Target {
    /// Classes that are called by their numbers.
    pub fn numbered(classes: usize) -> Self {
        Self::Classes((0..classes).map(|class| class.to_string()).collect())
    }

    /// The names of the classes; none where it is not about classes.
    pub fn class_names(&self) -> &[String] {
        match self {
            Target::Classes(names) | Target::Pair(names) => names,
            Target::PerPosition { .. }
            | Target::LastTokens { .. }
            | Target::Values(_)
            | Target::Series(_) => &[],
        }
    }

    /// In a few words, after a plural: "of 10 classes", "with the targets length, pitch".
    pub fn words(&self) -> String {
        match self {
            Target::Classes(names) | Target::Pair(names) => format!("of {} classes", names.len()),
            Target::PerPosition { vocabulary } | Target::LastTokens { vocabulary, .. } => {
                format!("of {vocabulary} tokens")
            }
            Target::Values(quantities) => {
                let names: Vec<&str> =
                    quantities.iter().map(|quantity| quantity.name.as_str()).collect();
                let s = if names.len() == 1 { "" } else { "s" };
                format!("with the target{s} {}", names.join(", "))
            }
            Target::Series(series) => format!("with {} values each", series.steps),
        }
    }

    /// The numbers that are asked for, once or at each step; none where it is about something else.
    pub fn quantities(&self) -> &[Quantity] {
        match self {
            Target::Values(quantities) => quantities,
            Target::Series(series) => &series.quantities,
            Target::Classes(_)
            | Target::Pair(_)
            | Target::PerPosition { .. }
            | Target::LastTokens { .. } => &[],
        }
    }
}

impl Quantity {
    /// The quantity `name`, to be learned as it stands.
    pub fn plain(name: String) -> Self {
        Self { name, mean: 0.0, std: 1.0 }
    }

    /// The quantity `name` with the mean and deviation of these values.
    ///
    /// # Errors
    /// If they are all the same, or too large to be added.
    pub fn measure(name: &str, values: &[f64]) -> Result<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        // The mean of equal values may differ from them by a rounding error.
        let differ = values.iter().any(|value| *value != values[0]);
        let std = if differ { (squares / count).sqrt() } else { 0.0 };
        ensure!(
            std > 0.0,
            "the target `{name}` is the same in all examples that are trained on: there is nothing to \
             learn; leave it out"
        );
        let quantity = Self { name: name.to_owned(), mean, std };
        quantity.validate()?;
        Ok(quantity)
    }

    /// Checks the range.
    ///
    /// # Errors
    /// With the value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let Self { name, mean, std } = self;
        ensure!(
            mean.is_finite() && std.is_finite() && *std > 0.0,
            "the target `{name}` has mean {mean} and std {std} to be standardised by; both must be \
             finite and std above 0"
        );
        Ok(())
    }

    /// A value as models are trained on it: with mean 0 and deviation 1.
    pub fn standardise(&self, value: f64) -> f64 {
        (value - self.mean) / self.std
    }

    /// The value, in its own unit, that became `standardised`.
    pub fn undo(&self, standardised: f64) -> f64 {
        standardised * self.std + self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_standardised_in_any_unit() {
        for unit in [1e-9, 1.0, 1e9] {
            let quantity = Quantity::measure("x", &[1.0 * unit, 3.0 * unit]).unwrap();
            assert!((quantity.standardise(3.0 * unit) - 1.0).abs() < 1e-12, "{quantity:?}");
            assert!((quantity.undo(-1.0) / unit - 1.0).abs() < 1e-12, "{quantity:?}");
        }
        for (values, words) in [(&[0.1; 3][..], "`x` is the same"), (&[1e300, -1e300], "finite")] {
            let error = Quantity::measure("x", values).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

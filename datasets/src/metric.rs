//! By which figure answers are judged.

use std::f64::consts::LN_2;

use serde::Serialize;

/// A figure of merit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metric {
    /// Its name in reports, without the split's.
    pub name: &'static str,
    /// Which way it improves.
    pub better: Better,
    /// What it is shown in.
    #[serde(skip)]
    pub unit: Unit,
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
}

/// What a metric is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share between 0 and 1, shown in percent.
    Percent,
    /// A number of its own.
    Plain(&'static str),
}

impl Metric {
    /// The share of examples whose class is right, or of tokens that are.
    pub const ACCURACY: Self =
        Self { name: "accuracy", better: Better::Higher, unit: Unit::Percent };

    /// What a code of audio costs, log2 of its probability.
    pub const BITS_PER_SAMPLE: Self =
        Self { name: "bits_per_sample", better: Better::Lower, unit: Unit::Plain("bits") };

    /// The exponential of the mean negative log-likelihood of a token.
    pub const PERPLEXITY: Self =
        Self { name: "perplexity", better: Better::Lower, unit: Unit::Plain("") };

    /// What a character of text costs, log2 of its probability.
    pub const BITS_PER_CHARACTER: Self =
        Self { name: "bits_per_character", better: Better::Lower, unit: Unit::Plain("") };

    /// What a byte of text costs.
    pub const BITS_PER_BYTE: Self =
        Self { name: "bits_per_byte", better: Better::Lower, unit: Unit::Plain("") };

    /// What a colour of a pixel costs.
    pub const BITS_PER_DIM: Self =
        Self { name: "bits_per_dim", better: Better::Lower, unit: Unit::Plain("") };

    /// The root of the mean squared error, in the unit of what is asked for.
    pub const RMSE: Self = Self { name: "rmse", better: Better::Lower, unit: Unit::Plain("") };

    /// The mean squared error of standardised values.
    pub const MSE: Self = Self { name: "mse", better: Better::Lower, unit: Unit::Plain("") };

    /// The loss, where a figure in one unit would say less.
    pub const LOSS: Self = Self { name: "loss", better: Better::Lower, unit: Unit::Plain("") };

    /// A value as it is shown, such as "96.35%".
    pub fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent => format!("{:.2}%", 100.0 * value),
            Unit::Plain("") => format!("{value:.4}"),
            Unit::Plain(unit) => format!("{value:.4} {unit}"),
        }
    }

    /// What a mean negative log-likelihood, in nats, comes to in it: a perplexity, or bits.
    pub fn of_nats(&self, nats: f64) -> f64 {
        if *self == Self::PERPLEXITY { nats.exp() } else { nats / LN_2 }
    }

    /// A value from a figure in the metric's unit: 0.9635 from 96.35 percent.
    pub fn from_unit(&self, figure: f64) -> f64 {
        match self.unit {
            Unit::Percent => figure / 100.0,
            Unit::Plain(_) => figure,
        }
    }
}

//! How much an attack may change.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use transformations::content::Kind;

/// How much an attack may change. In suites: "8/255" or "0.3", "30 dB", "5%".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Budget {
    /// Of pictures, by how much any value may change: ε, in (0, 1].
    Level(f64),
    /// Of sound and series, the signal-to-noise ratio in dB of a perturbation that is of full size
    /// everywhere; the signal's power is that of the clip.
    Snr(f64),
    /// Of text, how many percent of the characters may be others.
    Percent(f64),
}

impl Budget {
    /// Whether it is one for `kind`.
    pub fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Level(_) => matches!(kind, Kind::Picture | Kind::Path),
            Self::Snr(_) => matches!(kind, Kind::Sound | Kind::Series),
            Self::Percent(_) => kind == Kind::Text,
        }
    }

    /// How budgets of `kind` are written.
    pub fn example(kind: Kind) -> &'static str {
        match kind {
            Kind::Picture | Kind::Path => "\"8/255\" or \"0.3\"",
            Kind::Sound | Kind::Series => "\"30 dB\"",
            Kind::Text | Kind::Expression => "\"5%\"",
        }
    }

    /// The usual ones of `kind`, weakest first.
    pub fn usual(kind: Kind) -> Vec<Self> {
        match kind {
            Kind::Picture | Kind::Path => {
                let levels = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0].map(|level| level / 255.0);
                // Those of MNIST.
                levels.into_iter().chain([0.1, 0.3]).map(Self::Level).collect()
            }
            Kind::Sound | Kind::Series => [40.0, 30.0, 20.0].map(Self::Snr).to_vec(),
            Kind::Text | Kind::Expression => [1.0, 2.0, 5.0, 10.0].map(Self::Percent).to_vec(),
        }
    }

    /// What is the larger, the more may change; to be compared within a kind alone.
    pub fn size(self) -> f64 {
        match self {
            Self::Level(level) => level,
            Self::Snr(snr) => 10f64.powf(-snr / 20.0),
            Self::Percent(percent) => percent / 100.0,
        }
    }

    /// What is bounded.
    pub fn norm(self) -> &'static str {
        match self {
            Self::Level(_) | Self::Snr(_) => "L∞",
            Self::Percent(_) => "characters",
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Level(level) => {
                let bytes = 255.0 * level;
                if (bytes - bytes.round()).abs() < 1e-9 {
                    write!(f, "{}/255", bytes.round())
                } else {
                    write!(f, "{level}")
                }
            }
            Self::Snr(snr) => write!(f, "{snr} dB"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Budget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || format!("budget `{text}`; write \"8/255\", \"0.3\", \"30 dB\" or \"5%\"");
        let number = |digits: &str| -> Result<f64> {
            let number: f64 = digits.trim().parse().ok().with_context(unknown)?;
            ensure!(number.is_finite(), unknown());
            Ok(number)
        };
        if let Some(snr) = text.strip_suffix("dB") {
            return Ok(Self::Snr(number(snr)?));
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent = number(percent)?;
            ensure!(percent > 0.0 && percent <= 100.0, "budget `{text}`; more than 0%, up to 100%");
            return Ok(Self::Percent(percent));
        }
        let level = match text.split_once('/') {
            Some((level, "255")) => number(level)? / 255.0,
            Some(_) => bail!(unknown()),
            None => number(text)?,
        };
        ensure!(
            level > 0.0 && level <= 1.0,
            "budget `{text}`; more than 0, up to 1, or in levels of 255, as in \"8/255\""
        );
        Ok(Self::Level(level))
    }
}

impl TryFrom<String> for Budget {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_read_back_as_they_are_written() {
        for kind in Kind::ALL {
            for budget in Budget::usual(kind) {
                assert_eq!(budget.to_string().parse::<Budget>().unwrap(), budget);
                assert!(budget.fits(kind) || kind == Kind::Expression);
            }
        }
        assert_eq!("8/255".parse::<Budget>().unwrap(), Budget::Level(8.0 / 255.0));
        for wrong in ["8", "0", "8/256", "x", "101%", "nan dB", ""] {
            assert!(wrong.parse::<Budget>().unwrap_err().to_string().contains("budget"), "{wrong}");
        }
    }
}

//! What (A, B, P) start from: names of initialisations, and their details.

use std::str::FromStr;

use anyhow::{Result, bail};
use derive_more::Display;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use smart_default::SmartDefault;
use strum::VariantNames;

use crate::measure::Measure;

/// The name of an initialisation: one, or a mix of several.
///
/// Parsed from and printed as the names of the official code: a [`Measure`], `diag-X` or `dplr-X` of a
/// [`Family`] X, or a mix.
#[derive(Debug, Clone, PartialEq, Eq, Display, Serialize, Deserialize, JsonSchema)]
#[display("{name}")]
#[serde(try_from = "String", into = "String")]
pub struct Init {
    name: String,
    parts: Vec<Part>,
}

/// One initialisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The NPLR form of a HiPPO measure.
    Hippo(Measure),
    /// An S4D family, with a random low-rank term (`dplr-`) or without (`diag-`).
    Diagonal {
        /// Its frequencies.
        family: Family,
        /// Whether it has the random term.
        low_rank: bool,
    },
}

/// The S4D families (S4D, section 4), by their frequencies -Im A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The eigenvalues of LegS.
    LegS,
    /// Inverse.
    Inv,
    /// Another inverse.
    Inv2,
    /// Linear.
    Lin,
    /// Quadratic.
    Quad,
    /// No oscillation.
    Real,
    /// Log-normal.
    Rand,
}

/// Names of the S4D families, the usual one first.
const FAMILIES: [(Family, &[&str]); 7] = [
    (Family::LegS, &["legs", "hippo"]),
    (Family::Inv, &["inv", "inverse"]),
    (Family::Inv2, &["inv2", "inverse2"]),
    (Family::Lin, &["lin", "linear"]),
    (Family::Quad, &["quad", "quadratic"]),
    (Family::Real, &["real"]),
    (Family::Rand, &["rand", "random"]),
];

/// Names of the mixes, and what they are made of.
const MIXES: [(&str, &[&str]); 3] = [
    ("hippo", &["legs", "fourier"]),
    ("diag", &["diag-inv", "diag-lin"]),
    ("all", &["legs", "fourier", "diag-inv", "diag-lin"]),
];

impl Init {
    /// What is mixed, in order; not empty.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl FromStr for Init {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let parts = match MIXES.iter().find(|(mix, _)| *mix == name) {
            Some((_, parts)) => parts.iter().map(|part| part.parse()).collect::<Result<_>>()?,
            None => vec![name.parse()?],
        };
        Ok(Self { name: name.to_owned(), parts })
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Ok(measure) = name.parse() {
            return Ok(Part::Hippo(measure));
        }
        let (low_rank, family) = match name.split_once('-') {
            Some(("diag", family)) => (false, Some(family)),
            Some(("dplr", family)) => (true, Some(family)),
            _ if name == "dplr" => (true, Some("legs")),
            _ => (false, None),
        };
        let known = |family| FAMILIES.iter().find(|(_, names)| names.contains(&family));
        match family.and_then(known) {
            Some(&(family, _)) => Ok(Part::Diagonal { family, low_rank }),
            None => bail!(
                "no initialisation is called {name:?}; there are the HiPPO measures ({}), diag-X \
                 and dplr-X with X among {}, and the mixes {}",
                Measure::VARIANTS.join(", "),
                FAMILIES.map(|(_, names)| names[0]).join(", "),
                MIXES.map(|(name, _)| name).join(", "),
            ),
        }
    }
}

impl Default for Init {
    /// `legs`.
    fn default() -> Self {
        Self { name: Measure::LegS.to_string(), parts: vec![Part::Hippo(Measure::LegS)] }
    }
}

impl TryFrom<String> for Init {
    type Error = anyhow::Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Init> for String {
    fn from(init: Init) -> Self {
        init.name
    }
}

/// Input vectors B of the S4D families, except `legs`, which has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BInit {
    /// Ones.
    #[default]
    Constant,
    /// Complex normal.
    Random,
    /// 1, -1, 1, -1, ….
    Alternating,
    /// e^(-2πin/N): clockwise on the unit circle.
    UnitCw,
    /// e^(2πin/N): counter-clockwise.
    UnitCcw,
    /// B of LegS, for the family `legs` alone; `dplr-legs` then takes its P from LegS as well.
    #[serde(alias = "hippo")]
    Legs,
}

/// Details of an initialisation, under the names of the official `init_args`.
///
/// All but `B_clip` are for `diag-` and `dplr-`, and refused where a HiPPO measure would ignore
/// them.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitArgs {
    /// -Re A uniform in [0, 1), or in [0, N/2) for `real`, instead of fixed.
    pub real_random: bool,
    /// Factor of Re A (but `real` stays as it is defined).
    #[default(1.0)]
    pub real_scale: f64,
    /// n uniform in [0, N/2) instead of 0, 1, 2, … in the formula of Im A.
    pub imag_random: bool,
    /// Factor of Im A.
    #[default(1.0)]
    pub imag_scale: f64,
    /// The input vectors B.
    #[serde(rename = "B_init")]
    pub b_init: BInit,
    /// Factor of B.
    #[serde(rename = "B_scale")]
    #[default(1.0)]
    pub b_scale: f64,
    /// Factor of the random P of `dplr-`.
    #[serde(rename = "P_scale")]
    #[default(1.0)]
    pub p_scale: f64,
    /// Scales B so that with random C the response to a constant input 1 tends to variance 1.
    pub normalize: bool,
    /// Limit of |Im B| for the HiPPO measures and `legs`; `inf` (or null, in JSON) for none.
    #[serde(rename = "B_clip", deserialize_with = "limit_or_null")]
    #[default(2.0)]
    pub b_clip: f64,
}

fn limit_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> Vec<Part> {
        name.parse::<Init>().unwrap().parts
    }

    #[test]
    fn mixes_are_what_their_members_are() {
        for (mix, members) in MIXES {
            let expected: Vec<Part> = members.iter().map(|m| m.parse().unwrap()).collect();
            assert_eq!(parts(mix), expected);
        }
    }

    #[test]
    fn prefixes_and_aliases() {
        let lin = |low_rank| vec![Part::Diagonal { family: Family::Lin, low_rank }];
        assert_eq!(parts("diag-linear"), lin(false));
        assert_eq!(parts("dplr-lin"), lin(true));
        assert_eq!(parts("dplr"), parts("dplr-legs"));
        assert_eq!(parts("fout"), vec![Part::Hippo(Measure::Fourier)]);
        assert_eq!(Init::default(), "legs".parse().unwrap());
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        for name in ["legz", "diag-", "diag-foo", "lin", ""] {
            let message = name.parse::<Init>().unwrap_err().to_string();
            assert!(message.contains(&format!("{name:?}")), "{message}");
            assert!(message.contains("fourier_decay") && message.contains("quad"), "{message}");
        }
    }
}

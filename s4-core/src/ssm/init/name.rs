//! Names of initialisations.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::hippo::Measure;

/// The name of an initialisation: one, or a mix of several.
///
/// Parsed from and printed as the names of the official code (see the [module](super)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Init {
    name: String,
    parts: Vec<Part>,
}

/// One initialisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The NPLR form of a HiPPO measure.
    Hippo(Measure),
    /// An S4D family, with a random low-rank term (`dplr-`) or without (`diag-`).
    Diagonal { family: Family, low_rank: bool },
}

/// The S4D families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    LegS,
    Inv,
    Inv2,
    Lin,
    Quad,
    Real,
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
    pub(super) fn parts(&self) -> &[Part] {
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
                Measure::ALL.map(Measure::name).join(", "),
                FAMILIES.map(|(_, names)| names[0]).join(", "),
                MIXES.map(|(name, _)| name).join(", "),
            ),
        }
    }
}

impl Default for Init {
    /// `legs`.
    fn default() -> Self {
        Self { name: Measure::LegS.name().to_owned(), parts: vec![Part::Hippo(Measure::LegS)] }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
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

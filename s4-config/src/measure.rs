//! The measures of HiPPO (Gu et al. 2020).

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the past is weighted, and in which basis it is written.
///
/// Parsed from and printed as the names of the official code; `fout` and `foud` are accepted for
/// `fourier` and `fourier_diag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Measure {
    /// `legs`: scaled Legendre, all of the past alike (HiPPO, appendix D.3).
    LegS,
    /// `legsd`: the normal part of `legs`, from which S4D-LegS comes (S4D, section 4).
    LegSd,
    /// `legt`: translated Legendre, a sliding window (HiPPO, appendix D.1).
    LegT,
    /// `lmu`: `legt` in the normalisation of Legendre memory units (Voelker et al. 2019).
    Lmu,
    /// `lagt`: translated Laguerre, exponential decay (HiPPO, appendix D.2).
    LagT,
    /// `tlagt`: `lagt` with another diagonal, an earlier normalisation of tilted Laguerre.
    TLagT,
    /// `glagt`: generalised Laguerre with α = 0 and β = 0.01 (HiPPO, appendix D.2).
    GLagT,
    /// `fourier`: truncated Fourier on a sliding window of length 2, FouT (How to Train Your
    /// HiPPO, Gu et al. 2023).
    Fourier,
    /// `fourier_decay`: `fourier` with half of the correction, so that the past fades away.
    FourierDecay,
    /// `fourier2`: `fourier` on a window of length 1.
    Fourier2,
    /// `fourier_diag`: damped Fourier modes without correction, much like S4D-Lin.
    FourierDiag,
}

impl Measure {
    /// All measures.
    pub const ALL: [Measure; 11] = [
        Measure::LegS,
        Measure::LegSd,
        Measure::LegT,
        Measure::Lmu,
        Measure::LagT,
        Measure::TLagT,
        Measure::GLagT,
        Measure::Fourier,
        Measure::FourierDecay,
        Measure::Fourier2,
        Measure::FourierDiag,
    ];

    /// The name in the official code.
    pub fn name(self) -> &'static str {
        match self {
            Measure::LegS => "legs",
            Measure::LegSd => "legsd",
            Measure::LegT => "legt",
            Measure::Lmu => "lmu",
            Measure::LagT => "lagt",
            Measure::TLagT => "tlagt",
            Measure::GLagT => "glagt",
            Measure::Fourier => "fourier",
            Measure::FourierDecay => "fourier_decay",
            Measure::Fourier2 => "fourier2",
            Measure::FourierDiag => "fourier_diag",
        }
    }
}

impl FromStr for Measure {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "fout" => return Ok(Measure::Fourier),
            "foud" => return Ok(Measure::FourierDiag),
            _ => {}
        }
        let Some(measure) = Measure::ALL.into_iter().find(|m| m.name() == name) else {
            bail!(
                "no HiPPO measure is called {name:?}; there are {}",
                Measure::ALL.map(Measure::name).join(", ")
            );
        };
        Ok(measure)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Measure {
    type Error = anyhow::Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> Self {
        measure.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for measure in Measure::ALL {
            assert_eq!(measure.to_string().parse::<Measure>().unwrap(), measure);
        }
        assert_eq!("fout".parse::<Measure>().unwrap(), Measure::Fourier);
        assert_eq!("foud".parse::<Measure>().unwrap(), Measure::FourierDiag);
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let message = "legz".parse::<Measure>().unwrap_err().to_string();
        assert!(message.contains("legz") && message.contains("legs"), "{message}");
    }
}

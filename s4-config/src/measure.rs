//! The measures of HiPPO (Gu et al. 2020).

use anyhow::{Error, anyhow};
use strum::{Display, EnumString, VariantArray, VariantNames};

/// How the past is weighted, and in which basis it is written.
///
/// Parsed from and printed as the names of the official code; `fout` and `foud` are accepted for
/// `fourier` and `fourier_diag`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, VariantArray, VariantNames,
)]
#[strum(serialize_all = "lowercase", parse_err_fn = unknown, parse_err_ty = Error)]
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
    #[strum(to_string = "fourier", serialize = "fout")]
    Fourier,
    /// `fourier_decay`: `fourier` with half of the correction, so that the past fades away.
    #[strum(to_string = "fourier_decay")]
    FourierDecay,
    /// `fourier2`: `fourier` on a window of length 1.
    Fourier2,
    /// `fourier_diag`: damped Fourier modes without correction, much like S4D-Lin.
    #[strum(to_string = "fourier_diag", serialize = "foud")]
    FourierDiag,
}

impl Measure {
    /// All measures.
    pub const ALL: &[Measure] = <Self as VariantArray>::VARIANTS;
}

fn unknown(name: &str) -> Error {
    let known = <Measure as VariantNames>::VARIANTS.join(", ");
    anyhow!("no HiPPO measure is called {name:?}; there are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for &measure in Measure::ALL {
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

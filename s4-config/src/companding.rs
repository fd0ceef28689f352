//! The curve between amplitudes and codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How finely loud and quiet samples are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Companding {
    /// log(1 + µ|x|) / log(1 + µ) with µ = levels - 1.
    MuLaw,
    /// The continuous curve of G.711 with A = 87.6: linear up to 1/A, logarithmic beyond.
    ALaw,
    /// All samples alike.
    Linear,
}

/// A of A-law.
const A: f64 = 87.6;

/// Added by the official µ-law before the magnitude is taken.
const OFFSET: f64 = 1e-8;

impl Companding {
    /// An amplitude in [-1, 1], bent for `levels` codes; in [-1, 1].
    pub fn compress(self, x: f64, levels: f64) -> f64 {
        match self {
            Companding::MuLaw => {
                let mu = levels - 1.0;
                sign(x) * (mu * (x + OFFSET).abs()).ln_1p() / mu.ln_1p()
            }
            Companding::ALaw => {
                let scaled = A * x.abs();
                let magnitude = if scaled < 1.0 { scaled } else { 1.0 + scaled.ln() };
                sign(x) * magnitude / (1.0 + A.ln())
            }
            Companding::Linear => x,
        }
    }

    /// The amplitude of a code below `levels`, in [-1, 1): the lower edge of its bin.
    pub fn amplitude(self, code: f64, levels: f64) -> f64 {
        let bent = code / (levels / 2.0) - 1.0;
        let magnitude = match self {
            Companding::MuLaw => (levels.powf(bent.abs()) - 1.0) / (levels - 1.0),
            Companding::ALaw => {
                let scaled = bent.abs() * (1.0 + A.ln());
                (if scaled < 1.0 { scaled } else { (scaled - 1.0).exp() }) / A
            }
            Companding::Linear => bent.abs(),
        };
        (sign(bent) * magnitude).clamp(-1.0, 1.0)
    }
}

/// -1, 0 or 1; `f64::signum` has no 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

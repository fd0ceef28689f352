//! Samples as integer codes, 2 to 16 bits each, and back.
//!
//! Two steps: a companding law bends [-1, 1] so that quiet samples get finer codes, then the result
//! is cut into equal bins. µ-law and linear are those of the official SaShiMi code, of which three
//! things are worth knowing, all kept:
//!
//! - A code decodes to the lower edge of its bin, so that [`Quantiser::zero`] is silence. The bins
//!   of the encoder are wider by a factor 1 / (1 - 0.01 / levels) and a decoded sample above 0 falls
//!   just below the edge it came from: encoding it again gives `code` in the lower half and `code`
//!   or `code - 1` above.
//! - µ-law adds 1e-8 before it takes the magnitude. Between -1e-8 and 0 the curve therefore runs
//!   backwards. Up to 15 bits this is less than a code; at 16 bits samples near silence are encoded
//!   up to two codes too high.
//! - [`stretch`] puts the minimum at -1, also where minimum and maximum are the same: a silent clip
//!   is encoded as code 0, not as [`Quantiser::zero`].

use anyhow::{Result, ensure};
pub use s4_config::Companding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is stretched to [-1, 1] before samples are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Each clip or window by its own minimum and maximum, as the official code does.
    Clip,
    /// Each recording by the largest magnitude in all of it: silence stays silence, the windows of
    /// one recording keep their relative loudness, and sequences of any length are encoded alike.
    #[default]
    Recording,
    /// Nothing: samples are taken as they are, and clipped.
    None,
}

impl Scaling {
    /// A sample out of a clip or recording with this minimum and maximum, stretched.
    pub fn apply(self, sample: f32, min: f32, max: f32) -> f64 {
        match self {
            Scaling::Clip => stretch(sample, min, max),
            Scaling::Recording => {
                let peak = f64::from(max.abs().max(min.abs()));
                if peak == 0.0 { 0.0 } else { f64::from(sample) / peak }
            }
            Scaling::None => sample.into(),
        }
    }

    /// The inverse of [`Scaling::apply`].
    pub fn undo(self, stretched: f32, min: f32, max: f32) -> f32 {
        let [stretched, min, max] = [stretched, min, max].map(f64::from);
        let sample = match self {
            Scaling::Clip => (stretched + 1.0) / 2.0 * (max - min + WIDENED) + min,
            Scaling::Recording => stretched * max.abs().max(min.abs()),
            Scaling::None => stretched,
        };
        sample as f32
    }
}

/// Encodes samples and decodes codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiser {
    companding: Companding,
    bits: u32,
}

/// What the official code leaves free of the range of codes, half of it at each end.
const MARGIN: f64 = 0.01;

impl Quantiser {
    /// A quantiser with 2^`bits` levels; `bits` is 2 to 16.
    ///
    /// # Errors
    /// If `bits` is out of range.
    pub fn new(companding: Companding, bits: u32) -> Result<Self> {
        ensure!((2..=16).contains(&bits), "samples of {bits} bits; use 2 to 16");
        Ok(Self { companding, bits })
    }

    /// How many codes there are; they are 0 to levels - 1.
    pub fn levels(&self) -> usize {
        1 << self.bits
    }

    /// The code of silence, with which every sequence starts.
    pub fn zero(&self) -> u16 {
        1 << (self.bits - 1)
    }

    /// The code of a sample in [-1, 1]. What lies outside is clipped, NaN is silence.
    pub fn encode(&self, sample: impl Into<f64>) -> u16 {
        let x = sample.into().clamp(-1.0, 1.0);
        if x.is_nan() {
            return self.zero();
        }
        let levels = self.levels() as f64;
        let bent = self.companding.compress(x, levels);
        let position = (bent + 1.0) / 2.0 * (levels - MARGIN) + MARGIN / 2.0;
        // The cast truncates, as the official code does.
        position.min(levels - 1.0) as u16
    }

    /// The sample of a code, in [-1, 1). Codes beyond the last are taken for the last.
    pub fn decode(&self, code: u16) -> f32 {
        let levels = self.levels() as f64;
        let code = f64::from(code).min(levels - 1.0);
        self.companding.amplitude(code, levels) as f32
    }
}

/// By how much the official code widens the range of a clip.
const WIDENED: f64 = 1e-6;

/// Moves [`min`, `max`] to [-1, 1], up to the 1e-6 by which the official code widens the range.
///
/// In float64: rounded to float32, the result would be off by whole codes of 16 bits.
pub fn stretch(sample: f32, min: f32, max: f32) -> f64 {
    let [sample, min, max] = [sample, min, max].map(f64::from);
    2.0 * (sample - min) / (max - min + WIDENED) - 1.0
}

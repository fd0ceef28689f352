//! Changes of recordings.

use anyhow::Result;
use dsp::resample::Resampler;

pub(crate) mod background_noise;
pub(crate) mod band;
pub(crate) mod clipping;
pub(crate) mod dc_offset;
pub(crate) mod dropped_spans;
pub(crate) mod gain;
pub(crate) mod lower_rate;
pub(crate) mod mu_law;
pub(crate) mod noise;
pub(crate) mod reverberation;
pub(crate) mod speed;
pub(crate) mod telephone;

/// Samples at the rate `from`, at the rate `to`.
fn resampled(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    let (mut resampler, mut out) = (Resampler::new(from, to)?, Vec::new());
    resampler.push(samples, &mut out)?;
    resampler.finish(&mut out)?;
    Ok(out)
}

/// Decibels as a factor of the amplitude.
fn amplitude(decibels: f64) -> f64 {
    10.0f64.powf(decibels / 20.0)
}

#[cfg(test)]
mod testing {
    use std::f64::consts::TAU;

    use crate::content::Sound;

    /// A tone of an amplitude of 0.5.
    pub(super) fn tone(rate: u32, frequency: f64, seconds: f64) -> Sound {
        let step = TAU * frequency / f64::from(rate);
        let count = (f64::from(rate) * seconds) as u32;
        let samples = (0..count).map(|i| (0.5 * (step * f64::from(i)).sin()) as f32).collect();
        Sound { rate, samples }
    }
}

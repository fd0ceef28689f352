//! In a room.

use dsp::filter::convolve;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::Effect;
use crate::change::Change;
use crate::content::{Sound, power};

/// T60: seconds until the echo has fallen by 60 dB.
const SECONDS: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];

pub(crate) const REVERBERATION: Change<Sound> = Change {
    name: "reverberation",
    about: "in a room: an echo of decaying noise, as strong as the sound itself",
    effect: Effect::Invariant,
    strength: |severity| format!("T60 {} s", severity.of(SECONDS)),
    change: |sound, severity, random, _| {
        let response = response(sound.rate, severity.of(SECONDS), random);
        let mut samples = convolve(&sound.samples, &response);
        samples.truncate(sound.samples.len());
        // As loud as it was, so that the room alone is new.
        let after = power(&samples);
        let level = if after > 0.0 { (sound.power() / after).sqrt() as f32 } else { 0.0 };
        Ok(sound.of(samples.into_iter().map(|sample| level * sample)))
    },
};

/// What an impulse is in a room: itself, and noise that decays exponentially and has as much energy.
fn response(rate: u32, t60: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
    let length = t60 * f64::from(rate);
    let decay = |at: usize| 1e-3f64.powf(at as f64 / length);
    let echo: Vec<f64> = (1..=length as usize)
        .map(|at| decay(at) * random.sample::<f64, _>(StandardNormal))
        .collect();
    let energy: f64 = echo.iter().map(|sample| sample * sample).sum();
    let echo = echo.iter().map(|sample| (sample / energy.sqrt()) as f32);
    [1.0].into_iter().chain(echo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    /// T60 by Schroeder's backward integration: the slope between -5 and -25 dB.
    fn measured(echo: &[f32], rate: u32) -> f64 {
        let mut left: Vec<f64> = echo.iter().map(|&x| f64::from(x).powi(2)).collect();
        (0..left.len() - 1).rev().for_each(|i| left[i] += left[i + 1]);
        let points = left.iter().map(|energy| 10.0 * (energy / left[0]).log10()).enumerate();
        let points: Vec<_> = points.filter(|(_, level)| (-25.0..=-5.0).contains(level)).collect();
        let mean = |of: &dyn Fn(&(usize, f64)) -> f64| {
            points.iter().map(of).sum::<f64>() / points.len() as f64
        };
        let (at, level) = (mean(&|p| p.0 as f64), mean(&|p| p.1));
        let slope =
            mean(&|p| (p.0 as f64 - at) * (p.1 - level)) / mean(&|p| (p.0 as f64 - at).powi(2));
        -60.0 / slope / f64::from(rate)
    }

    #[test]
    fn echoes_last_as_long_as_they_should() {
        let random = &mut seed::generator("reverberation", &[]);
        for rate in [8_000, 16_000] {
            for seconds in SECONDS {
                let response = response(rate, seconds, random);
                let found = measured(&response[1..], rate);
                assert!((found / seconds - 1.0).abs() < 0.1, "{found} s, expected {seconds} s");
                assert!((power(&response) * response.len() as f64 - 2.0).abs() < 1e-3);
            }
        }
    }
}

//! As heard through a telephone.

use anyhow::Result;
use audio_data::quantise::{Companding, Quantiser};
use dsp::filter::{high_pass, low_pass};
use rand_chacha::ChaCha8Rng;

use super::noise::{scaled, white};
use super::resampled;
use crate::Effect;
use crate::change::Change;
use crate::content::{Sound, power};

/// What a line samples at, and lets through, in Hz.
const RATE: u32 = 8_000;
const BAND: [f64; 2] = [300.0, 3_400.0];
/// Signal-to-noise ratio on the line, in dB.
const SNR: [f64; 5] = [40.0, 30.0, 20.0, 15.0, 10.0];

pub(crate) const TELEPHONE: Change<Sound> = Change {
    name: "telephone",
    about: "300-3,400 Hz and white noise, 8 bits of µ-law at 8 kHz, at its old rate again",
    effect: Effect::Invariant,
    strength: |severity| format!("SNR {} dB", severity.of(SNR)),
    change: |sound, severity, random, _| heard(sound, severity.of(SNR), random),
};

fn heard(sound: &Sound, snr: f64, random: &mut ChaCha8Rng) -> Result<Sound> {
    let line = resampled(&sound.samples, sound.rate, RATE)?;
    let line = high_pass(&low_pass(&line, RATE, BAND[1]), RATE, BAND[0]);
    let noise = scaled(white(line.len(), random), power(&line), snr)?;
    let codec = Quantiser::new(Companding::MuLaw, 8)?;
    let coded: Vec<f32> = line
        .iter()
        .zip(noise)
        .map(|(sample, noise)| codec.decode(codec.encode(sample + noise)))
        .collect();
    let mut samples = resampled(&coded, RATE, sound.rate)?;
    samples.resize(sound.samples.len(), 0.0);
    Ok(sound.of(samples))
}

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;
    use crate::seed;

    #[test]
    fn speech_passes_and_what_is_beyond_the_band_does_not() {
        let random = &mut seed::generator("telephone", &[]);
        for rate in [8_000, 16_000, 22_050] {
            let mut level = |frequencies: &[f64]| {
                let tones: Vec<_> = frequencies.iter().map(|&f| tone(rate, f, 1.0)).collect();
                let sum = (0..tones[0].samples.len())
                    .map(|i| tones.iter().map(|tone| tone.samples[i]).sum::<f32>());
                let sound = Sound { rate, samples: sum.collect() };
                let heard = heard(&sound, 40.0, random).unwrap();
                assert_eq!(heard.samples.len(), sound.samples.len());
                10.0 * (heard.power() / tones[0].power()).log10()
            };
            let (speech, hum) = (level(&[1_000.0]), level(&[1_000.0, 50.0]));
            assert!(speech.abs() < 0.5 && hum.abs() < 0.5, "{rate} Hz: {speech}, {hum} dB");
        }
    }
}

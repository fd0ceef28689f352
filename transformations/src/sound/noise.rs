//! Noise, at a signal-to-noise ratio: powers are means over the whole clip, pauses included, and taken
//! before what goes beyond full scale is clipped.

use anyhow::{Context, Result, ensure};
use dsp::filter::convolve;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::amplitude;
use crate::change::{Change, Form};
use crate::content::{Content, Sound, power};
use crate::{Effect, Severity};

/// Ratios of Aurora-2, without its -5 dB.
const SNR: [f64; 5] = [20.0, 15.0, 10.0, 5.0, 0.0];
/// Most voices in a babble.
const VOICES: usize = 6;

pub(crate) const WHITE: Change<Sound> =
    noise("white-noise", "white noise", |sound, severity, random, _| {
        mixed(sound, white(sound.samples.len(), random), severity)
    });

pub(crate) const PINK: Change<Sound> =
    noise("pink-noise", "pink noise: as much in every octave", |sound, severity, random, _| {
        mixed(sound, pink(sound.samples.len(), random), severity)
    });

pub(crate) const BABBLE: Change<Sound> =
    noise("babble", "up to 6 other recordings at once", |sound, severity, random, others| {
        mixed(sound, babble(sound.samples.len(), random, others)?, severity)
    });

pub(super) const fn noise(
    name: &'static str,
    about: &'static str,
    change: fn(&Sound, Severity, &mut ChaCha8Rng, &[Content]) -> Result<Sound>,
) -> Change<Sound> {
    let strength = |severity: Severity| format!("SNR {} dB", severity.of(SNR));
    Change { name, about, effect: Effect::Invariant, strength, change }
}

pub(super) fn mixed(sound: &Sound, noise: Vec<f32>, severity: Severity) -> Result<Sound> {
    let noise = scaled(noise, sound.power(), severity.of(SNR))?;
    Ok(sound.of(sound.samples.iter().zip(noise).map(|(sample, noise)| sample + noise)))
}

/// The noise, as loud as the ratio to `signal`, a power, asks for.
pub(super) fn scaled(mut noise: Vec<f32>, signal: f64, snr: f64) -> Result<Vec<f32>> {
    ensure!(
        signal > 0.0,
        "silence has no signal-to-noise ratio: leave silent recordings out, or change their level"
    );
    let power = power(&noise);
    ensure!(power > 0.0, "the noise is silent");
    let factor = (signal / power).sqrt() / amplitude(snr);
    noise.iter_mut().for_each(|sample| *sample = (f64::from(*sample) * factor) as f32);
    Ok(noise)
}

pub(super) fn white(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    random.sample_iter(StandardNormal).take(count).collect()
}

/// White noise through the filter (1 - z⁻¹)^(-1/2) (Kasdin 1995), of which every sample has as much of
/// a past as there are samples.
fn pink(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let response: Vec<f32> = std::iter::successors(Some((1.0f64, 1.0)), |&(tap, k)| {
        Some((tap * (k - 0.5) / k, k + 1.0))
    })
    .map(|(tap, _)| tap as f32)
    .take(count)
    .collect();
    convolve(&white(2 * count, random), &response).into_iter().skip(count).take(count).collect()
}

/// Other recordings, equally loud, over and over, each from anywhere on.
fn babble(count: usize, random: &mut ChaCha8Rng, others: &[Content]) -> Result<Vec<f32>> {
    let others = with_sound(others);
    ensure!(!others.is_empty(), "babble needs other recordings, and there are none with sound");
    let mut sum = vec![0.0; count];
    for other in others.choose_multiple(random, VOICES) {
        let level = (1.0 / other.power().sqrt()) as f32;
        let voice = from_anywhere(other, random);
        sum.iter_mut().zip(voice).for_each(|(sum, sample)| *sum += level * sample);
    }
    Ok(sum)
}

/// One of the recordings, from anywhere on, over and over if it is short.
pub(super) fn one_of(
    recordings: &[Content],
    count: usize,
    random: &mut ChaCha8Rng,
) -> Result<Vec<f32>> {
    let recordings = with_sound(recordings);
    let one = recordings.choose(random).context("there are no recordings of noise with sound")?;
    Ok(from_anywhere(one, random).take(count).collect())
}

fn with_sound(recordings: &[Content]) -> Vec<&Sound> {
    recordings.iter().filter_map(Sound::within).filter(|sound| sound.power() > 0.0).collect()
}

/// The samples of a recording from anywhere on, without an end.
fn from_anywhere<'a>(sound: &'a Sound, random: &mut ChaCha8Rng) -> impl Iterator<Item = f32> + 'a {
    let from = random.random_range(0..sound.samples.len());
    sound.samples.iter().cycle().skip(from).copied()
}

#[cfg(test)]
mod tests {
    use dsp::filter::{high_pass, low_pass};

    use super::super::testing::tone;
    use super::*;
    use crate::{Transformation, seed};

    fn random() -> ChaCha8Rng {
        seed::generator("noise", &[])
    }

    #[test]
    fn the_ratio_is_what_was_asked_for() {
        let sound = tone(8_000, 440.0, 1.0);
        let others = [tone(8_000, 300.0, 0.3).into(), tone(8_000, 500.0, 2.0).into()];
        let noises = [
            white(sound.samples.len(), &mut random()),
            pink(sound.samples.len(), &mut random()),
            babble(sound.samples.len(), &mut random(), &others).unwrap(),
            one_of(&others, sound.samples.len(), &mut random()).unwrap(),
        ];
        for noise in noises {
            assert_eq!(noise.len(), sound.samples.len());
            for snr in SNR {
                let noise = scaled(noise.clone(), sound.power(), snr).unwrap();
                let found = 10.0 * (sound.power() / power(&noise)).log10();
                assert!((found - snr).abs() < 0.1, "{found}, expected {snr}");
            }
        }
    }

    #[test]
    fn pink_noise_has_as_much_in_every_octave() {
        let noise = pink(1 << 17, &mut random());
        let octave =
            |low: f64| power(&high_pass(&low_pass(&noise, 16_000, 2.0 * low), 16_000, low));
        let (first, last) = (octave(500.0), octave(2_000.0));
        assert!((first / last).log10().abs() < 0.05, "{first} and {last}");
    }

    #[test]
    fn recorded_noise_goes_on_from_anywhere() {
        let ramp = Sound { rate: 8_000, samples: (1..=100).map(|it| it as f32).collect() };
        let silence = Sound { rate: 8_000, samples: vec![0.0; 9] };
        let part = one_of(&[silence.into(), ramp.into()], 250, &mut random()).unwrap();
        assert_eq!(part.len(), 250);
        assert!(part.windows(2).all(|pair| pair[1] == pair[0] % 100.0 + 1.0));
        let error = one_of(&[], 9, &mut random()).unwrap_err().to_string();
        assert!(error.contains("no recordings of noise"), "{error}");
    }

    #[test]
    fn silence_and_solitude_are_errors_that_say_so() {
        let silence: Content = Sound { rate: 8_000, samples: vec![0.0; 100] }.into();
        for (change, content, cause) in [
            (&WHITE, &silence, "silence has no signal-to-noise ratio"),
            (&BABBLE, &tone(8_000, 440.0, 0.1).into(), "babble needs other recordings"),
        ] {
            let severity = Severity::ALL[0];
            let result = change.apply(content, &0.into(), severity, &mut random(), &[]);
            let message = result.unwrap_err().to_string();
            assert!(message.contains(cause), "{message}");
        }
    }
}

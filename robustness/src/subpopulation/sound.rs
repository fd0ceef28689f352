//! Scores of recordings.

use anyhow::Result;
use transformations::content::{Content, Kind, Sound};

use super::{Known, Measure, Value};
use crate::subject::Item;

const fn measured(
    name: &'static str,
    about: &'static str,
    of: fn(&Item, &Known<'_>) -> Result<Option<Value>>,
) -> Measure {
    Measure { name, about, kinds: &[Kind::Sound], is_number: true, of }
}

/// How loud it is.
pub(super) const LEVEL: Measure =
    measured("level", "root mean square, dB of full scale", |item, _| {
        Ok(number(item, |sound| Some(10.0 * sound.power().log10()).filter(|it| it.is_finite())))
    });

/// How far the sound is above its quietest moments.
pub(super) const SNR: Measure =
    measured("snr", "loud (95%) over quiet (10%) frames of 20 ms, dB", |item, _| {
        Ok(number(item, |sound| {
            let frame = (sound.rate as usize / 50).max(1);
            let mut powers: Vec<f64> = sound.samples.chunks_exact(frame).map(power).collect();
            powers.sort_by(f64::total_cmp);
            let at = |share: f64| powers.get((share * (powers.len().max(1) - 1) as f64) as usize);
            let ratio = 10.0 * (at(0.95)? / at(0.1)?.max(1e-12)).log10();
            Some(ratio).filter(|ratio| ratio.is_finite())
        }))
    });

/// How much of it is cut off.
pub(super) const CLIPPING: Measure =
    measured("clipping", "share of samples at the largest value of either sign", |item, _| {
        Ok(number(item, |sound| {
            let largest = sound.samples.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let at = sound.samples.iter().filter(|x| x.abs() >= 0.999 * largest).count();
            (largest > 0.0).then(|| at as f64 / sound.samples.len() as f64)
        }))
    });

/// How high a voice is.
pub(super) const PITCH: Measure =
    measured("pitch", "median fundamental of voiced frames, 60 to 400 Hz", |item, _| {
        Ok(number(item, pitch))
    });

/// Who speaks.
pub(super) const SPEAKER: Measure = Measure {
    name: "speaker",
    about: "who speaks, by the file's name (spoken digits, Speech Commands)",
    kinds: &[Kind::Sound],
    is_number: false,
    of: |item, known| {
        let file = known.subject.file(item.index);
        let stem = file.as_ref().and_then(|file| file.file_stem()?.to_str());
        Ok(stem.and_then(speaker).map(|speaker| Value::Name(speaker.to_owned())))
    },
};

/// The speaker of `7_jackson_32` or `0a7c2a8d_nohash_0`.
fn speaker(stem: &str) -> Option<&str> {
    if let Some((speaker, _)) = stem.split_once("_nohash_") {
        return Some(speaker);
    }
    let (digit, rest) = stem.split_once('_')?;
    let (speaker, number) = rest.rsplit_once('_')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    (is_number(digit) && is_number(number)).then_some(speaker)
}

fn number(item: &Item, of: impl Fn(&Sound) -> Option<f64>) -> Option<Value> {
    match &item.content {
        Content::Sound(sound) if !sound.samples.is_empty() => of(sound).map(Value::Number),
        _ => None,
    }
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64
}

/// The median over frames of 40 ms of the lag of the highest autocorrelation, where that is above half
/// of the frame's power.
fn pitch(sound: &Sound) -> Option<f64> {
    let rate = sound.rate as usize;
    let (shortest, longest) = (rate.div_ceil(400).max(2), rate / 60);
    let frame = (rate / 25).max(2 * longest);
    let loudest = sound.samples.chunks_exact(frame).map(power).fold(0.0, f64::max);
    let mut found = Vec::new();
    for samples in sound.samples.chunks_exact(frame) {
        let at = |lag: usize| -> f64 {
            let pairs = samples.iter().zip(&samples[lag..]);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / (frame - lag) as f64
        };
        let (whole, lags) = (at(0), shortest..longest);
        let best = lags.map(|lag| (at(lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((height, lag)) = best
            && height > 0.5 * whole
            && whole > 0.01 * loudest
        {
            found.push(rate as f64 / lag as f64);
        }
    }
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    #[test]
    fn speakers_are_read_from_names() {
        assert_eq!(speaker("7_jackson_32"), Some("jackson"));
        assert_eq!(speaker("0a7c2a8d_nohash_0"), Some("0a7c2a8d"));
        assert_eq!(speaker("piano"), None);
    }

    #[test]
    fn a_buzz_has_its_pitch() {
        let samples = (0..8000).map(|i| {
            let phase = 120.0 * i as f32 / 8000.0;
            0.3 * (TAU * phase).sin() + 0.3 * (2.0 * TAU * phase).sin()
        });
        let sound = Sound { rate: 8000, samples: samples.collect() };
        let pitch = pitch(&sound).unwrap();
        assert!((pitch - 120.0).abs() < 2.0, "{pitch}");
    }
}

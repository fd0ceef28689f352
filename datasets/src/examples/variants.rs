//! Recordings that are changed at random, as the official classifier of SC09 is trained on them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::recordings::{Extent, Recordings};
use super::view::View;
use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// Lowest and highest factor of the amplitude.
const AMPLITUDE: (f32, f32) = (0.7, 1.1);
/// How much faster or slower, pitch included; and then, of a spectrogram, without.
const SPEED: f32 = 0.2;
/// How far a clip is shifted at most, in frames of the official classifier: 512 samples at 16 kHz.
const SHIFT_SECONDS: f32 = 8.0 * 512.0 / 16_000.0;
/// Largest share of the noise.
const NOISE: f32 = 0.45;

/// Several variants of every recording, all classes as often. Each change is made with probability
/// 1/2. The variants are always the same ones: a resumed run meets what it would have met.
#[derive(Debug)]
pub(crate) struct Variants {
    recordings: Recordings,
    /// Recording of each example.
    order: Vec<usize>,
    /// Samples in a second.
    rate: u32,
    /// Sounds without a label, which are mixed in.
    noise: Arc<Vec<Vec<f32>>>,
}

impl Variants {
    /// `variants` of each of the recordings, of rarer classes more.
    pub(crate) fn new(
        recordings: Recordings,
        variants: usize,
        rate: u32,
        noise: Arc<Vec<Vec<f32>>>,
    ) -> Self {
        let order = balanced(&recordings).repeat(variants);
        Self { recordings, order, rate, noise }
    }
}

/// The recordings, those of rarer classes again from the first on, until all classes are as many.
fn balanced(recordings: &Recordings) -> Vec<usize> {
    let mut classes: Vec<(&Label, Vec<usize>)> = Vec::new();
    for (index, item) in recordings.items.iter().enumerate() {
        match classes.iter_mut().find(|(label, _)| **label == item.label) {
            Some((_, members)) => members.push(index),
            None => classes.push((&item.label, vec![index])),
        }
    }
    let most = classes.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
    classes.iter().flat_map(|(_, members)| members.iter().copied().cycle().take(most)).collect()
}

impl Examples for Variants {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let recording = self.order[index];
        let random = &mut ChaCha8Rng::seed_from_u64(index as u64);
        let form = &self.recordings.form;
        let mut samples = self.recordings.samples(recording)?;
        if random.random() {
            let factor = random.random_range(AMPLITUDE.0..AMPLITUDE.1);
            samples.iter_mut().for_each(|x| *x *= factor);
        }
        if random.random() {
            samples = resampled(&samples, 1.0 + random.random_range(-SPEED..SPEED), 1);
        }
        let length = match form.extent {
            Extent::Exactly(length) => length,
            Extent::AtMost(most) => samples.len().clamp(1, most),
        };
        samples.resize(length, 0.0);
        if random.random() {
            let most = (SHIFT_SECONDS * self.rate as f32) as i64;
            samples = shifted(&samples, random.random_range(-most..=most));
        }
        if !self.noise.is_empty() && random.random() {
            let noise = &self.noise[random.random_range(0..self.noise.len())];
            let share = random.random_range(0.0..NOISE);
            let from = random.random_range(0..noise.len());
            let noise = noise.iter().cycle().skip(from);
            samples.iter_mut().zip(noise).for_each(|(x, n)| *x += share * (n - *x));
        }
        let mut sequence = form.sequence(&samples)?;
        if matches!(form.view, View::Mel(_)) && random.random() {
            stretch(&mut sequence, 1.0 + random.random_range(-SPEED..SPEED));
        }
        let label = self.recordings.items[recording].label.clone();
        Ok(Example { sequences: vec![sequence], label })
    }

    fn label(&self, index: usize) -> Result<Label> {
        self.recordings.label(self.order[index])
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.recordings.name(self.order[index])
    }

    fn length(&self, index: usize) -> usize {
        self.recordings.length(self.order[index])
    }

    fn padding(&self) -> Option<f32> {
        self.recordings.padding()
    }
}

/// Rows of `features` values, played `speed` times as fast, linearly interpolated.
fn resampled(x: &[f32], speed: f32, features: usize) -> Vec<f32> {
    let rows = x.len() / features;
    let length = (rows as f32 / speed) as usize;
    let at = |row: usize, feature: usize| x[row.min(rows - 1) * features + feature];
    let row = |row: usize| {
        let place = row as f32 * speed;
        let (low, share) = (place as usize, place.fract());
        (0..features).map(move |i| at(low, i) + share * (at(low + 1, i) - at(low, i)))
    };
    (0..length).flat_map(row).collect()
}

/// `x` later by `by` samples, or earlier, with silence where nothing is left.
fn shifted(x: &[f32], by: i64) -> Vec<f32> {
    let at = |place: usize| usize::try_from(place as i64 - by).ok().and_then(|from| x.get(from));
    (0..x.len()).map(|place| at(place).copied().unwrap_or(0.0)).collect()
}

/// A spectrogram in as many frames, `speed` times as fast; the last frame goes on to the end.
fn stretch(sequence: &mut Sequences, speed: f32) {
    let Sequences::Values { values, features } = sequence else { return };
    let mut stretched = resampled(values, speed, *features);
    stretched.truncate(values.len());
    while stretched.len() < values.len() {
        stretched.extend_from_within(stretched.len() - *features..);
    }
    *values = stretched;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_faster_later_and_no_longer() {
        assert_eq!(resampled(&[0.0, 1.0, 2.0, 3.0], 2.0, 1), [0.0, 2.0]);
        assert_eq!(resampled(&[0.0, 1.0], 0.5, 1), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(shifted(&[1.0, 2.0, 3.0], 1), [0.0, 1.0, 2.0]);
        assert_eq!(shifted(&[1.0, 2.0, 3.0], -2), [3.0, 0.0, 0.0]);
        let mut sequence = Sequences::Values { values: vec![0.0, 8.0, 1.0, 9.0], features: 2 };
        stretch(&mut sequence, 2.0);
        let expected = Sequences::Values { values: vec![0.0, 8.0, 0.0, 8.0], features: 2 };
        assert_eq!(sequence, expected);
    }
}

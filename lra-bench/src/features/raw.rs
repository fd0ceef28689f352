//! The input itself as features: a control, without which those of a network say little.

use anyhow::Result;
use datasets::batch::Sequences;
use datasets::examples::view::View;
use datasets::medium::Medium;
use datasets::split::Split;
use dsp::mel::{Mel, MelConfig};
use rayon::prelude::*;
use s4_config::Input;
use tch::Tensor;

use super::Features;
use crate::features::of_batch;

/// Values of an example that are features themselves; of longer ones, mean and deviation are.
const MOST: usize = 4096;

/// Pixels and short series as they are; of tokens how often each occurs; of sound the mean and the
/// deviation of each band of its mel spectrogram, of other series those of each value.
///
/// # Errors
/// If an example cannot be read, or has no class.
pub fn raw(split: &Split, medium: &Medium, input: Input) -> Result<Features> {
    let mel = match medium {
        // Of 25 ms, every 10 ms, whatever the rate.
        Medium::Sound { rate, view: View::Samples, .. } => {
            let [n_fft, hop] = [0.025, 0.01].map(|seconds| (f64::from(*rate) * seconds) as usize);
            let (n_fft, hop) = (n_fft.max(16).next_multiple_of(2), hop.max(1));
            let bands = (n_fft / 8).clamp(2, 40);
            let config = MelConfig { n_fft, hop, bands, ..MelConfig::default() };
            Some(Mel::new(&config, *rate)?)
        }
        _ => None,
    };
    let is_even = split.padding().is_none();
    let rows: Vec<(Vec<f32>, i64)> = (0..split.len())
        .into_par_iter()
        .map(|index| {
            let batch = split.batch(&[index])?;
            let class = of_batch(&batch)?[0];
            let row = match (&batch.sequences, input) {
                (Sequences::Tokens(tokens), Input::Tokens { vocabulary }) => {
                    let mut counts = vec![0.0; vocabulary as usize];
                    for &token in tokens {
                        counts[token as usize] += 1.0 / tokens.len() as f32;
                    }
                    counts
                }
                (Sequences::Bytes(bytes), _) => {
                    vector(bytes.iter().map(|&b| f32::from(b) / 255.0).collect(), 1, is_even)
                }
                (Sequences::Values { values, features }, _) => match &mel {
                    Some(mel) if *features == 1 && values.len() >= mel.shortest() => {
                        moments(&frames(mel, values)?, mel.bands())
                    }
                    _ => vector(values.clone(), *features, is_even),
                },
                _ => anyhow::bail!("tokens where values were expected"),
            };
            Ok((row, class))
        })
        .collect::<Result<_>>()?;
    let classes: Vec<i64> = rows.iter().map(|(_, class)| *class).collect();
    let width = rows.first().map_or(0, |(row, _)| row.len());
    let flat: Vec<f32> = rows.into_iter().flat_map(|(row, _)| row).collect();
    let x = Tensor::f_from_slice(&flat)?.f_view([-1, width as i64])?;
    Ok(Features { x, classes: Tensor::f_from_slice(&classes)? })
}

/// The mel spectrogram, the bands of a frame next to each other.
fn frames(mel: &Mel, samples: &[f32]) -> Result<Vec<f32>> {
    let bands = mel.spectrogram(samples)?;
    let count = bands.len() / mel.bands();
    let places = (0..count).flat_map(|frame| (0..mel.bands()).map(move |band| (band, frame)));
    Ok(places.map(|(band, frame)| bands[band * count + frame] as f32).collect())
}

fn vector(values: Vec<f32>, features: usize, is_even: bool) -> Vec<f32> {
    if is_even && values.len() <= MOST { values } else { moments(&values, features) }
}

/// Mean and deviation over time of each of `features` values a position.
fn moments(values: &[f32], features: usize) -> Vec<f32> {
    let count = (values.len() / features).max(1) as f32;
    let mut moments = vec![0.0; 2 * features];
    for frame in values.chunks_exact(features) {
        for (i, value) in frame.iter().enumerate() {
            moments[i] += value / count;
        }
    }
    for frame in values.chunks_exact(features) {
        for (i, value) in frame.iter().enumerate() {
            moments[features + i] += (value - moments[i]).powi(2) / count;
        }
    }
    moments[features..].iter_mut().for_each(|square| *square = square.sqrt());
    moments
}

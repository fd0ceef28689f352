//! Whether generated sounds are new: how near the nearest one of the training sounds is, compared with
//! how near to it real sounds come that were not trained on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use audio_data::read::resampled;
use dsp::mel::{Mel, MelConfig, Scale, Sum};
use rayon::prelude::*;
use serde::Serialize;
use tch::{Kind, Tensor};

use super::ndb::squared_distances;

/// Sounds are compared at this rate, Hz, and up to this many seconds.
const RATE: u32 = 16_000;
const SECONDS: usize = 8;
/// What is not there, in decibels.
const SILENCE: f32 = -80.0;

/// A generated sound and its nearest training sound.
#[derive(Debug, Clone, Serialize)]
pub struct Neighbour {
    /// The generated file.
    pub file: PathBuf,
    /// The training file that is nearest by features.
    pub nearest: PathBuf,
    /// Distance of the features.
    pub distance: f64,
    /// Distance to the nearest log-mel spectrogram, decibels of root mean square.
    pub mel_distance: f64,
    /// Whether both are below those of every held-out sound.
    pub copied: bool,
}

/// The nearest row of y (m, d) for each row of x (n, d), and its distance.
pub fn nearest(x: &Tensor, y: &Tensor) -> Result<Vec<(usize, f64)>> {
    let (least, index) = squared_distances(x, y).min_dim(1, false);
    let index: Vec<i64> = Vec::try_from(index)?;
    let least: Vec<f64> = Vec::try_from(least.sqrt())?;
    Ok(index.into_iter().map(|i| i as usize).zip(least).collect())
}

/// Log-mel spectrograms of `files`, frame by frame, each as long as its sound, in decibels below its
/// loudest place.
///
/// # Errors
/// If a file cannot be read.
pub fn spectrograms(files: &[PathBuf]) -> Result<Vec<Vec<f32>>> {
    let mel = mel()?;
    files.par_iter().map(|file| row(file, &mel)).collect()
}

/// Spectrograms as rows (n, `width`) with silence behind the shorter ones, divided so that distances
/// are root mean squares.
pub fn rows(spectrograms: &[Vec<f32>], width: usize) -> Tensor {
    let mut values = Vec::with_capacity(spectrograms.len() * width);
    for (i, spectrogram) in spectrograms.iter().enumerate() {
        values.extend_from_slice(spectrogram);
        values.resize((i + 1) * width, SILENCE);
    }
    let x = Tensor::from_slice(&values).view([spectrograms.len() as i64, -1]);
    x.to_kind(Kind::Double) / (width as f64).sqrt()
}

fn mel() -> Result<Mel> {
    let config = MelConfig {
        hop: 512,
        bands: 32,
        sum: Sum::Power,
        scale: Scale::Decibels,
        ..MelConfig::default()
    };
    Mel::new(&config, RATE)
}

fn samples(file: &Path) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    let most = RATE as usize * SECONDS;
    resampled(file, RATE, |block| {
        samples.extend_from_slice(&block[..block.len().min(most - samples.len())]);
    })?;
    Ok(samples)
}

fn row(file: &Path, mel: &Mel) -> Result<Vec<f32>> {
    let mut samples = samples(file)?;
    samples.resize(samples.len().max(mel.shortest()), 0.0);
    let (spectrogram, frames) = (mel.spectrogram(&samples)?, mel.frames(samples.len()));
    let value = |frame: usize, band: usize| spectrogram[band * frames + frame] as f32;
    let frame = |frame| (0..mel.bands()).map(move |band| value(frame, band));
    Ok((0..frames).flat_map(frame).collect())
}

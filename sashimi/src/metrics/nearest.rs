//! Whether generated sounds are new: how near the nearest one of the training sounds is, compared with
//! how near to it real sounds come that were not trained on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use audio_data::read::resampled;
use dsp::mel::{Mel, MelConfig, Scale, Sum};
use rayon::prelude::*;
use serde::Serialize;
use tch::Tensor;

use super::ndb::squared_distances;

/// Sounds are compared at this rate, Hz, and up to this many seconds.
const RATE: u32 = 16_000;
const SECONDS: usize = 8;

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

/// Log-mel spectrograms of `files` as rows (n, bands · frames), in decibels below each one's loudest
/// place, with silence behind the shorter ones; divided so that distances are root mean squares.
///
/// # Errors
/// If a file cannot be read.
pub fn spectrograms(files: &[PathBuf], frames: usize) -> Result<Tensor> {
    let mel = mel()?;
    let rows: Vec<Vec<f32>> =
        files.par_iter().map(|file| row(file, &mel, frames)).collect::<Result<_>>()?;
    let x = Tensor::from_slice(&rows.concat()).view([files.len() as i64, -1]);
    Ok(x.to_kind(tch::Kind::Double) / ((mel.bands() * frames) as f64).sqrt())
}

/// Frames of the longest of `files`, up to the length that is compared.
///
/// # Errors
/// If a file cannot be read.
pub fn frames(files: &[PathBuf]) -> Result<usize> {
    let mel = mel()?;
    let lengths: Vec<usize> =
        files.par_iter().map(|file| Ok(mel.frames(samples(file)?.len()))).collect::<Result<_>>()?;
    Ok(lengths.into_iter().max().unwrap_or(1))
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

/// Frame by frame, so that what is missing at the end is silence.
fn row(file: &Path, mel: &Mel, frames: usize) -> Result<Vec<f32>> {
    const SILENCE: f32 = -80.0;
    let mut samples = samples(file)?;
    samples.resize(samples.len().max(mel.shortest()), 0.0);
    let (spectrogram, its) = (mel.spectrogram(&samples)?, mel.frames(samples.len()));
    let value = |frame: usize, band: usize| spectrogram[band * its + frame] as f32;
    let mut row = Vec::with_capacity(frames * mel.bands());
    for frame in 0..its.min(frames) {
        row.extend((0..mel.bands()).map(|band| value(frame, band)));
    }
    row.resize(frames * mel.bands(), SILENCE);
    Ok(row)
}

//! Audio files as a model hears them, one by one.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use audio_data::quantise::Scaling;
use audio_data::read::{READ, is_audio_name, resampled};
use program::files::walk;
use program::findings::Findings;

use crate::experiment::DataConfig;

/// A recording as a model hears it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its codes.
    pub codes: Vec<u16>,
    /// Its level before it was stretched.
    pub level: Level,
}

/// How a recording was stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    scaling: Scaling,
    min: f32,
    max: f32,
}

impl Level {
    /// Sound of a model at the recording's own level.
    pub fn restore(self, sample: f32) -> f32 {
        self.scaling.undo(sample, self.min, self.max)
    }
}

/// The codes of the file `path` as a model trained under `config` wants them.
///
/// # Errors
/// As [`hear`].
pub fn codes(path: &Path, config: &DataConfig, findings: &mut Findings) -> Result<Vec<u16>> {
    Ok(hear(path, config, findings)?.codes)
}

/// The file `path` as a model trained under `config` wants it: mixed down, resampled, stretched as a
/// recording of its own, quantised. What is to be said about the file is added to `findings`.
///
/// # Errors
/// If the file is not usable audio.
pub fn hear(path: &Path, config: &DataConfig, findings: &mut Findings) -> Result<Heard> {
    let quantiser = config.quantiser()?;
    let mut codes = Vec::new();
    let level = listen(path, config, findings, |sample| codes.push(quantiser.encode(sample)))?;
    Ok(Heard { codes, level })
}

/// The samples of the file `path`, in [-1, 1], as a model of sound wants them, and their level before
/// they were stretched.
///
/// # Errors
/// If the file is not usable audio.
pub fn samples(
    path: &Path,
    config: &DataConfig,
    findings: &mut Findings,
) -> Result<(Vec<f32>, Level)> {
    let mut samples = Vec::new();
    let level =
        listen(path, config, findings, |sample| samples.push(sample.clamp(-1.0, 1.0) as f32))?;
    Ok((samples, level))
}

/// Calls `each` with every sample, stretched; there is one at least.
fn listen(
    path: &Path,
    config: &DataConfig,
    findings: &mut Findings,
    mut each: impl FnMut(f64),
) -> Result<Level> {
    let rate = config.sample_rate()?;
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    // Twice through the file rather than once into memory.
    resampled(path, rate, |samples| {
        (min, max) = samples.iter().fold((min, max), |(min, max), &x| (min.min(x), max.max(x)));
    })?;
    let mut count = 0;
    let reader = resampled(path, rate, |samples| {
        count += samples.len();
        samples.iter().for_each(|&sample| each(config.scaling.apply(sample, min, max)));
    })?;
    for remark in reader.remarks() {
        findings.note(remark.to_string(), path);
    }
    ensure!(count > 0, "{} holds no samples", path.display());
    Ok(Level { scaling: config.scaling, min, max })
}

/// The sound files in `dir` and below, in the order of their names.
///
/// # Errors
/// If there is none, or the folder cannot be read.
pub fn sounds(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = walk(dir)?.files;
    files.retain(|path| is_audio_name(path));
    files.sort();
    ensure!(!files.is_empty(), "{} has no sound files ({})", dir.display(), READ);
    Ok(files.into_iter().map(|path| dir.join(path)).collect())
}

//! One audio file as codes.

use std::path::Path;

use anyhow::{Result, ensure};
use audio_data::read::resampled;

use crate::experiment::DataConfig;

/// The codes of the file `path` as a model trained under `config` wants them: mixed down,
/// resampled, stretched as a recording of its own, quantised.
///
/// # Errors
/// If the file is not usable audio.
pub fn codes(path: &Path, config: &DataConfig) -> Result<Vec<u16>> {
    let quantiser = config.quantiser()?;
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    // Twice through the file rather than once into memory.
    resampled(path, config.sample_rate()?, |samples| {
        (min, max) = samples.iter().fold((min, max), |(min, max), &x| (min.min(x), max.max(x)));
    })?;
    let mut codes = Vec::new();
    resampled(path, config.sample_rate()?, |samples| {
        let scaled = samples.iter().map(|&sample| config.scaling.apply(sample, min, max));
        codes.extend(scaled.map(|sample| quantiser.encode(sample)));
    })?;
    ensure!(!codes.is_empty(), "{} holds no samples", path.display());
    Ok(codes)
}

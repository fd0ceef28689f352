//! One audio file as codes.

use std::path::Path;

use anyhow::{Result, ensure};
use audio_data::quantise::Scaling;
use audio_data::read::resampled;
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
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    // Twice through the file rather than once into memory.
    resampled(path, config.sample_rate()?, |samples| {
        (min, max) = samples.iter().fold((min, max), |(min, max), &x| (min.min(x), max.max(x)));
    })?;
    let mut codes = Vec::new();
    let reader = resampled(path, config.sample_rate()?, |samples| {
        let scaled = samples.iter().map(|&sample| config.scaling.apply(sample, min, max));
        codes.extend(scaled.map(|sample| quantiser.encode(sample)));
    })?;
    for remark in reader.remarks() {
        findings.note(remark.to_string(), path);
    }
    ensure!(!codes.is_empty(), "{} holds no samples", path.display());
    Ok(Heard { codes, level: Level { scaling: config.scaling, min, max } })
}

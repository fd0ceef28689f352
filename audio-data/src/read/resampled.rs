//! A whole file at another rate.

use std::path::Path;

use anyhow::{Context, Result};
use dsp::resample::Resampler;

use super::Reader;

/// Calls `each` with the samples of a file, block by block: mixed down and brought to `rate` samples
/// per second. Returns the reader, which knows by then what is to be said about the file.
///
/// # Errors
/// If the file is not usable audio; the message names it.
pub fn resampled(path: &Path, rate: u32, mut each: impl FnMut(&[f32])) -> Result<Reader> {
    // The reader's errors name the file by themselves.
    let named = || path.display().to_string();
    let mut reader = Reader::open(path)?;
    let mut resampler = Resampler::new(reader.format().rate, rate).with_context(named)?;
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block()? {
        samples.clear();
        resampler.push(block, &mut samples).with_context(named)?;
        each(&samples);
    }
    samples.clear();
    resampler.finish(&mut samples).with_context(named)?;
    each(&samples);
    Ok(reader)
}

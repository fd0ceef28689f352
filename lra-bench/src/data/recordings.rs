//! Labelled recordings as sequences of samples.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use audio_data::corpus::{self, Corpus, Prepared};
use audio_data::layout::Listing;
use loader::Dataset;
use program::progress::Progress;
use program::{exit, interrupt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, Sequences};
use crate::experiment::DataConfig;

/// Mean and standard deviation of samples, which lie in [-1, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, at least 0.
    pub std: f64,
}

/// Added to the standard deviation, as in the official code: silence stays finite.
const EPSILON: f64 = 1e-5;

impl Scale {
    /// That of all samples of these recordings.
    ///
    /// # Errors
    /// If they cannot be read, or the user interrupts.
    pub fn measure(corpus: &Corpus, recordings: &[Labelled]) -> Result<Self> {
        let sums = recordings
            .par_iter()
            .map(|item| {
                if interrupt::requested() {
                    return Err(exit::interrupted());
                }
                let mut samples = vec![0.0; item.frames];
                corpus.read(item.recording, 0, &mut samples)?;
                let samples = samples.iter().map(|&sample| f64::from(sample));
                let (sum, squares) = samples.fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
                Ok((item.frames as f64, sum, squares))
            })
            .try_reduce(|| (0.0, 0.0, 0.0), |a, b| Ok((a.0 + b.0, a.1 + b.1, a.2 + b.2)))?;
        let (count, sum, squares) = sums;
        ensure!(count > 0.0, "there are no samples to measure");
        let mean = sum / count;
        Ok(Self { mean, std: (squares / count - mean * mean).max(0.0).sqrt() })
    }

    /// Checks the range.
    ///
    /// # Errors
    /// With the value and what is allowed.
    pub fn validate(self) -> Result<()> {
        ensure!(
            self.mean.is_finite() && self.std.is_finite() && self.std >= 0.0,
            "data.scale has mean {} and std {}; both must be finite and std not negative",
            self.mean,
            self.std
        );
        Ok(())
    }

    /// The sample, standardised.
    pub fn apply(self, sample: f32) -> f32 {
        ((f64::from(sample) - self.mean) / (self.std + EPSILON)) as f32
    }
}

/// A recording of a corpus with its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labelled {
    /// Number of the recording in the corpus.
    pub recording: usize,
    /// Samples that it has.
    pub frames: usize,
    /// Number of its class.
    pub class: i64,
}

/// How long sequences are, in samples at the corpus's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All the same: longer recordings are cut, shorter ones filled up with silence.
    Exactly(usize),
    /// As long as the recordings, but at most so much.
    AtMost(usize),
}

/// Recordings of one split.
#[derive(Debug)]
pub struct Recordings {
    /// All recordings of the data set.
    pub corpus: Arc<Corpus>,
    /// Those of the split.
    pub items: Vec<Labelled>,
    /// How long sequences are.
    pub extent: Extent,
    /// One sample of so many is kept, at least 1.
    pub every: usize,
    /// What samples are standardised by.
    pub scale: Scale,
}

impl Recordings {
    /// Samples that are read of an item.
    fn frames(&self, item: Labelled) -> usize {
        let (Extent::Exactly(most) | Extent::AtMost(most)) = self.extent;
        item.frames.min(most)
    }
}

impl Dataset for Recordings {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn length(&self, index: usize) -> usize {
        let frames = match self.extent {
            Extent::Exactly(frames) => frames,
            Extent::AtMost(_) => self.frames(self.items[index]),
        };
        frames.div_ceil(self.every)
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let lengths: Vec<usize> = indices.iter().map(|&index| self.length(index)).collect();
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let mut values = vec![self.scale.apply(0.0); indices.len() * longest];
        let mut samples = Vec::new();
        for (&index, row) in indices.iter().zip(values.chunks_exact_mut(longest.max(1))) {
            let item = self.items[index];
            samples.resize(self.frames(item), 0.0);
            self.corpus.read(item.recording, 0, &mut samples)?;
            for (value, &sample) in row.iter_mut().zip(samples.iter().step_by(self.every)) {
                *value = self.scale.apply(sample);
            }
        }
        Ok(Batch {
            sequences: Sequences::Values { values, features: 1 },
            length: longest,
            lengths: match self.extent {
                Extent::Exactly(_) => None,
                Extent::AtMost(_) => Some(lengths.into_iter().map(|l| l as i64).collect()),
            },
            labels: indices.iter().map(|&index| self.items[index].class).collect(),
        })
    }
}

/// Skipped files that are named one by one.
const NAMED: usize = 5;

/// The files of a listing as mono samples at `rate` Hz, decoded on first use and kept in
/// `config.cache`. Files that cannot be read are named on standard error and left out.
///
/// # Errors
/// If none can be read, the cache cannot be written, or the user interrupts.
pub fn decode(listing: &Listing, rate: u32, config: &DataConfig) -> Result<Corpus> {
    let cache = config.cache.clone().unwrap_or_else(|| PathBuf::from("data/cache")).join("audio");
    let progress = Progress::new(true, 0, listing.entries.len() as u64);
    let prepared = corpus::prepare(
        listing,
        rate,
        &cache,
        false,
        &|done, _| progress.step(done as u64),
        &interrupt::requested,
    );
    progress.finish();
    let Prepared { corpus, skipped, .. } = prepared
        .with_context(|| format!("the audio in {}", listing.dir.display()))?
        .ok_or_else(exit::interrupted)?;
    for file in skipped.iter().take(NAMED) {
        eprintln!("skipped: {}: {}", file.path.display(), file.reason);
    }
    if skipped.len() > NAMED {
        eprintln!(
            "skipped: {} more files; `audio-data inspect {}` has all",
            skipped.len() - NAMED,
            listing.dir.display()
        );
    }
    Ok(corpus)
}

//! Recordings as mono samples at one rate, kept on disk and read by position.
//!
//! [`prepare`] decodes and resamples every file of a listing once, into one file of raw samples:
//!
//! ```text
//! cache/<key>/samples.f32     little-endian float32, recordings concatenated in any order
//! cache/<key>/index.json      where each recording is in it, its minimum and maximum, what was skipped
//! ```
//!
//! The key is a hash of what the samples follow from: the rate, and path, size and time of every
//! source. Samples are read by position instead of mapped into memory, so that hours of sound are
//! trained on in little memory, from several threads.

mod build;
mod index;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use dsp::resample::RATES;
use program::findings::{Findings, tell_skipped};
use program::names::pasted;
use program::progress::Progress;
use program::{exit, files, interrupt};
use rayon::prelude::*;

use crate::layout::Listing;
use crate::read::Reader;
pub use index::{Recording, Skipped};

/// A prepared data set.
#[derive(Debug)]
pub struct Corpus {
    samples: File,
    /// Where the samples are, for messages.
    path: PathBuf,
    rate: u32,
    recordings: Vec<Recording>,
    /// What is to be said about the files that it was made of.
    pub findings: Findings,
}

/// What [`prepare`] comes to.
#[derive(Debug)]
pub struct Prepared {
    /// The recordings.
    pub corpus: Corpus,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
    /// Whether the cache had it all.
    pub reused: bool,
}

/// Decodes and resamples the files of a listing, or finds that done in `cache`.
///
/// Files are decoded in parallel, in small blocks. `progress` is called with the number of files
/// done and of all files, from any thread. `cancelled` is asked often; once it is true, the answer
/// is `None` and nothing is left behind. With `strict`, a file that cannot be read is an error.
///
/// # Errors
/// If no file can be read, or with `strict` not every one; if the cache cannot be written, as when
/// the disk is full. Nothing is left behind then, either.
pub fn prepare(
    listing: &Listing,
    rate: u32,
    cache: &Path,
    strict: bool,
    progress: &(dyn Fn(usize, usize) + Sync),
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Prepared>> {
    ensure!(
        RATES.contains(&rate),
        "a sampling rate of {rate} Hz; use {} to {} Hz, such as 16000",
        RATES.start(),
        RATES.end()
    );
    let key = index::key(listing, rate)?;
    for cache in files::caches(cache) {
        if let Ok((corpus, skipped)) = Corpus::open(&cache.join(&key), listing, rate) {
            if let (true, Some(first)) = (strict, skipped.first()) {
                return Err(first.as_error());
            }
            return Ok(Some(Prepared { corpus, skipped, reused: true }));
        }
    }
    let cache = &files::writable_cache(cache)?;
    let folder = cache.join(key);
    if folder.exists() {
        build::discard(&folder)?;
    }
    let Some(built) = build::build(listing, rate, cache, strict, progress, cancelled)? else {
        return Ok(None);
    };
    // Where another process was faster, its work is as good: the key is the same.
    built.install(&folder)?;
    let (corpus, skipped) = Corpus::open(&folder, listing, rate)
        .with_context(|| format!("the new cache {} cannot be read", folder.display()))?;
    Ok(Some(Prepared { corpus, skipped, reused: false }))
}

/// [`prepare`] as a program does it, in `cache/audio`: with a bar for `progress`, where there is a
/// terminal, and files that cannot be read named on standard error.
///
/// # Errors
/// As [`prepare`], or if the user interrupts.
pub fn open(
    listing: &Listing,
    rate: u32,
    cache: &Path,
    strict: bool,
    progress: bool,
) -> Result<Corpus> {
    let progress = Progress::new(progress, 0, listing.entries.len() as u64);
    let count = |done, total| progress.count(done as u64, total as u64, "files");
    let cache = cache.join("audio");
    let prepared = prepare(listing, rate, &cache, strict, &count, &interrupt::requested);
    progress.finish();
    let Prepared { corpus, skipped, .. } = prepared
        .with_context(|| format!("the audio in {}", listing.dir.display()))?
        .ok_or_else(exit::interrupted)?;
    let skipped: Vec<_> = skipped.into_iter().map(|file| (file.path, file.reason)).collect();
    let more = format!("; `audio-data inspect {}` has all", pasted(&listing.dir));
    tell_skipped(&skipped, &more);
    Ok(corpus)
}

/// The rate that a data set is best prepared at: that of its layout, or else the one that most of
/// its readable files have, and of two equally common ones the higher.
///
/// # Errors
/// If no file can be read.
pub fn default_rate(listing: &Listing) -> Result<u32> {
    if let Some(rate) = listing.layout.rate {
        return Ok(rate);
    }
    let rates: Vec<_> = listing
        .entries
        .par_iter()
        .map(|entry| {
            interrupt::check()?;
            Ok(Reader::open(&listing.dir.join(&entry.path))?.format().rate)
        })
        .collect();
    let mut counts = HashMap::new();
    for &rate in rates.iter().flatten() {
        *counts.entry(rate).or_insert(0) += 1;
    }
    match counts.into_iter().max_by_key(|&(rate, count)| (count, rate)) {
        Some((rate, _)) => Ok(rate),
        None => {
            let first = rates.into_iter().find_map(Result::<u32>::err);
            Err(none_readable(listing, first.unwrap_or_else(|| anyhow!("it is empty"))))
        }
    }
}

fn none_readable(listing: &Listing, first: Error) -> Error {
    first.context(format!(
        "none of the {} audio files in {} can be read; the first says",
        listing.entries.len(),
        listing.dir.display()
    ))
}

impl Corpus {
    fn open(folder: &Path, listing: &Listing, rate: u32) -> Result<(Self, Vec<Skipped>)> {
        let index = index::Index::read(folder, listing, rate)?;
        let path = folder.join(index::SAMPLES);
        let samples = File::open(&path)?;
        let (frames, bytes) = (index.frames(), samples.metadata()?.len());
        ensure!(frames.checked_mul(4) == Some(bytes), "{bytes} bytes for {frames} samples");
        let index::Index { recordings, skipped, .. } = index;
        let mut findings = Findings::default();
        for file in &skipped {
            findings.leave_out("audio files that cannot be read", &file.path);
        }
        for recording in &recordings {
            for remark in &recording.remarks {
                findings.note(remark, &recording.path);
            }
        }
        Ok((Self { samples, path, rate, recordings, findings }, skipped))
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The recordings that could be read, in the order of the listing.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// Fills `out` with the samples of a recording from `start` on. Threads may read at once.
    ///
    /// # Errors
    /// If the recording is shorter, or the disk fails.
    pub fn read(&self, recording: usize, start: u64, out: &mut [f32]) -> Result<()> {
        let Some(found) = self.recordings.get(recording) else {
            bail!("recording {recording} of {}", self.recordings.len());
        };
        let end = start.checked_add(out.len() as u64);
        ensure!(
            end.is_some_and(|end| end <= found.frames),
            "{} samples from {start} on of {}, which has {}",
            out.len(),
            found.path.display(),
            found.frames
        );
        let mut offset = (found.start + start) * 4;
        let mut bytes = [0; 1 << 14];
        for block in out.chunks_mut(bytes.len() / 4) {
            let bytes = &mut bytes[..block.len() * 4];
            self.samples.read_exact_at(bytes, offset).with_context(|| {
                format!("cannot read {}; delete its folder, it is made anew", self.path.display())
            })?;
            for (sample, bytes) in block.iter_mut().zip(bytes.as_chunks().0) {
                *sample = f32::from_le_bytes(*bytes);
            }
            offset += bytes.len() as u64;
        }
        Ok(())
    }
}

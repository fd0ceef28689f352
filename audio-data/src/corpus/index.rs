//! What is in a prepared corpus, and the name it is found under.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Error, Result, anyhow, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::layout::Listing;

/// Changes where the same sources would give other samples or another index.
const VERSION: u32 = 2;

pub(super) const SAMPLES: &str = "samples.f32";
pub(super) const INDEX: &str = "index.json";

/// A recording of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Which entry of the listing it is.
    pub entry: usize,
    /// Where its file is, from the data set's folder.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// Its first sample in the file of all samples.
    pub(super) start: u64,
    /// How many samples it has; at least one.
    pub frames: u64,
    /// The lowest sample.
    pub min: f32,
    /// The highest.
    pub max: f32,
    /// Samples per second in its file.
    pub source_rate: u32,
    /// Channels in its file.
    pub channels: u16,
    /// What is to be said about its file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

#[cfg(test)]
impl Recording {
    /// A recording without samples, for what only looks at its length.
    pub(crate) fn for_test(entry: usize, path: &str, frames: u64) -> Self {
        let path = PathBuf::from(path);
        let (start, source_rate, channels, remarks) = (0, 1, 1, Vec::new());
        Self { entry, path, start, frames, min: -1.0, max: 1.0, source_rate, channels, remarks }
    }
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Where it is, from the data set's folder.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Skipped {
    pub(super) fn as_error(&self) -> Error {
        anyhow!(
            "cannot read {}: {}; repair or remove it, or allow damaged files to be skipped",
            self.path.display(),
            self.reason
        )
    }
}

/// Names that are not Unicode cannot be kept in JSON; here they are only for people.
fn readable<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {
    version: u32,
    rate: u32,
    pub(super) recordings: Vec<Recording>,
    pub(super) skipped: Vec<Skipped>,
}

impl Index {
    pub(super) fn new(rate: u32, recordings: Vec<Recording>, skipped: Vec<Skipped>) -> Self {
        Self { version: VERSION, rate, recordings, skipped }
    }

    /// Reads the index in `folder` and checks that it can be that of `listing`.
    pub(super) fn read(folder: &Path, listing: &Listing, rate: u32) -> Result<Self> {
        let mut index: Self = serde_json::from_slice(&fs::read(folder.join(INDEX))?)?;
        ensure!(index.version == VERSION && index.rate == rate, "another version or rate");
        ensure!(!index.recordings.is_empty(), "no recordings");
        let total = index.frames();
        for recording in &mut index.recordings {
            let entry = listing.entries.get(recording.entry).context("an unknown entry")?;
            recording.path.clone_from(&entry.path);
            let end = recording.start.checked_add(recording.frames);
            ensure!(end.is_some_and(|end| end <= total), "a recording beyond the end");
        }
        Ok(index)
    }

    /// Samples of all recordings.
    pub(super) fn frames(&self) -> u64 {
        self.recordings.iter().fold(0, |sum, recording| sum.saturating_add(recording.frames))
    }
}

/// A name for what comes of these sources at this rate.
pub(super) fn key(listing: &Listing, rate: u32) -> Result<String> {
    let dir = fs::canonicalize(&listing.dir)
        .with_context(|| format!("cannot open the data folder {}", listing.dir.display()))?;
    let stamps: Vec<_> =
        listing.entries.par_iter().map(|entry| stamp(&dir.join(&entry.path))).collect();
    let mut hash = Sha256::new();
    hash.update(VERSION.to_le_bytes());
    hash.update(rate.to_le_bytes());
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(dir.as_os_str().as_encoded_bytes());
    for (entry, stamp) in listing.entries.iter().zip(stamps) {
        add(entry.path.as_os_str().as_encoded_bytes());
        add(stamp.as_bytes());
    }
    let digest = hash.finalize();
    let mut key = String::new();
    for byte in &digest[..16] {
        let _ = write!(key, "{byte:02x}");
    }
    Ok(key)
}

/// What changes when a file does. Opened, not only looked at: a file becomes readable without
/// becoming newer.
fn stamp(path: &Path) -> String {
    let look = || -> std::io::Result<String> {
        let found = File::open(path)?.metadata()?;
        let time = found.modified()?;
        // Before 1970, the difference is negative.
        let time = time.duration_since(UNIX_EPOCH).map_err(|error| error.duration());
        Ok(format!("{} {time:?}", found.len()))
    };
    look().unwrap_or_else(|error| error.kind().to_string())
}

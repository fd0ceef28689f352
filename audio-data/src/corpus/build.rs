//! Decoding and resampling all files of a listing into one.
//!
//! How long a file is shows only when it has been decoded, so each is decoded into a piece of its
//! own, in memory while it is small and on disk beyond, and then appended to the file of all. Of
//! files that are large, those in work take their space on the disk twice for that time.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Error, Result, anyhow, ensure};
use program::files;
use rayon::prelude::*;
use tempfile::{SpooledTempFile, TempDir};

use super::index::{INDEX, Index, Recording, SAMPLES, Skipped};
use super::none_readable;
use crate::layout::Listing;
use crate::read::Reader;
use dsp::resample::Resampler;

/// Starts the names of folders in which a corpus is being built.
const BUILDING: &str = ".building-";

/// The folder inside that gets the corpus's name in the end. The outer one is private.
const INNER: &str = "corpus";

/// Bytes of a decoded file that stay in memory, for each thread.
const IN_MEMORY: usize = 4 << 20;

/// A corpus that is complete but not under its name yet.
pub(super) struct Built {
    temporary: TempDir,
    cache: PathBuf,
}

/// Why a file becomes no recording.
enum Stop {
    /// The file's fault.
    Damaged(Error),
    /// The cache cannot be written.
    Disk(io::Error),
    Cancelled,
}

/// Builds a corpus beside its place; `None` where that was cancelled.
pub(super) fn build(
    listing: &Listing,
    rate: u32,
    cache: &Path,
    strict: bool,
    progress: &(dyn Fn(usize, usize) + Sync),
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Built>> {
    let disk = files::cannot("write the audio cache in", cache);
    fs::create_dir_all(cache).map_err(&disk)?;
    remove_abandoned(cache);
    let temporary = tempfile::Builder::new().prefix(BUILDING).tempdir_in(cache).map_err(&disk)?;
    let folder = temporary.path().join(INNER);
    fs::create_dir(&folder).map_err(&disk)?;
    let all = Mutex::new(Appended {
        file: File::create(folder.join(SAMPLES)).map_err(&disk)?,
        frames: 0,
    });

    let total = listing.entries.len();
    let done = AtomicUsize::new(0);
    let outcomes: Result<Vec<_>, Stop> = (0..total)
        .into_par_iter()
        // Files can be hours long, so that each is worth a task.
        .with_max_len(1)
        .map(|entry| {
            let path = &listing.entries[entry].path;
            let mut piece = tempfile::spooled_tempfile_in(IN_MEMORY, temporary.path());
            let decoded =
                decode(&listing.dir.join(path), rate, &mut piece, cancelled).and_then(|decoded| {
                    let mut all = all.lock().expect("no thread panics while it appends");
                    let start = all.append(&mut piece).map_err(Stop::Disk)?;
                    Ok(Recording { entry, path: path.clone(), start, ..decoded })
                });
            let outcome = match decoded {
                Ok(recording) => Ok(recording),
                Err(Stop::Damaged(error)) => {
                    let skipped = Skipped { path: path.clone(), reason: reason(&error) };
                    if strict {
                        return Err(Stop::Damaged(skipped.as_error()));
                    }
                    Err(skipped)
                }
                Err(stop) => return Err(stop),
            };
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(outcome)
        })
        .collect();
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(Stop::Cancelled) => return Ok(None),
        Err(Stop::Damaged(error)) => return Err(error),
        Err(Stop::Disk(error)) => return Err(disk(error)),
    };

    let (recordings, skipped) = divide(outcomes);
    if let (true, Some(first)) = (recordings.is_empty(), skipped.first()) {
        return Err(none_readable(listing, anyhow!("{}: {}", first.path.display(), first.reason)));
    }
    ensure!(!recordings.is_empty(), "no audio files in {}", listing.dir.display());
    let all = all.into_inner().expect("no thread panics while it appends");
    let index = serde_json::to_vec_pretty(&Index::new(rate, recordings, skipped))?;
    all.file.sync_all().map_err(&disk)?;
    files::write_synced(&folder.join(INDEX), &index)?;
    Ok(Some(Built { temporary, cache: cache.to_owned() }))
}

/// The cause alone: what names the file comes first.
fn reason(error: &Error) -> String {
    let messages: Vec<_> = error.chain().map(ToString::to_string).collect();
    match &messages[..] {
        [_, causes @ ..] if !causes.is_empty() => causes.join(": "),
        _ => messages.join(": "),
    }
}

fn divide(outcomes: Vec<Result<Recording, Skipped>>) -> (Vec<Recording>, Vec<Skipped>) {
    let (mut recordings, mut skipped) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(recording) => recordings.push(recording),
            Err(file) => skipped.push(file),
        }
    }
    (recordings, skipped)
}

/// The file of all samples, as far as it is.
struct Appended {
    file: File,
    frames: u64,
}

impl Appended {
    /// Appends a piece; says where it starts.
    fn append(&mut self, piece: &mut SpooledTempFile) -> io::Result<u64> {
        piece.rewind()?;
        let start = self.frames;
        self.frames += io::copy(piece, &mut self.file)? / 4;
        Ok(start)
    }
}

/// Writes the samples of one file to `piece`. Entry, path and start are still to be filled in.
fn decode(
    path: &Path,
    rate: u32,
    piece: &mut SpooledTempFile,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Recording, Stop> {
    let mut reader = Reader::open(path).map_err(Stop::Damaged)?;
    let (source_rate, channels) = (reader.format().rate, reader.format().channels);
    let mut resampler = Resampler::new(source_rate, rate).map_err(Stop::Damaged)?;
    let mut resampled = Vec::new();
    let mut bytes = Vec::new();
    let (mut frames, mut min, mut max) = (0, f32::INFINITY, f32::NEG_INFINITY);
    let mut write = |samples: &[f32]| {
        bytes.clear();
        for &sample in samples {
            (min, max) = (min.min(sample), max.max(sample));
            bytes.extend_from_slice(&sample.to_le_bytes());
        }
        frames += samples.len() as u64;
        piece.write_all(&bytes).map_err(Stop::Disk)
    };
    loop {
        if cancelled() {
            return Err(Stop::Cancelled);
        }
        resampled.clear();
        let block = reader.next_block().map_err(Stop::Damaged)?;
        let ended = block.is_none();
        match block {
            Some(block) => resampler.push(block, &mut resampled),
            None => resampler.finish(&mut resampled),
        }
        .map_err(Stop::Damaged)?;
        write(&resampled)?;
        if ended {
            break;
        }
    }
    if frames == 0 {
        return Err(Stop::Damaged(anyhow!("it is too short for a single sample at {rate} Hz")));
    }
    let (entry, path, start) = (0, PathBuf::new(), 0);
    let remarks = reader.remarks().iter().map(ToString::to_string).collect();
    Ok(Recording { entry, path, start, frames, min, max, source_rate, channels, remarks })
}

impl Built {
    /// Moves the corpus to its place, or drops it where another process has put one there.
    pub(super) fn install(self, folder: &Path) -> Result<()> {
        match files::rename(&self.temporary.path().join(INNER), folder) {
            Err(error) if !folder.join(INDEX).is_file() => {
                Err(files::cannot("write the audio cache in", &self.cache)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Removes a damaged corpus: first from its name, so that no other process takes it.
pub(super) fn discard(folder: &Path) -> Result<()> {
    let cache = folder.parent().unwrap_or(Path::new("."));
    let discard = || -> io::Result<()> {
        let temporary = tempfile::Builder::new().prefix(BUILDING).tempdir_in(cache)?;
        match fs::rename(folder, temporary.path().join(INNER)) {
            // Another process removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    };
    discard().map_err(files::cannot("write the audio cache in", cache))
}

/// Removes what killed processes left: a living one writes more than once a day.
fn remove_abandoned(cache: &Path) {
    const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(BUILDING) {
            continue;
        }
        let samples = entry.path().join(INNER).join(SAMPLES);
        let last = modified(&samples).or_else(|_| modified(&entry.path()));
        let age = last.map(|last| SystemTime::now().duration_since(last).unwrap_or_default());
        if age.is_ok_and(|age| age > A_DAY) {
            // It costs only space; the next one may have more luck.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

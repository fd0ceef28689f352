//! A gzipped tar archive made a folder: all of it or nothing, and nothing outside.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Error, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use program::{files, interrupt};
use tar::{Archive, Entry, EntryType};

use super::download::Outcome;

/// Unpacks `file` to `dir/folder`. A `bare` archive holds the content of that folder, others the
/// folder itself. `on_bytes` is called with how many bytes
/// of how many of `file` are read.
///
/// Everything is unpacked beside it and takes its name at the end.
///
/// # Errors
/// If the archive is damaged, cut off or not what it should be; if it holds anything but files and
/// folders, or a path that leads out of it; if the disk takes no more. Nothing is left then.
pub fn tar_gz(
    file: &Path,
    dir: &Path,
    folder: &str,
    bare: bool,
    on_bytes: &mut dyn FnMut((u64, u64)),
) -> Result<Outcome> {
    let aside = dir.join(format!(".{folder}.unpacking"));
    // What a killed process left.
    files::remove(&aside)?;
    let result = unpack(file, &aside, on_bytes).and_then(|outcome| {
        if outcome == Outcome::Complete {
            let unpacked = if bare { aside.clone() } else { aside.join(folder) };
            ensure!(
                unpacked.is_dir(),
                "{} does not hold the folder {folder}, but {}: it is another archive",
                file.display(),
                names_in(&aside)
            );
            let target = dir.join(folder);
            files::rename(&unpacked, &target).map_err(files::cannot("write", &target))?;
        }
        Ok(outcome)
    });
    files::remove(&aside)?;
    result
}

fn unpack(file: &Path, aside: &Path, on_bytes: &mut dyn FnMut((u64, u64))) -> Result<Outcome> {
    let unreadable = || format!("cannot read {}", file.display());
    let opened = File::open(file).with_context(unreadable)?;
    let size = opened.metadata().with_context(unreadable)?.len();
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: opened, read: read.clone() };
    let mut archive = Archive::new(MultiGzDecoder::new(BufReader::new(counted)));
    let damaged = |error: io::Error| {
        Error::new(error).context(format!(
            "{} is damaged, cut off, or no .tar.gz archive; delete it and fetch it again",
            file.display()
        ))
    };
    files::create_folder(aside)?;
    let mut buffer = vec![0; 1 << 16];
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let Some(path) = destination(&entry, aside)
            .with_context(|| format!("{} is not to be trusted", file.display()))?
        else {
            continue;
        };
        if entry.header().entry_type().is_dir() {
            files::create_folder(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            files::create_folder(parent)?;
        }
        let missing = entry.size();
        let unwritable = files::cannot_write(&path, missing);
        let mut target = File::create(&path).map_err(&unwritable)?;
        loop {
            if interrupt::requested() {
                return Ok(Outcome::Interrupted);
            }
            on_bytes((read.load(Ordering::Relaxed), size));
            match entry.read(&mut buffer).map_err(damaged)? {
                0 => break,
                count => target.write_all(&buffer[..count]).map_err(&unwritable)?,
            }
        }
    }
    // To the end, so that the checksum that closes the gzip stream is looked at.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(Outcome::Complete)
}

/// Where `entry` goes below `root`; none for entries that are no files.
fn destination<R: Read>(entry: &Entry<'_, R>, root: &Path) -> Result<Option<PathBuf>> {
    let path = entry.path().context("an entry has no valid name")?;
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
        EntryType::XGlobalHeader => return Ok(None), // git's archives begin with one
        other => bail!("{} is neither file nor folder but {other:?}", path.display()),
    }
    let mut inside = root.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            _ => bail!("the path {} leads out of the archive", path.display()),
        }
    }
    Ok(Some(inside))
}

/// A few names, for a message.
fn names_in(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<String> =
        entries.take(5).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Counts what is read.
struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

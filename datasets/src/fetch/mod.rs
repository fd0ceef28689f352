//! Fetching the official archives of a task: on request only, never behind anyone's back.
//!
//! Tasks name their archives ([`Archive`]); [`download`] brings one file, and goes on where it
//! stopped; [`checksum`] compares it with the published checksum; [`unpack`] makes a folder of it. A
//! file is at its final name only once it is complete, and so is a folder.
//!
//! The addresses are those that the data sets' authors, or TensorFlow's and PyTorch's libraries,
//! name. They have not been tested; the mechanism is, against a server of its own. Where one has
//! moved, `--mirror` names another.

mod archive;
pub mod checksum;
pub mod download;
mod progress;
pub mod unpack;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use indicatif::HumanBytes;
use program::files::{self, Lock};
use program::output::note;

pub use archive::{Archive, Packing};
use checksum::Checksum;
use download::Outcome;
use progress::Display;

/// What a fetch is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Folder to fetch into; made if it is not there.
    pub dir: &'a Path,
    /// Address of a folder that has the files, in place of the official addresses.
    pub mirror: Option<&'a str>,
    /// Whether to show a bar, where there is a terminal.
    pub progress: bool,
}

/// Brings `archive` into the folder, unless it is there.
///
/// An interrupted or broken transfer leaves `FILE.part`, from which the next call goes on. The
/// archive itself, brought by hand, is used instead of fetching it, and kept.
///
/// # Errors
/// If it cannot be fetched, is another file than the published one, or cannot be unpacked.
pub fn fetch(archive: &Archive, request: Request<'_>) -> Result<Outcome> {
    let dir = request.dir;
    if let Packing::TarGz { folder, .. } = archive.packing
        && dir.join(folder).exists()
    {
        note(format_args!("{} is there already", dir.join(folder).display()));
        return Ok(Outcome::Complete);
    }
    let place = match archive.packing {
        Packing::Plain { folder } => dir.join(folder),
        Packing::TarGz { .. } => dir.to_owned(),
    };
    files::create_folder(&place)?;
    let lock = Lock::take(&place)?;
    let fetched = fetch_into(&place, archive, request);
    drop(lock);
    if fetched.is_err() {
        // Only where it is empty.
        let _ = fs::remove_dir(&place);
    }
    fetched
}

/// [`fetch`] into a folder that is there, and this process's.
fn fetch_into(place: &Path, archive: &Archive, request: Request<'_>) -> Result<Outcome> {
    let Request { dir, mirror, progress } = request;
    let file = place.join(archive.file);
    let mut display = Display::new(archive.file, progress);
    let by_hand = file.exists();
    if by_hand {
        note(format_args!("{} is there already", file.display()));
        ensure!(
            is_official(archive, &file, &mut display)?,
            "{} is not the official file ({}); move it away, so that it is fetched",
            file.display(),
            what_is_known(archive)
        );
    } else {
        let url = address(archive, mirror)?;
        let part = place.join(format!("{}.part", archive.file));
        note(format_args!("fetching {url}"));
        if download::download(&url, &part, archive.size, &mut |at| display.bytes(at))?
            == Outcome::Interrupted
        {
            return Ok(Outcome::Interrupted);
        }
        if !is_official(archive, &part, &mut display)? {
            files::remove(&part)?;
            bail!(
                "what came from {url} is not the official file ({}): it was damaged on its way, or \
                 another file is there now. It was removed; try again, or name another copy with \
                 --mirror URL",
                what_is_known(archive)
            );
        }
        files::rename(&part, &file).map_err(files::cannot("write", &file))?;
    }
    display.line(&format!("{}: {}", archive.file, what_was_checked(archive)));
    let Packing::TarGz { folder, bare } = archive.packing else { return Ok(Outcome::Complete) };
    let mut on_bytes = |read| display.unpacking(read);
    if unpack::tar_gz(&file, dir, folder, bare, &mut on_bytes)? == Outcome::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    if !by_hand {
        files::remove(&file)?;
    }
    Ok(Outcome::Complete)
}

/// Where `archive` is fetched from.
fn address(archive: &Archive, mirror: Option<&str>) -> Result<String> {
    if let Some(mirror) = mirror {
        ensure!(
            mirror.starts_with("http://") || mirror.starts_with("https://"),
            "--mirror is {mirror}; expected the address of a folder, http://... or https://..."
        );
        return Ok(format!("{}/{}", mirror.trim_end_matches('/'), archive.file));
    }
    let file = if archive.url.ends_with('/') { archive.file } else { "" };
    Ok(format!("{}{file}", archive.url))
}

/// Whether size and checksum of `file` are the published ones, as far as any are.
fn is_official(archive: &Archive, file: &Path, display: &mut Display) -> Result<bool> {
    let size = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    if archive.size.is_some_and(|published| published != size) {
        return Ok(false);
    }
    match &archive.checksum {
        None => Ok(true),
        Some(checksum) => checksum.matches(file, &mut |done| display.checking(done, size)),
    }
}

fn what_is_known(archive: &Archive) -> String {
    let size = archive.size.map(|size| format!("{size} bytes"));
    let checksum = archive.checksum.as_ref().map(Checksum::to_string);
    let known: Vec<String> = size.into_iter().chain(checksum).collect();
    known.join(", ")
}

fn what_was_checked(archive: &Archive) -> String {
    match (&archive.checksum, archive.size) {
        (Some(checksum), _) => format!("as published ({})", checksum.name()),
        (None, Some(size)) => format!("{} as published; no checksum is", HumanBytes(size)),
        (None, None) => {
            "no size or checksum is published; complete by what the server said".to_owned()
        }
    }
}

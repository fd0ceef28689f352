//! Files that are either the old or the new version, never half of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow};
use indicatif::HumanBytes;

/// Marks a file that is still being written.
const PARTIAL: &str = ".partial";

/// Replaces `path` by a file of these bytes.
///
/// They are written to a file beside it and flushed to the disk before it takes the name, so that
/// neither a killed process nor a power cut leaves a damaged `path`.
///
/// # Errors
/// With path, cause and remedy. The previous `path` is untouched then, and nothing is left beside
/// it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, bytes.len() as u64, |file| file.write_all(bytes))
}

/// [`write()`] for what is too large to be had as one slice: `fill` writes about `size` bytes, a
/// figure that is only told where they do not fit.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    path: &Path,
    size: u64,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let folder = folder_of(path);
    let aside = aside(path);
    let written = File::create(&aside).and_then(|file| {
        let mut file = BufWriter::new(file);
        fill(&mut file)?;
        file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()
    });
    written.and_then(|()| fs::rename(&aside, path)).map_err(|error| {
        let _ = fs::remove_file(&aside);
        explain(&error, path, size)
    })?;
    // Makes the new name durable. Not every file system can, and the content is safe already.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Removes from `folder` what killed processes left half-written.
///
/// Call it only where no other process writes.
///
/// # Errors
/// If `folder` cannot be read.
pub fn remove_partial(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(PARTIAL) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The failure to write `needed` bytes to `path`, with what to do about it.
pub fn explain(error: &io::Error, path: &Path, needed: u64) -> Error {
    let folder = folder_of(path);
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => {
            let free = free_space(folder).unwrap_or(0);
            format!(
                "the disk is full: {} free, {} needed; make room or choose another folder",
                HumanBytes(free),
                HumanBytes(needed)
            )
        }
        io::ErrorKind::QuotaExceeded => {
            "your disk quota is used up; make room or choose another folder".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission to write in {}; choose another folder", folder.display())
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{} is read-only; choose another folder", folder.display())
        }
        io::ErrorKind::NotFound => format!("{} does not exist", folder.display()),
        io::ErrorKind::FileTooLarge => {
            format!("{} is more than a file may have here (ulimit -f)", HumanBytes(needed))
        }
        _ => error.to_string(),
    };
    anyhow!("cannot write {}: {remedy}", path.display())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The process id keeps two writers apart; the dot keeps globs away.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}{PARTIAL}", std::process::id()));
    path.with_file_name(name)
}

/// Bytes that this user may still write below `folder`.
#[cfg(unix)]
pub fn free_space(folder: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let folder = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `folder` is a C string, and `stat` is read only after the call filled it.
    let stat = unsafe {
        if libc::statvfs(folder.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    // The field widths differ between platforms.
    #[allow(clippy::unnecessary_cast)]
    Some(stat.f_bavail as u64 * stat.f_frsize as u64)
}

#[cfg(not(unix))]
pub fn free_space(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect()
    }

    #[test]
    fn replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failure_leaves_the_old_content_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file: the rename fails after all was written.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let message = write(&path, b"new").unwrap_err().to_string();
        assert!(message.contains("taken"), "{message}");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = write(&folder.path().join("no/a.bin"), b"").unwrap_err().to_string();
        assert!(message.contains("/no does not exist"), "{message}");
    }

    #[test]
    fn a_full_disk_says_how_much_is_free_and_needed() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let message = explain(&full, Path::new("/tmp/x"), 3 << 20).to_string();
        assert!(message.contains(" free, 3.00 MiB needed"), "{message}");
    }

    #[test]
    fn partial_files_of_killed_processes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"one").unwrap();
        fs::write(aside(&path), b"half").unwrap();
        remove_partial(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["a.bin"]);
    }
}

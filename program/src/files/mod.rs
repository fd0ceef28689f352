//! Files that are either the old or the new version, never half of one, and messages for people
//! where the system refuses.

mod cache;
mod failure;
mod lock;
mod walk;

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufWriter, ErrorKind, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

pub use cache::{caches, user_cache, writable_cache};
pub use failure::{cannot, cannot_write};
pub use lock::Lock;
pub use walk::{Walk, names_in, walk};

/// Folder that generated and decoded data are kept in, unless a setting names another.
pub const CACHE: &str = "data/cache";

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
/// figure for the message where they do not fit.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    path: &Path,
    size: u64,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let aside = aside(path);
    let written = File::create(&aside).and_then(|file| {
        let mut file = BufWriter::new(file);
        fill(&mut file)?;
        file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()
    });
    written.and_then(|()| rename(&aside, path)).map_err(|error| {
        // The first error is the one to report.
        let _ = fs::remove_file(&aside);
        cannot_write(path, size)(error)
    })
}

/// Writes a new file and waits until it is on the disk: for a folder that is filled under another
/// name and renamed as a whole.
///
/// # Errors
/// With path, cause and remedy.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(cannot_write(path, bytes.len() as u64))
}

/// Gives a complete file or folder its name, durably where the file system can.
///
/// # Errors
/// As [`fs::rename`].
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    // Not every file system can sync a folder, and the content is safe already.
    let _ = File::open(folder_of(to)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Makes a folder and those it lies in.
///
/// # Errors
/// With path, cause and remedy.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(cannot("make the folder", path))
}

/// Makes sure that a file could be called `path`, as far as its folder and other files tell.
///
/// # Errors
/// With path, cause and remedy.
pub fn check_writable(path: &Path) -> Result<()> {
    let because = |kind: ErrorKind| cannot("write", path)(kind.into());
    ensure!(!path.is_dir(), because(ErrorKind::IsADirectory));
    ensure!(folder_of(path).is_dir(), because(ErrorKind::NotFound));
    Ok(())
}

/// Removes a file, or a folder with all that is in it, if there is one.
///
/// # Errors
/// With path, cause and remedy.
pub fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot("remove", path)(error)),
        _ => Ok(()),
    }
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

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The name under which a file is written before it takes the name `path`.
///
/// Another one at each call, which keeps writers apart, in other containers as well; the dot keeps
/// globs away. It is short, whatever `path` is called.
pub fn aside(path: &Path) -> PathBuf {
    // Seeded by the system.
    let random = RandomState::new().build_hasher().finish();
    path.with_file_name(format!(".{random:016x}{PARTIAL}"))
}

/// Bytes that this user may still write below `folder`.
pub fn free_space(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    // The types differ between platforms.
    #[allow(clippy::unnecessary_cast)]
    Some(disk.blocks_available() as u64 * disk.fragment_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
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
    fn names_may_be_as_long_as_the_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a".repeat(255)), b"").unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = write(&folder.path().join("no/a.bin"), b"").unwrap_err().to_string();
        assert!(message.contains("/no does not exist"), "{message}");
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn writing_to_a_full_disk_fails_with_a_remedy() {
        let error = write_synced(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(error.contains("the disk is full: ") && error.contains("make room"), "{error}");
    }

    #[test]
    fn files_and_folders_are_removed_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, inner) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "").unwrap();
        create_folder(&inner.join("c")).unwrap();
        for path in [&file, &inner, &inner] {
            remove(path).unwrap();
            assert!(!path.exists());
        }
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

//! What `program::files` does not: files of a batch that are renamed together, and errors of
//! reading that say what to do.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

/// Turns a system error into one that names the file and says what can be done.
pub(super) fn explain(error: io::Error, doing: &str, path: &Path) -> Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk or your quota is full: free some space or choose a folder on another disk"
        }
        ErrorKind::PermissionDenied => {
            "you may not do that there: change the folder's permissions or choose another one"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only: choose a folder on another one"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file is where a folder is needed: move it away or choose another folder"
        }
        ErrorKind::NotFound => "the folder or file does not exist: check the path",
        _ => "check that the disk is connected and in order, then try again",
    };
    Error::new(error).context(format!("cannot {doing} {}: {remedy}", path.display()))
}

/// Creates a folder and those it lies in.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| explain(e, "create the folder", path))
}

/// The name under which a file is written before it is renamed to `path`.
pub(super) fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial-{}", std::process::id()))
}

/// Writes a file and waits until it is on the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| explain(e, "write", path))
}

/// Makes a rename last: waits until the folder that holds `path` is on the disk.
pub(super) fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file has no folder")?;
    // Some file systems cannot sync folders, and say so; the rename stands nevertheless.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_explained() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let message = format!("{:#}", explain(full, "write", Path::new("/data/x.png")));
        assert!(message.contains("/data/x.png") && message.contains("free some space"));
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn writing_to_a_full_disk_fails_with_a_remedy() {
        let error = write_synced(Path::new("/dev/full"), b"x").unwrap_err();
        assert!(format!("{error:#}").contains("free some space"), "{error:#}");
    }
}

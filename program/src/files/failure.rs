//! Errors of the system in words: what could not be done to which file, why, and the remedy.

use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Error, anyhow};
use indicatif::HumanBytes;

use super::{folder_of, free_space};

/// `cannot("read", path)` makes an error of the system one for people:
/// "cannot read data/a.png: it does not exist; check the path".
pub fn cannot(doing: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| in_words(&error, doing, path, None)
}

/// [`cannot`] write `needed` bytes, which the message names where they do not fit.
pub fn cannot_write(path: &Path, needed: u64) -> impl Fn(io::Error) -> Error {
    move |error| in_words(&error, "write", path, Some(needed))
}

fn in_words(error: &io::Error, doing: &str, path: &Path, needed: Option<u64>) -> Error {
    let folder = folder_of(path);
    let remedy = match error.kind() {
        ErrorKind::StorageFull => {
            let free = HumanBytes(free_space(folder).unwrap_or(0));
            let needed = needed.map_or_else(String::new, |n| format!(", {} needed", HumanBytes(n)));
            format!("the disk is full: {free} free{needed}; make room or choose another folder")
        }
        ErrorKind::QuotaExceeded => {
            "your disk quota is used up; make room or choose another folder".to_owned()
        }
        ErrorKind::PermissionDenied => {
            "no permission; change that of the file or its folder, or choose another".to_owned()
        }
        ErrorKind::ReadOnlyFilesystem => {
            format!("{} is read-only; choose another folder", folder.display())
        }
        ErrorKind::NotFound if !folder.exists() => {
            format!("{} does not exist; make it, or check the path", folder.display())
        }
        ErrorKind::NotFound => "it does not exist; check the path".to_owned(),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file is where a folder is needed; move it away or choose another folder".to_owned()
        }
        ErrorKind::IsADirectory => {
            "a folder has that name; choose another name or remove it".to_owned()
        }
        ErrorKind::FileTooLarge => {
            let size = needed.map_or_else(|| "it".to_owned(), |n| HumanBytes(n).to_string());
            format!("{size} is more than a file may have here (ulimit -f)")
        }
        _ => error.to_string(),
    };
    anyhow!("cannot {doing} {}: {remedy}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_how_much_is_free_and_needed() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let message = cannot_write(Path::new("/tmp/x"), 3 << 20)(full()).to_string();
        assert!(message.contains(" free, 3.00 MiB needed; make room"), "{message}");
        let message = cannot("grow", Path::new("/tmp/x"))(full()).to_string();
        assert!(message.starts_with("cannot grow /tmp/x: the disk is full: "), "{message}");
        assert!(message.ends_with(" free; make room or choose another folder"), "{message}");
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        let missing = || io::Error::from(ErrorKind::NotFound);
        let folder = tempfile::tempdir().unwrap();
        let message = cannot("read", &folder.path().join("a"))(missing()).to_string();
        assert!(message.ends_with("a: it does not exist; check the path"), "{message}");
        let message = cannot("read", &folder.path().join("no/a"))(missing()).to_string();
        assert!(message.contains("/no does not exist; make it"), "{message}");
    }
}

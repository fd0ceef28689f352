//! Where data is kept that can be made again.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::Result;

use super::{aside, cannot};
use crate::output::note;

/// Where the cache `folder` may be: itself, and a folder of the user's for where it cannot be
/// written. What is in either may be read.
pub fn caches(folder: &Path) -> Vec<PathBuf> {
    [Some(folder.to_owned()), twin(folder)].into_iter().flatten().collect()
}

/// The cache `folder`, which is made, or where nothing may be written there, one of the user's, which
/// is said. What else is wrong with it shows where it is written.
///
/// # Errors
/// If neither may be written.
pub fn writable_cache(folder: &Path) -> Result<PathBuf> {
    static TOLD: Once = Once::new();
    let Err(error) = try_write(folder) else { return Ok(folder.to_owned()) };
    if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
        return Ok(folder.to_owned());
    }
    let error = cannot("write the cache", folder)(error);
    match twin(folder) {
        Some(own) if try_write(&own).is_ok() => {
            TOLD.call_once(|| note(format_args!("{error:#}; {} is used instead", own.display())));
            Ok(own)
        }
        _ => Err(error.context("--cache DIR names another folder for what is kept of the data")),
    }
}

/// The user's twin of the cache `folder`.
fn twin(folder: &Path) -> Option<PathBuf> {
    Some(user_cache("data")?.join(folder.file_name()?))
}

/// Where the user's own caches are: `${XDG_CACHE_HOME:-~/.cache}/s4/` and `name`.
pub fn user_cache(name: &str) -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("s4").join(name))
}

/// Whether files can be made in `folder`, which is made if it is not there.
fn try_write(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = aside(&folder.join("probe"));
    File::create(&probe)?;
    // Empty, and told apart by its name: one that stays does no harm.
    let _ = fs::remove_file(&probe);
    Ok(())
}

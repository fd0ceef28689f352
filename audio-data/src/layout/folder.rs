//! Any folder: all audio files in it and in what it holds.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Entry, Layout, names_in};
use crate::read::is_audio_name;

pub(super) const LAYOUT: Layout = Layout {
    name: "folder",
    about: "any folder: all audio files in it and its subfolders",
    rate: None,
    recognises: |_| true,
    list,
};

/// Every file once, under its own path where that is below `dir`: links are followed last, and only
/// to what has not been seen. So a link back up the tree ends, and no recording is in two parts.
fn list(dir: &Path) -> Result<Vec<Entry>> {
    let full = fs::canonicalize(dir)
        .with_context(|| format!("cannot open the data folder {}", dir.display()))?;
    let mut seen = HashSet::from([full.clone()]);
    let mut entries = Vec::new();
    let mut links = Vec::new();
    // Folders to do: path from `dir`, and the real one.
    let mut folders = vec![(PathBuf::new(), full)];
    loop {
        while let Some((path, full)) = folders.pop() {
            for name in names_in(&full)? {
                let (path, full) = (path.join(&name), full.join(&name));
                match fs::symlink_metadata(&full) {
                    Ok(found) if found.is_symlink() => links.push(path),
                    Ok(found) if found.is_dir() && seen.insert(full.clone()) => {
                        folders.push((path, full));
                    }
                    Ok(found) if found.is_file() && is_audio_name(&path) && seen.insert(full) => {
                        entries.push(Entry::new(path));
                    }
                    _ => {}
                }
            }
        }
        // Sorted, so that of two links to one file the same one counts every time.
        links.sort_by(|a, b| b.cmp(a));
        let Some(path) = links.pop() else {
            return Ok(entries);
        };
        // A link to nowhere is passed over.
        if let Ok(full) = fs::canonicalize(dir.join(&path))
            && (full.is_dir() || is_audio_name(&path) && full.is_file())
            && seen.insert(full.clone())
        {
            if full.is_dir() {
                folders.push((path, full));
            } else {
                entries.push(Entry::new(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of};
    use super::*;

    fn paths(dir: &Path) -> Vec<String> {
        let entries = detect(dir).unwrap().entries;
        entries.iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect()
    }

    const FILES: [&str; 6] =
        ["b.wav", "a/deep/c.FLAC", "a/d.mp3", "notes.txt", ".hidden.wav", ".git/e.wav"];

    #[test]
    fn audio_files_are_found_at_any_depth() {
        let (_temporary, dir) = folder_of("clips", &FILES);
        assert_eq!(paths(&dir), ["a/d.mp3", "a/deep/c.FLAC", "b.wav"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_what_is_new() {
        use std::os::unix::fs::symlink;
        let (_temporary, dir) = folder_of("clips", &FILES);
        let (_other, elsewhere) = folder_of("elsewhere", &["f.wav", "g.wav"]);
        symlink("..", dir.join("a/up")).unwrap();
        symlink("a", dir.join("0")).unwrap();
        symlink("b.wav", dir.join("0.wav")).unwrap();
        symlink("nowhere.wav", dir.join("1.wav")).unwrap();
        symlink("loop.wav", dir.join("loop.wav")).unwrap();
        symlink(elsewhere.join("g.wav"), dir.join("h.wav")).unwrap();
        symlink(&elsewhere, dir.join("z")).unwrap();
        symlink(&elsewhere, elsewhere.join("self")).unwrap();
        assert_eq!(paths(&dir), ["a/d.mp3", "a/deep/c.FLAC", "b.wav", "h.wav", "z/f.wav"]);
    }
}

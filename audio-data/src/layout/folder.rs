//! Any folder: all audio files in it and in what it holds.

use std::path::Path;

use anyhow::Result;
use program::files::walk;

use super::{Entry, Layout};
use crate::read::is_audio_name;

pub(super) const LAYOUT: Layout = Layout {
    name: "folder",
    about: "any folder: all audio files in it and its subfolders",
    rate: None,
    recognises: |_| true,
    list,
    others: &[],
};

fn list(dir: &Path) -> Result<Vec<Entry>> {
    let files = walk(dir)?.files.into_iter();
    Ok(files.filter(|path| is_audio_name(path)).map(Entry::new).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of};

    #[test]
    fn audio_files_are_found_at_any_depth_and_others_told() {
        let files = [
            "b.wav",
            "a/deep/c.FLAC",
            "a/d.mp3",
            "notes.txt",
            ".hidden.wav",
            ".git/e.wav",
            "README",
        ];
        let (_temporary, dir) = folder_of("clips", &files);
        let listing = detect(&dir).unwrap();
        let paths: Vec<_> =
            listing.entries.iter().map(|entry| entry.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a/d.mp3", "a/deep/c.FLAC", "b.wav"]);
        let lines: Vec<_> = listing.findings.lines().collect();
        let expected =
            ["left out: .txt files: 1 (notes.txt)", "left out: files without a suffix: 1 (README)"];
        assert_eq!(lines[..2], expected);
        assert!(lines[2].starts_with("left out: hidden files and folders: 2"), "{lines:?}");
    }
}

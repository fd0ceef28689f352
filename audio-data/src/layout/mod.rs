//! Data sets as they lie on disk, one file each, found in one table.
//!
//! To add one: a file in `layout/` and a line in [`LAYOUTS`].

mod beethoven;
mod clips_in_order;
mod folder;
mod fsdd;
mod sc09;
mod speech_commands;
mod youtubemix;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use program::files::{Walk, names_in, walk};
use program::findings::Findings;

use crate::part::Part;
use crate::read::is_audio_name;

/// A clip or recording of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, from the data set's folder.
    pub path: PathBuf,
    /// The part it is in by the data set's own rule, where it has one.
    pub split: Option<Part>,
    /// The label, such as the word that is spoken, where the data set has one.
    pub label: Option<String>,
    /// The speaker, where the data set names one.
    pub speaker: Option<String>,
}

impl Entry {
    /// An entry about which nothing else is known.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, split: None, label: None, speaker: None }
    }
}

/// What is in a folder.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The data set's folder.
    pub dir: PathBuf,
    /// What it is taken for.
    pub layout: &'static Layout,
    /// Its clips, sorted by path; at least one.
    pub entries: Vec<Entry>,
    /// What else is there.
    pub findings: Findings,
}

/// A way in which data sets lie on disk.
#[derive(Debug)]
pub struct Layout {
    /// Its name on the command line and in configs.
    pub name: &'static str,
    /// What it is, in half a line.
    pub about: &'static str,
    /// Its usual sampling rate in Hz, where it has one.
    pub rate: Option<u32>,
    /// Whether a folder looks like it.
    pub recognises: fn(&Path) -> bool,
    /// The clips of a folder, in any order.
    pub list: fn(&Path) -> Result<Vec<Entry>>,
    /// Files and folders directly in it that are known to be no clips.
    pub others: &'static [&'static str],
}

/// All layouts, in the order in which they are tried; the last takes every folder.
pub const LAYOUTS: &[Layout] = &[
    sc09::LAYOUT,
    speech_commands::LAYOUT,
    fsdd::LAYOUT,
    youtubemix::LAYOUT,
    beethoven::LAYOUT,
    folder::LAYOUT,
];

/// Lists a folder, which is recognised by its content or name.
///
/// # Errors
/// If there is no such folder, if it has no audio files, or if its lists do not fit its files.
pub fn detect(dir: &Path) -> Result<Listing> {
    check_is_folder(dir)?;
    list(dir, recognise(dir).context("no layout takes this folder")?)
}

/// What a folder is taken for by its content or name, without listing it.
pub fn recognise(dir: &Path) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| (layout.recognises)(dir))
}

/// Lists a folder as the layout called `name`.
///
/// # Errors
/// If there is no such layout (the message has their names), and as [`detect`].
pub fn open(dir: &Path, name: &str) -> Result<Listing> {
    let Some(layout) = LAYOUTS.iter().find(|layout| layout.name == name) else {
        let names: Vec<_> = LAYOUTS.iter().map(|layout| layout.name).collect();
        bail!("there is no layout `{name}`; layouts: {}", names.join(", "));
    };
    check_is_folder(dir)?;
    list(dir, layout)
}

fn check_is_folder(dir: &Path) -> Result<()> {
    let found = fs::metadata(dir).with_context(|| {
        format!("cannot open the data folder {}; check the path", dir.display())
    })?;
    ensure!(found.is_dir(), "{} is a file; name the folder that it is in", dir.display());
    Ok(())
}

fn list(dir: &Path, layout: &'static Layout) -> Result<Listing> {
    let mut entries = (layout.list)(dir)?;
    ensure!(
        !entries.is_empty(),
        "no audio files in {}, taken for the layout `{}` ({}); give it .wav, .flac, .ogg or .mp3 \
         files, or choose another folder or layout{}",
        dir.display(),
        layout.name,
        layout.about,
        match others(dir, layout, &entries)?.left_out() {
            none if none.is_empty() => none,
            left_out => format!("; it has {left_out}"),
        }
    );
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let findings = others(dir, layout, &entries)?;
    Ok(Listing { dir: dir.to_owned(), layout, entries, findings })
}

/// What is in `dir` apart from the entries.
fn others(dir: &Path, layout: &Layout, entries: &[Entry]) -> Result<Findings> {
    let Walk { mut files, mut findings, .. } = walk(dir)?;
    files.sort();
    let taken: HashSet<_> = entries.iter().map(|entry| &*entry.path).collect();
    for path in files.iter().filter(|path| !taken.contains(&***path)) {
        let top = path.iter().next().unwrap_or_default();
        if layout.others.iter().any(|other| top == *other) {
            findings.pass_over("files of the data set that are no clips", path);
        } else if is_audio_name(path) {
            let kind = format!("audio files that are no clips of the layout `{}`", layout.name);
            findings.leave_out(kind, path);
        } else {
            findings.leave_out(kind_of(path), path);
        }
    }
    Ok(findings)
}

/// What files with the name of this one are called: ".gif files".
pub fn kind_of(path: &Path) -> String {
    match path.extension() {
        Some(suffix) => format!(".{} files", suffix.to_string_lossy().to_lowercase()),
        None => "files without a suffix".to_owned(),
    }
}

/// Names of the audio files that lie directly in `dir`, sorted.
fn audio_names_in(dir: &Path) -> Result<Vec<OsString>> {
    let mut names = names_in(dir)?;
    names.retain(|name| is_audio_name(Path::new(name)) && dir.join(name).is_file());
    Ok(names)
}

/// The name of a folder, also of `.`, in lower case.
fn folder_name(dir: &Path) -> String {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Creates empty files below a new folder called `name`, for tests.
#[cfg(test)]
fn folder_of(name: &str, files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join(name);
    fs::create_dir(&dir).unwrap();
    for file in files {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    (temporary, dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, layout) in LAYOUTS.iter().enumerate() {
            assert!(LAYOUTS[..i].iter().all(|other| other.name != layout.name));
        }
    }

    #[test]
    fn an_unknown_layout_is_answered_with_the_known_ones() {
        let (_temporary, dir) = folder_of("clips", &["a.wav"]);
        let error = open(&dir, "sc10").unwrap_err().to_string();
        assert!(error.contains("`sc10`") && error.contains("sc09, speech-commands"), "{error}");
    }

    #[test]
    fn what_is_no_folder_or_empty_is_said() {
        let (_temporary, dir) = folder_of("clips", &["notes.txt", ".hidden.wav"]);
        let error = format!("{:#}", detect(&dir).unwrap_err());
        assert!(error.contains("no audio files") && error.contains("`folder`"), "{error}");
        let error = format!("{:#}", detect(&dir.join("notes.txt")).unwrap_err());
        assert!(error.contains("is a file"), "{error}");
        let error = format!("{:#}", detect(&dir.join("absent")).unwrap_err());
        assert!(error.contains("check the path"), "{error}");
    }

    fn counts(listing: &Listing) -> (usize, usize, usize) {
        let of = |split| listing.entries.iter().filter(|e| e.split == Some(split)).count();
        (of(Part::Train), of(Part::Val), of(Part::Test))
    }

    #[test]
    #[ignore = "needs S4_DATA"]
    fn real_data_is_recognised_and_divided_as_its_authors_do() {
        let data = std::env::var_os("S4_DATA").map(PathBuf::from);
        let data = data.expect("S4_DATA names a folder of real data");
        for (folder, layout, expected) in [
            ("fsdd", "fsdd", (2000, 250, 250)),
            ("speech_commands_v0.01", "speech-commands", (144, 32, 34)),
            ("speech_commands_v0.02", "speech-commands", (900, 200, 200)),
            ("piano", "folder", (0, 0, 0)),
        ] {
            let listing = detect(&data.join(folder)).unwrap();
            assert_eq!(listing.layout.name, layout);
            assert_eq!(counts(&listing), expected, "{folder}");
        }
        let digits = open(&data.join("speech_commands_v0.01"), "sc09").unwrap();
        assert_eq!(digits.entries.len(), 70);
        let error = open(&data.join("speech_commands_v0.02"), "sc09").unwrap_err().to_string();
        assert!(error.contains("zero"), "{error}");
    }
}

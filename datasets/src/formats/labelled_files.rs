//! A folder of files at any depth: with one folder per class, `DIR/<class>/<file>`, or beside a table
//! of targets.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use audio_data::layout::kind_of;
use audio_data::part::Part;
use audio_data::read::is_audio_name;
use audio_data::split::Names;
use program::files::{Walk, walk};
use program::findings::Findings;
use program::names::composed;
use program::seed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::examples::pictures::is_picture_name;
use crate::examples::texts::is_text_name;
use crate::formats::array::is_array_name;

/// What files hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures: PNG or JPEG.
    #[strum(to_string = "PNG or JPEG")]
    Image,
    /// Text: txt.
    Text,
    /// Sequences of numbers: npy, npz, csv.
    Array,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        if is_audio_name(path) {
            Some(Kind::Audio)
        } else if is_picture_name(path) {
            Some(Kind::Image)
        } else if is_text_name(path) {
            Some(Kind::Text)
        } else if is_array_name(path) {
            Some(Kind::Array)
        } else {
            None
        }
    }
}

/// 80% of all files to train on, 10% to validate, 10% to test.
pub const BORDERS: [f64; 2] = [0.8, 0.9];

/// Stands for the class of files that have none.
pub const ALL: &str = "all";

/// A file with its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledFile {
    /// Where it is, from the folder of all.
    pub path: PathBuf,
    /// Name of the folder that it is in, in normal form (NFC); [`ALL`] where there are no classes.
    pub class: String,
}

impl LabelledFile {
    /// The part that it is in, by a hash of `seed` and path: validation and test begin at `borders`.
    /// Other files do not matter.
    pub fn part(&self, seed: u64, names: Names, borders: [f64; 2]) -> Part {
        let [val, test] = borders;
        match self.position(seed, names) {
            x if x < val => Part::Train,
            x if x < test => Part::Val,
            _ => Part::Test,
        }
    }

    /// Its hash, in [0, 1).
    pub fn position(&self, seed: u64, names: Names) -> f64 {
        seed::derive(seed, &names.of(&self.path), 0) as f64 / 2f64.powi(64)
    }
}

/// The files of a folder.
#[derive(Debug)]
pub struct Listed {
    /// What they hold.
    pub kind: Kind,
    /// Sorted by path.
    pub files: Vec<LabelledFile>,
    /// All classes, those without a file included.
    pub classes: BTreeSet<String>,
    /// What else is there.
    pub findings: Findings,
}

/// Lists the files of all classes, at any depth below the folder of each, or beside `targets`, a path
/// from `dir`, at any depth: those of the kind `wanted`, or of the one that there is. Notes such as
/// `readme.txt` beside files of another kind are none, and arrays that come with sounds or pictures are
/// left out.
///
/// # Errors
/// If the folder cannot be read, holds no files of a known kind, in folders where these are classes, or
/// files of several kinds of which none is wanted.
pub fn list(dir: &Path, wanted: Option<Kind>, targets: Option<&Path>) -> Result<Listed> {
    ensure!(
        dir.is_dir(),
        "there is no folder {}; name one with --data that has a folder for each class, or targets.csv",
        dir.display()
    );
    let Walk { mut files, folders, mut findings } = walk(dir)?;
    let top = folders.iter().filter(|folder| folder.iter().count() == 1);
    let classes = match targets {
        Some(_) => BTreeSet::from([ALL.to_owned()]),
        None => top.filter_map(|folder| folder.to_str().map(composed)).collect(),
    };
    files.retain(|path| Some(path.as_path()) != targets);
    files.sort();
    let mut by_kind: BTreeMap<Kind, Vec<LabelledFile>> = BTreeMap::new();
    for path in files {
        let mut folders = path.iter();
        if let (Some(_), Some(kind)) = (targets, Kind::of(&path)) {
            by_kind.entry(kind).or_default().push(LabelledFile { path, class: ALL.to_owned() });
            continue;
        }
        match (folders.next().map(OsStr::to_str), folders.next(), Kind::of(&path)) {
            // Where classes are kept, names are text.
            (Some(None), Some(_), Some(_)) => {
                findings.leave_out("files in classes whose names are not Unicode", path);
            }
            (Some(Some(class)), Some(_), Some(kind)) => {
                let class = composed(class);
                by_kind.entry(kind).or_default().push(LabelledFile { path, class });
            }
            (_, _, None) if targets.is_some() => findings.leave_out(kind_of(&path), path),
            (_, Some(_), None) => findings.leave_out(kind_of(&path), path),
            _ => findings.leave_out("files outside the folders of classes", path),
        }
    }
    let only_texts = by_kind.keys().eq([&Kind::Text]);
    if !only_texts
        && wanted != Some(Kind::Text)
        && let Some(texts) = by_kind.get_mut(&Kind::Text)
    {
        for note in texts.extract_if(.., |file| is_note(&file.path)) {
            findings.pass_over("notes", note.path);
        }
    }
    let comes_with = [Kind::Audio, Kind::Image].iter().any(|media| by_kind.contains_key(media));
    by_kind.retain(|kind, files| {
        let is_other = match wanted {
            Some(wanted) => wanted != *kind,
            None => *kind == Kind::Array && comes_with,
        };
        if is_other {
            files.drain(..).for_each(|file| findings.leave_out(kind_of(&file.path), file.path));
        }
        !files.is_empty()
    });
    let mut kinds = by_kind.into_iter();
    match (kinds.next(), kinds.next()) {
        (Some((kind, files)), None) => Ok(Listed { kind, files, classes, findings }),
        (Some((a, files_a)), Some((b, files_b))) => bail!(
            "{} has {} {a} files and {} {b} files; keep one kind in a folder, or say which is read \
             with --set data.kind=audio, image, text or array",
            dir.display(),
            files_a.len(),
            files_b.len()
        ),
        (None, _) if wanted.is_some() && !findings.left_out().is_empty() => bail!(
            "data.kind asks for {} files, as a run does that was trained on such: {} has none, found {}",
            wanted.map_or_else(String::new, |kind| kind.to_string()),
            dir.display(),
            findings.left_out()
        ),
        (None, _) => bail!(
            "no files {}: expected {}{}*.{{wav,flac,ogg,mp3,m4a,png,jpg,txt,npy,npz,csv}}{}{}",
            if targets.is_some() { "that may have targets" } else { "in folders of classes" },
            dir.display(),
            if targets.is_some() { "/**/" } else { "/<class>/" },
            if targets.is_some() { "" } else { ", or such files anywhere and targets.csv" },
            match findings.left_out() {
                none if none.is_empty() => none,
                left_out => format!(", found {left_out}"),
            }
        ),
    }
}

/// Whether a text is about files, by its name, rather than one of them.
fn is_note(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    ["readme", "license", "licence", "copying", "notice", "authors", "changelog", "citation"]
        .iter()
        .any(|note| stem == *note)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_classes_and_the_rest_is_told() {
        let folder = folder(&[
            "b/2.WAV",
            "b/1.flac",
            "a/x.mp3",
            "a/.y.wav",
            "a/n.md",
            "z.wav",
            "b/deep/3.M4A",
        ]);
        fs::create_dir(folder.path().join("c")).unwrap();
        let listed = list(folder.path(), None, None).unwrap();
        assert_eq!(listed.kind, Kind::Audio);
        let files = listed.files.iter();
        let found: Vec<_> = files.map(|file| (file.path.to_str().unwrap(), &*file.class)).collect();
        let expected =
            [("a/x.mp3", "a"), ("b/1.flac", "b"), ("b/2.WAV", "b"), ("b/deep/3.M4A", "b")];
        assert_eq!(found, expected);
        assert_eq!(Vec::from_iter(&listed.classes), ["a", "b", "c"]);
        let lines: Vec<_> = listed.findings.lines().collect();
        let expected = [
            "left out: .md files: 1 (a/n.md)",
            "left out: files outside the folders of classes: 1 (z.wav)",
            "left out: hidden files and folders: 1 (a/.y.wav)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn beside_targets_folders_are_folders() {
        let folder = folder(&["t.csv", "b.csv", "a/1.csv", "a/deep/2.csv", "a/n.md", "x.gif"]);
        let listed = list(folder.path(), None, Some(Path::new("t.csv"))).unwrap();
        let files = listed.files.iter();
        let found: Vec<_> = files.map(|file| (file.path.to_str().unwrap(), &*file.class)).collect();
        assert_eq!(found, [("a/1.csv", ALL), ("a/deep/2.csv", ALL), ("b.csv", ALL)]);
        assert_eq!(Vec::from_iter(&listed.classes), [ALL]);
        let lines: Vec<_> = listed.findings.lines().collect();
        assert_eq!(lines, ["left out: .gif files: 1 (x.gif)", "left out: .md files: 1 (a/n.md)"]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_said() {
        let error =
            |files: &[&str]| format!("{:#}", list(folder(files).path(), None, None).unwrap_err());
        let message = error(&["a/1.png", "b/1.JPG", "b/2.txt"]);
        assert!(message.contains("2 PNG or JPEG files and 1 text files"), "{message}");
        let message = error(&["a/1.gif", "1.wav"]);
        assert!(message.contains("<class>/*") && message.contains(".gif files: 1"), "{message}");
        let message = format!("{:#}", list(Path::new("/nowhere"), None, None).unwrap_err());
        assert!(message.contains("no folder /nowhere"), "{message}");
    }

    #[test]
    fn arrays_that_come_with_sounds_or_pictures_are_left_out() {
        let both = folder(&["a/1.png", "a/labels.csv", "b/1.png", "b/1.npy"]);
        let listed = list(both.path(), None, None).unwrap();
        assert_eq!((listed.kind, listed.files.len()), (Kind::Image, 2));
        let lines: Vec<_> = listed.findings.lines().collect();
        let expected =
            ["left out: .csv files: 1 (a/labels.csv)", "left out: .npy files: 1 (b/1.npy)"];
        assert_eq!(lines, expected);
        let arrays = folder(&["a/1.csv", "a/2.NPY", "b/1.npz", "b/readme.txt"]);
        let listed = list(arrays.path(), None, None).unwrap();
        assert_eq!((listed.kind, listed.files.len()), (Kind::Array, 3));
    }

    #[test]
    fn notes_are_no_data_beside_files_of_another_kind() {
        let notes = folder(&["a/1.png", "a/README.txt", "b/License.txt", "b/1.png"]);
        let listed = list(notes.path(), None, None).unwrap();
        assert_eq!((listed.kind, listed.files.len()), (Kind::Image, 2));
        let lines: Vec<_> = listed.findings.lines().collect();
        assert_eq!(lines, ["passed over: notes: 2 (a/README.txt, b/License.txt)"]);
        let texts = folder(&["a/1.txt", "a/README.txt"]);
        assert_eq!(list(texts.path(), None, None).unwrap().files.len(), 2);

        let both = folder(&["a/1.png", "a/1.txt", "a/readme.txt"]);
        let of = |kind| list(both.path(), Some(kind), None);
        let lines = |kind| of(kind).unwrap().findings.lines().collect::<Vec<_>>();
        let expected =
            ["left out: .txt files: 1 (a/1.txt)", "passed over: notes: 1 (a/readme.txt)"];
        assert_eq!(lines(Kind::Image), expected);
        assert_eq!(lines(Kind::Text), ["left out: .png files: 1 (a/1.png)"]);
        let message = of(Kind::Audio).unwrap_err().to_string();
        assert!(message.contains("found .png files: 1 (a/1.png); .txt files: 1"), "{message}");
    }

    #[test]
    fn parts_have_their_shares_and_depend_on_nothing_else() {
        let file = |i: usize| LabelledFile {
            path: Path::new("a").join(format!("{i}.wav")),
            class: "a".to_owned(),
        };
        let part = |i, seed| file(i).part(seed, Names::Nfc, BORDERS);
        let count = |of| (0..5000).filter(|&i| part(i, 0) == of).count();
        // Standard deviations: 28 and 21.
        assert!(count(Part::Train).abs_diff(4000) < 120, "{}", count(Part::Train));
        assert!(count(Part::Test).abs_diff(500) < 90, "{}", count(Part::Test));
        // Pinned, so that runs of different versions are evaluated on the same files.
        let test: Vec<_> = (0..40).filter(|&i| part(i, 0) == Part::Test).collect();
        assert_eq!(test, PINNED);
        assert_ne!(test, (0..40).filter(|&i| part(i, 1) == Part::Test).collect::<Vec<_>>());
        assert!((0..40).all(|i| file(i).part(0, Names::AsTheyAre, BORDERS) == part(i, 0)));
    }

    const PINNED: [usize; 1] = [11];
}

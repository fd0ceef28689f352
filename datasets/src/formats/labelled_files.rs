//! A folder of files with one folder per class: `DIR/<class>/<file>`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};
use audio_data::layout::names_in;
use audio_data::part::Part;
use audio_data::read::is_audio_name;
use program::seed;
use strum::Display;

/// What files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// Sound: wav, flac, ogg or mp3.
    Audio,
    /// Pictures: png.
    #[strum(to_string = "PNG")]
    Image,
    /// Text: txt.
    Text,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let has = |wanted: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(wanted));
        if is_audio_name(path) {
            Some(Kind::Audio)
        } else if has("png") {
            Some(Kind::Image)
        } else if has("txt") {
            Some(Kind::Text)
        } else {
            None
        }
    }
}

/// A file with its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledFile {
    /// Where it is, from the folder of all.
    pub path: PathBuf,
    /// Name of the folder that it is in.
    pub class: String,
}

impl LabelledFile {
    /// The part that it is in: 80% of all files to train on, 10% to validate, 10% to test, by a hash
    /// of `seed` and path. Other files do not matter.
    pub fn part(&self, seed: u64) -> Part {
        let names: Vec<_> = self.path.iter().map(|name| name.to_string_lossy()).collect();
        // The same on every system: not the path's own separator.
        let hash = seed::derive(seed, &names.join("/"), 0);
        match (hash as f64) / 2f64.powi(64) {
            x if x < 0.8 => Part::Train,
            x if x < 0.9 => Part::Val,
            _ => Part::Test,
        }
    }
}

/// The files of all classes, sorted by path, and what they hold. Hidden files and those of other
/// kinds are passed over.
///
/// # Errors
/// If the folder cannot be read, holds no files of a known kind in folders, or files of several
/// kinds.
pub fn list(dir: &Path) -> Result<(Kind, Vec<LabelledFile>)> {
    let mut by_kind: BTreeMap<Kind, Vec<LabelledFile>> = BTreeMap::new();
    let mut others = BTreeSet::new();
    ensure!(
        dir.is_dir(),
        "there is no folder {}; name one with --data that has a folder for each class",
        dir.display()
    );
    for name in names_in(dir)? {
        let folder = dir.join(&name);
        if !folder.is_dir() {
            continue;
        }
        let class = name.into_string().map_err(|name| {
            anyhow!("the name of the folder {} is not Unicode; rename it", name.display())
        })?;
        for name in names_in(&folder)? {
            let path = Path::new(&class).join(&name);
            if !dir.join(&path).is_file() {
                continue;
            }
            match Kind::of(&path) {
                Some(kind) => by_kind
                    .entry(kind)
                    .or_default()
                    .push(LabelledFile { path, class: class.clone() }),
                None => {
                    others.insert(path.extension().unwrap_or_default().display().to_string());
                }
            }
        }
    }
    let mut kinds = by_kind.into_iter();
    match (kinds.next(), kinds.next()) {
        (Some(found), None) => Ok(found),
        (Some((a, files_a)), Some((b, files_b))) => bail!(
            "{} has {} {a} files and {} {b} files; keep one kind in a folder",
            dir.display(),
            files_a.len(),
            files_b.len()
        ),
        (None, _) => bail!(
            "no files in folders of classes: expected {}/<class>/*.{{wav,flac,ogg,mp3,png,txt}}{}",
            dir.display(),
            match others.into_iter().collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => String::new(),
                others => format!(", found files of other kinds ({others})"),
            }
        ),
    }
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
    fn folders_are_classes() {
        let folder = folder(&["b/2.WAV", "b/1.flac", "a/x.mp3", "a/.y.wav", "a/n.md", "z.wav"]);
        let (kind, files) = list(folder.path()).unwrap();
        assert_eq!(kind, Kind::Audio);
        let found: Vec<_> =
            files.iter().map(|file| (file.path.to_str().unwrap(), &*file.class)).collect();
        assert_eq!(found, [("a/x.mp3", "a"), ("b/1.flac", "b"), ("b/2.WAV", "b")]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_said() {
        let error = |files: &[&str]| format!("{:#}", list(folder(files).path()).unwrap_err());
        let message = error(&["a/1.png", "b/1.png", "b/2.txt"]);
        assert!(message.contains("2 PNG files and 1 text files"), "{message}");
        let message = error(&["a/1.jpg", "1.wav"]);
        assert!(message.contains("<class>/*") && message.contains("(jpg)"), "{message}");
        let message = format!("{:#}", list(Path::new("/nowhere")).unwrap_err());
        assert!(message.contains("no folder /nowhere"), "{message}");
    }

    #[test]
    fn parts_have_their_shares_and_depend_on_nothing_else() {
        let file = |i: usize| LabelledFile {
            path: Path::new("a").join(format!("{i}.wav")),
            class: "a".to_owned(),
        };
        let count = |part| (0..5000).filter(|&i| file(i).part(0) == part).count();
        // Standard deviations: 28 and 21.
        assert!(count(Part::Train).abs_diff(4000) < 120, "{}", count(Part::Train));
        assert!(count(Part::Test).abs_diff(500) < 90, "{}", count(Part::Test));
        // Pinned, so that runs of different versions are evaluated on the same files.
        let test: Vec<_> = (0..40).filter(|&i| file(i).part(0) == Part::Test).collect();
        assert_eq!(test, PINNED);
        assert_ne!(test, (0..40).filter(|&i| file(i).part(1) == Part::Test).collect::<Vec<_>>());
    }

    const PINNED: [usize; 1] = [11];
}

//! The Free Spoken Digit Dataset: `{digit}_{speaker}_{index}.wav`, in `recordings` or not.

use std::path::{Path, PathBuf};

use anyhow::Result;
use program::names::composed;

use super::{Entry, Layout, audio_names_in};
use crate::part::Part;

pub(super) const LAYOUT: Layout = Layout {
    name: "fsdd",
    about: "Free Spoken Digit Dataset: {digit}_{speaker}_{index}.wav; indices 0-4 are the test",
    rate: Some(8_000),
    recognises,
    list,
    others: OTHERS,
};

/// What else is in the authors' repository.
const OTHERS: &[&str] = &[
    "README.md",
    "LICENSE",
    "__init__.py",
    "metadata.py",
    "pip_requirements.txt",
    "acquire_data",
    "utils",
    "spectrograms",
];

/// The folder of the clips, from the data set's.
fn clips(dir: &Path) -> PathBuf {
    let recordings = Path::new("recordings");
    if dir.join(recordings).is_dir() { recordings.to_owned() } else { PathBuf::new() }
}

fn recognises(dir: &Path) -> bool {
    let names = audio_names_in(&dir.join(clips(dir))).unwrap_or_default();
    !names.is_empty() && names.iter().all(|name| parse(Path::new(name)).is_some())
}

fn list(dir: &Path) -> Result<Vec<Entry>> {
    let clips = clips(dir);
    let names = audio_names_in(&dir.join(&clips))?;
    let entry = |name: &Path| {
        let (digit, speaker, index) = parse(name)?;
        Some(Entry {
            path: clips.join(name),
            // The test is the authors' rule; they name no validation clips.
            split: Some(match index {
                0..=4 => Part::Test,
                5..=9 => Part::Val,
                _ => Part::Train,
            }),
            label: Some(digit.to_owned()),
            speaker: Some(composed(speaker)),
        })
    };
    Ok(names.iter().filter_map(|name| entry(Path::new(name))).collect())
}

/// Digit, speaker and index of a file name.
fn parse(name: &Path) -> Option<(&str, &str, u32)> {
    let (digit, rest) = name.file_stem()?.to_str()?.split_once('_')?;
    let (speaker, index) = rest.rsplit_once('_')?;
    let is_digit = digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit();
    (is_digit && !speaker.is_empty()).then_some((digit, speaker, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of, open};
    use super::*;

    #[test]
    fn names_say_everything() {
        let files = ["recordings/7_jackson_4.wav", "recordings/0_de_vries_32.wav", "README.md"];
        let (_temporary, dir) = folder_of("digits", &files);
        let listing = detect(&dir).unwrap();
        assert_eq!(listing.layout.name, "fsdd");
        let entry = |path: &str, split, label: &str, speaker: &str| Entry {
            path: PathBuf::from(path),
            split: Some(split),
            label: Some(label.to_owned()),
            speaker: Some(speaker.to_owned()),
        };
        let expected = [
            entry("recordings/0_de_vries_32.wav", Part::Train, "0", "de_vries"),
            entry("recordings/7_jackson_4.wav", Part::Test, "7", "jackson"),
        ];
        assert_eq!(listing.entries, expected);
        assert_eq!(detect(&dir.join("recordings")).unwrap().layout.name, "fsdd");
    }

    #[test]
    fn other_names_are_not_recognised_and_left_out() {
        let (_temporary, dir) = folder_of("x", &["7_jackson_5.wav", "10_a_1.wav", "7__1.wav"]);
        assert_eq!(detect(&dir).unwrap().layout.name, "folder");
        let listing = open(&dir, "fsdd").unwrap();
        assert_eq!(listing.entries.len(), 1);
        assert_eq!(listing.entries[0].split, Some(Part::Val));
    }
}

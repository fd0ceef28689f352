//! Speech Commands (Warden 2018): `word/{speaker}_nohash_{n}.wav`, and two lists that name the
//! clips of validation and test.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use program::files::names_in;
use program::names::composed;

use super::{Entry, Layout, audio_names_in};
use crate::part::Part;

pub(super) const LAYOUT: Layout = Layout {
    name: "speech-commands",
    about: "Speech Commands: one word a folder, testing_list.txt and validation_list.txt",
    rate: Some(16_000),
    recognises,
    list: |dir| list(dir, |_| true),
    others: OTHERS,
};

const LISTS: [(&str, Part); 2] =
    [("testing_list.txt", Part::Test), ("validation_list.txt", Part::Val)];

/// What else is in the official archives.
pub(super) const OTHERS: &[&str] =
    &["README.md", "LICENSE", "testing_list.txt", "validation_list.txt", "_background_noise_"];

pub(super) fn recognises(dir: &Path) -> bool {
    let words = words(dir).unwrap_or_default();
    let is_clip = |word: &String| {
        let names = audio_names_in(&dir.join(word)).unwrap_or_default();
        names.first().is_some_and(|name| name.to_string_lossy().contains("_nohash_"))
    };
    !words.is_empty()
        && (LISTS.iter().all(|(name, _)| dir.join(name).is_file()) || words.iter().any(is_clip))
}

/// The folders of words. `_background_noise_` is none.
pub(super) fn words(dir: &Path) -> Result<Vec<String>> {
    let names = names_in(dir)?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| !name.starts_with('_') && dir.join(name).is_dir()).collect())
}

/// The clips of the words that `is_taken`.
pub(super) fn list(dir: &Path, is_taken: impl Fn(&str) -> bool) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for word in words(dir)?.into_iter().filter(|word| is_taken(word)) {
        // A folder that cannot be listed is told with the rest that is left out.
        for name in audio_names_in(&dir.join(&word)).unwrap_or_default() {
            let speaker = name.to_str().and_then(|name| Some(name.split_once("_nohash_")?.0));
            entries.push(Entry {
                speaker: speaker.map(composed),
                label: Some(composed(&word)),
                ..Entry::new(Path::new(&word).join(&name))
            });
        }
    }
    if !entries.is_empty() {
        apply_lists(dir, &mut entries)?;
    }
    Ok(entries)
}

/// Where neither list is there, the clips have no split.
fn apply_lists(dir: &Path, entries: &mut [Entry]) -> Result<()> {
    let (there, absent): (Vec<_>, Vec<_>) =
        LISTS.iter().partition(|(name, _)| dir.join(name).is_file());
    if there.is_empty() {
        return Ok(());
    }
    if let [(name, _), ..] = absent[..] {
        bail!(
            "{} has no {name}, and its clips would be trained on; add the list from the data set's \
             archive, or remove {} too, to divide the clips by file",
            dir.display(),
            there[0].0
        );
    }
    for entry in &mut *entries {
        entry.split = Some(Part::Train);
    }
    // The test list comes first and wins, should a clip be in both.
    let mut taken = HashSet::new();
    for (name, split) in LISTS {
        let path = dir.join(name);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the list {}", path.display()))?;
        let text = text.trim_start_matches('\u{feff}');
        let listed: HashSet<String> = text.lines().map(|line| composed(line.trim())).collect();
        let mut found = 0;
        for (i, entry) in entries.iter_mut().enumerate() {
            let parts: Vec<_> = entry.path.iter().map(|part| part.to_string_lossy()).collect();
            if listed.contains(&composed(&parts.join("/"))) {
                found += 1;
                if taken.insert(i) {
                    entry.split = Some(split);
                }
            }
        }
        ensure!(
            found > 0,
            "none of the clips that {} names is there; take the list that belongs to the clips, or \
             remove both lists to divide the clips by file",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of};
    use super::*;

    const FILES: [&str; 6] = [
        "_background_noise_/tap.wav",
        "cat/0a_nohash_0.wav",
        "cat/0b_nohash_0.wav",
        "dog/0a_nohash_1.wav",
        "dog/README.md",
        "LICENSE",
    ];

    #[test]
    fn lists_decide_and_may_name_more_than_is_there() {
        let (_temporary, dir) = folder_of("sc", &FILES);
        fs::write(dir.join("testing_list.txt"), "cat/0b_nohash_0.wav\ncat/ff_nohash_0.wav\n")
            .unwrap();
        fs::write(dir.join("validation_list.txt"), "dog/0a_nohash_1.wav\r\n").unwrap();
        let listing = detect(&dir).unwrap();
        assert_eq!(listing.layout.name, "speech-commands");
        let found: Vec<_> = listing
            .entries
            .iter()
            .map(|e| (e.path.to_str().unwrap(), e.split, e.label.as_deref(), e.speaker.as_deref()))
            .collect();
        let (train, val, test) = (Some(Part::Train), Some(Part::Val), Some(Part::Test));
        let expected = [
            ("cat/0a_nohash_0.wav", train, Some("cat"), Some("0a")),
            ("cat/0b_nohash_0.wav", test, Some("cat"), Some("0b")),
            ("dog/0a_nohash_1.wav", val, Some("dog"), Some("0a")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_lists_nothing_is_divided() {
        let (_temporary, dir) = folder_of("sc", &FILES);
        let listing = detect(&dir).unwrap();
        assert_eq!(listing.layout.name, "speech-commands");
        assert!(listing.entries.iter().all(|entry| entry.split.is_none()));
    }

    #[test]
    fn one_list_alone_or_of_other_clips_is_refused() {
        let (_temporary, dir) = folder_of("sc", &FILES);
        fs::write(dir.join("testing_list.txt"), "cat/0b_nohash_0.wav\n").unwrap();
        let error = detect(&dir).unwrap_err().to_string();
        assert!(error.contains("no validation_list.txt"), "{error}");
        fs::write(dir.join("validation_list.txt"), "cat/ff_nohash_0.wav\n").unwrap();
        let error = detect(&dir).unwrap_err().to_string();
        assert!(error.contains("none of the clips") && error.contains("validation"), "{error}");
    }
}

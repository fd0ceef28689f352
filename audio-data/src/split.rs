//! Which part of the recordings is for training, validation and test.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use program::names::composed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;

use crate::corpus::Recording;
use crate::layout::Listing;
use crate::part::Part;

/// How recordings are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// By the data set's own rule where it has one, else by file where there are at least three,
    /// else by time.
    #[default]
    Auto,
    /// By the data set's own rule.
    Lists,
    /// Whole recordings, by a hash of their path: adding files does not move others. A part that
    /// would be empty is lent the recording whose hash is nearest to its range.
    Files,
    /// Each recording is cut: its beginning is for training, then comes validation, then test.
    Time,
}

/// What is hashed of a path where the hash decides about a file's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// The path as the system has it: as runs were divided before there was a choice.
    #[default]
    AsTheyAre,
    /// Its normal form (NFC): the same on macOS, which takes accents apart, and elsewhere.
    Nfc,
}

impl Names {
    /// The path in one piece, the same on every system: not with the system's own separator.
    pub fn of(self, path: &Path) -> String {
        let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
        match self {
            Self::AsTheyAre => names.join("/"),
            Self::Nfc => composed(&names.join("/")),
        }
    }
}

/// Shares of the three parts where recordings are divided by file or time. They sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shares {
    /// For training, above 0.
    #[default(0.88)]
    pub train: f64,
    /// For validation.
    #[default(0.06)]
    pub val: f64,
    /// For the test.
    #[default(0.06)]
    pub test: f64,
}

impl Shares {
    /// Checks ranges and the sum.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn validate(&self) -> Result<()> {
        let Shares { train, val, test } = *self;
        let sum = train + val + test;
        ensure!(
            train > 0.0 && val >= 0.0 && test >= 0.0 && (sum - 1.0).abs() < 1e-6,
            "shares of {train} (train), {val} (val) and {test} (test): none may be negative, train \
             must be above 0, and together they must be 1"
        );
        Ok(())
    }

    /// The parts with the ranges of [0, 1) that are theirs.
    fn ranges(&self) -> [(Part, f64, f64); 3] {
        let val_end = if self.test == 0.0 { 1.0 } else { self.train + self.val };
        let train_end = if self.val == 0.0 { val_end } else { self.train };
        [(Part::Train, 0.0, train_end), (Part::Val, train_end, val_end), (Part::Test, val_end, 1.0)]
    }
}

/// A stretch of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index into [`crate::corpus::Corpus::recordings`].
    pub recording: usize,
    /// The first sample, counted in the recording.
    pub start: u64,
    /// How many samples.
    pub frames: u64,
}

/// Recordings that are in another part than the hash of their names says.
pub type Lent = BTreeMap<String, Part>;

/// Recordings, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divided {
    /// How they were divided: what [`SplitBy::Auto`] chose.
    pub by: SplitBy,
    /// The recordings that are lent to a part, by [`Names::of`] their paths. What was lent before
    /// stays so: what a model has learnt from must never be what it is tested on.
    pub lent: Lent,
    /// The stretches of each [`Part`], by its number.
    parts: [Vec<Span>; 3],
}

impl Divided {
    /// The stretches of one part, in the order of the recordings.
    ///
    /// # Errors
    /// If there are none.
    pub fn spans(&self, split: Part) -> Result<&[Span]> {
        let spans = &self.parts[split as usize];
        ensure!(
            !spans.is_empty(),
            "no recording is in the {split} part; divide them by \"files\" or \"time\", with a \
             share for {split}"
        );
        Ok(spans)
    }

    fn push(&mut self, split: Part, span: Span) {
        if span.frames > 0 {
            self.parts[split as usize].push(span);
        }
    }
}

/// Divides the recordings that a corpus made of `listing`, of which some were `lent` to a part before.
///
/// # Errors
/// If the shares are wrong, if the data set has no rule of its own and is to be divided by it, or
/// if there are too few recordings to be divided by file.
pub fn divide(
    listing: &Listing,
    recordings: &[Recording],
    by: SplitBy,
    names: Names,
    shares: Shares,
    lent: &Lent,
) -> Result<Divided> {
    shares.validate()?;
    let by = match by {
        SplitBy::Auto if listing.entries.iter().any(|entry| entry.split.is_some()) => {
            SplitBy::Lists
        }
        SplitBy::Auto if recordings.len() >= 3 => SplitBy::Files,
        SplitBy::Auto => SplitBy::Time,
        chosen => chosen,
    };
    let mut divided = Divided { by, lent: lent.clone(), parts: Default::default() };
    let whole = |i: usize| Span { recording: i, start: 0, frames: recordings[i].frames };
    match by {
        SplitBy::Auto | SplitBy::Time => {
            for (i, recording) in recordings.iter().enumerate() {
                for (split, low, high) in shares.ranges() {
                    let at = |share: f64| (recording.frames as f64 * share) as u64;
                    let (start, end) = (at(low), at(high));
                    divided.push(split, Span { recording: i, start, frames: end - start });
                }
            }
        }
        SplitBy::Lists => {
            for (i, recording) in recordings.iter().enumerate() {
                let Some(split) = listing.entries[recording.entry].split else {
                    anyhow::bail!(
                        "{} is in no part of its own: {} is taken for the layout `{}`; divide by \
                         \"files\" or \"time\"",
                        recording.path.display(),
                        listing.dir.display(),
                        listing.layout.name
                    );
                };
                divided.push(split, whole(i));
            }
        }
        SplitBy::Files => {
            let paths: Vec<_> = recordings.iter().map(|recording| &*recording.path).collect();
            let parts = by_hash(&paths, names, shares, &mut divided.lent)?;
            for (i, split) in parts.into_iter().enumerate() {
                divided.push(split, whole(i));
            }
        }
    }
    Ok(divided)
}

fn by_hash(paths: &[&Path], names: Names, shares: Shares, lent: &mut Lent) -> Result<Vec<Part>> {
    let ranges = shares.ranges();
    let wanted = ranges.iter().filter(|(_, low, high)| low < high);
    ensure!(
        paths.len() >= wanted.clone().count(),
        "{} recordings cannot be divided into {} parts by file; divide them by \"time\"",
        paths.len(),
        wanted.count()
    );
    let keys: Vec<_> = paths.iter().map(|path| names.of(path)).collect();
    let positions: Vec<_> = keys.iter().map(|key| position(key)).collect();
    let home = |position: f64| {
        ranges.iter().find(|(_, _, high)| position < *high).map_or(Part::Test, |range| range.0)
    };
    let part = |(key, &position)| lent.get(key).copied().unwrap_or_else(|| home(position));
    let mut splits: Vec<_> = keys.iter().zip(&positions).map(part).collect();
    for &(split, low, high) in wanted {
        let members = |of: Part| splits.iter().filter(|s| **s == of).count();
        if members(split) > 0 {
            continue;
        }
        let distance = |i: usize| (low - positions[i]).max(positions[i] - high);
        // One of the others has two or more, as there are at least as many files as parts.
        let nearest = (0..paths.len())
            .filter(|&i| members(splits[i]) > 1)
            .min_by(|&i, &j| distance(i).total_cmp(&distance(j)).then(paths[i].cmp(paths[j])));
        if let Some(nearest) = nearest {
            splits[nearest] = split;
            lent.insert(keys[nearest].clone(), split);
        }
    }
    Ok(splits)
}

/// Where in [0, 1) a path falls: the same on every system.
fn position(path: &str) -> f64 {
    let hash = Sha256::digest(path.as_bytes());
    let mut bits = [0; 8];
    bits.copy_from_slice(&hash[..8]);
    // As many bits as a float64 holds exactly.
    (u64::from_be_bytes(bits) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use program::findings::Findings;
    use proptest::prelude::*;

    use super::*;
    use crate::layout::{Entry, LAYOUTS};

    /// Recordings of 1,000 samples with these names, in a listing without lists.
    fn recordings(names: &[String]) -> (Listing, Vec<Recording>) {
        let entry = |name: &String| Entry::new(PathBuf::from(name));
        let listing = Listing {
            dir: PathBuf::from("clips"),
            layout: LAYOUTS.last().unwrap(),
            entries: names.iter().map(entry).collect(),
            findings: Findings::default(),
        };
        let recordings = names
            .iter()
            .enumerate()
            .map(|(entry, name)| Recording::for_test(entry, name, 1000))
            .collect();
        (listing, recordings)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("part/clip{i}.wav")).collect()
    }

    fn divide_names(names: &[String], by: SplitBy, shares: Shares) -> Result<Divided> {
        let (listing, recordings) = recordings(names);
        divide(&listing, &recordings, by, Names::Nfc, shares, &Lent::new())
    }

    const SPLITS: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    #[test]
    fn auto_takes_lists_then_files_then_time() {
        let by =
            |names: &[String]| divide_names(names, SplitBy::Auto, Shares::default()).unwrap().by;
        assert_eq!(by(&names(2)), SplitBy::Time);
        assert_eq!(by(&names(3)), SplitBy::Files);
        let (mut listing, recordings) = recordings(&names(4));
        for entry in &mut listing.entries {
            entry.split = Some(Part::Test);
        }
        let (names, shares, lent) = (Names::Nfc, Shares::default(), Lent::new());
        let divided = divide(&listing, &recordings, SplitBy::Auto, names, shares, &lent).unwrap();
        assert_eq!(divided.by, SplitBy::Lists);
        assert_eq!(divided.spans(Part::Test).unwrap().len(), 4);
        let error = divided.spans(Part::Train).unwrap_err().to_string();
        assert!(error.contains("train part") && error.contains("files"), "{error}");
    }

    #[test]
    fn lists_are_asked_for_in_vain_where_there_are_none() {
        let error = divide_names(&names(4), SplitBy::Lists, Shares::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("clip0.wav") && error.contains("`folder`"), "{error}");
    }

    #[test]
    fn time_cuts_each_recording_without_gaps() {
        let divided = divide_names(&names(2), SplitBy::Time, Shares::default()).unwrap();
        for (split, start, frames) in
            [(Part::Train, 0, 880), (Part::Val, 880, 60), (Part::Test, 940, 60)]
        {
            let expected: Vec<_> =
                (0..2).map(|recording| Span { recording, start, frames }).collect();
            assert_eq!(divided.spans(split).unwrap(), expected);
        }
    }

    #[test]
    fn shares_are_met_by_many_files() {
        let count = 20_000;
        let shares = Shares { train: 0.7, val: 0.2, test: 0.1 };
        let divided = divide_names(&names(count), SplitBy::Files, shares).unwrap();
        for (split, share) in SPLITS.into_iter().zip([0.7, 0.2, 0.1]) {
            let found = divided.spans(split).unwrap().len() as f64 / count as f64;
            // Standard deviation: below 0.0033.
            assert!((found - share).abs() < 0.015, "{split}: {found}");
        }
    }

    /// Pinned, so that runs of different versions are evaluated on the same recordings.
    #[test]
    fn the_split_is_the_same_as_ever() {
        let divided = divide_names(&names(60), SplitBy::Files, Shares::default()).unwrap();
        let members = |split| -> Vec<_> {
            divided.spans(split).unwrap().iter().map(|span| span.recording).collect()
        };
        assert_eq!(members(Part::Val), [1, 38]);
        assert_eq!(members(Part::Test), [0, 24]);
    }

    #[test]
    fn accents_are_one_whatever_system_wrote_them() {
        let names: Vec<_> = (0..60).map(|i| format!("cafe\u{301}/clip{i}.wav")).collect();
        let composed: Vec<_> = names.iter().map(|name| composed(name)).collect();
        let parts = |names: &[String], rule| {
            let (listing, recordings) = recordings(names);
            let (shares, lent) = (Shares::default(), Lent::new());
            divide(&listing, &recordings, SplitBy::Files, rule, shares, &lent).unwrap()
        };
        assert_eq!(parts(&names, Names::Nfc), parts(&composed, Names::Nfc));
        assert_eq!(parts(&composed, Names::AsTheyAre), parts(&composed, Names::Nfc));
        assert_ne!(parts(&names, Names::AsTheyAre), parts(&names, Names::Nfc));
    }

    #[test]
    fn too_few_files_are_refused_with_a_remedy() {
        let error = divide_names(&names(2), SplitBy::Files, Shares::default()).unwrap_err();
        assert!(error.to_string().contains("time"), "{error}");
        let two = Shares { train: 0.5, val: 0.5, test: 0.0 };
        let divided = divide_names(&names(2), SplitBy::Files, two).unwrap();
        assert_eq!(divided.spans(Part::Train).unwrap().len(), 1);
        assert!(divided.spans(Part::Test).is_err());
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        for (train, val, test) in
            [(0.0, 0.5, 0.5), (1.1, -0.1, 0.0), (0.5, 0.1, 0.1), (f64::NAN, 0.5, 0.5)]
        {
            let error = divide_names(&names(9), SplitBy::Time, Shares { train, val, test });
            assert!(error.unwrap_err().to_string().contains("together they must be 1"));
        }
    }

    proptest! {
        #[test]
        fn no_part_is_empty_and_every_file_is_in_one(
            names in prop::collection::hash_set("[a-z]{1,6}", 3..40),
        ) {
            let names: Vec<_> = names.into_iter().collect();
            let divided = divide_names(&names, SplitBy::Files, Shares::default()).unwrap();
            let mut all: Vec<_> = SPLITS
                .iter()
                .flat_map(|&split| divided.spans(split).unwrap())
                .map(|span| span.recording)
                .collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..names.len()));
        }

        #[test]
        fn what_is_lent_stays_when_others_come(
            names in prop::collection::hash_set("[a-z]{1,6}", 3..6),
            more in prop::collection::hash_set("[A-Z]{1,6}", 1..50),
        ) {
            let mut names: Vec<_> = names.into_iter().collect();
            let count = names.len();
            let divide = |names: &[String], lent: &Lent| {
                let (listing, recordings) = recordings(names);
                let (by, shares) = (SplitBy::Files, Shares { train: 0.4, val: 0.3, test: 0.3 });
                divide(&listing, &recordings, by, Names::Nfc, shares, lent).unwrap()
            };
            let before = divide(&names, &Lent::new());
            names.extend(more);
            let after = divide(&names, &before.lent);
            for split in SPLITS {
                let mut kept = after.spans(split).unwrap().to_vec();
                kept.retain(|span| span.recording < count);
                prop_assert_eq!(kept, before.spans(split).unwrap());
            }
        }

        #[test]
        fn adding_files_moves_no_others(
            names in prop::collection::hash_set("[a-z]{1,6}", 200..300),
            more in prop::collection::hash_set("[A-Z]{1,6}", 1..50),
        ) {
            // Shares with which no part of so many files is ever empty.
            let shares = Shares { train: 0.6, val: 0.2, test: 0.2 };
            let mut names: Vec<_> = names.into_iter().collect();
            let count = names.len();
            let before = divide_names(&names, SplitBy::Files, shares).unwrap();
            names.extend(more);
            let after = divide_names(&names, SplitBy::Files, shares).unwrap();
            for split in SPLITS {
                let old = after.spans(split).unwrap().iter().filter(|span| span.recording < count);
                prop_assert!(old.eq(before.spans(split).unwrap()));
            }
        }

        #[test]
        fn time_leaves_no_gap(frames in 0u64..1 << 40, train in 0.01f64..1.0, val in 0.0f64..1.0) {
            let val = val * (1.0 - train);
            let shares = Shares { train, val, test: 1.0 - train - val };
            let (listing, mut recordings) = recordings(&names(1));
            recordings[0].frames = frames;
            prop_assume!(shares.validate().is_ok());
            let (names, lent) = (Names::Nfc, Lent::new());
            let divided =
                divide(&listing, &recordings, SplitBy::Time, names, shares, &lent).unwrap();
            let mut end = 0;
            for span in divided.parts.each_ref().into_iter().flatten() {
                prop_assert_eq!(span.start, end);
                end += span.frames;
            }
            prop_assert_eq!(end, frames);
        }
    }
}

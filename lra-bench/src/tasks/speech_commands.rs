//! Speech Commands: which of 35 words is said, from a second of sound at 16 kHz, 16,000 steps
//! (Warden 2018). Divided by the official lists.
//!
//! Samples are standardised by one mean and one standard deviation. The official S4 code has one
//! of each for every position in the clip, an artefact of how it stores them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use audio_data::layout::{self, Entry};
use serde::{Deserialize, Serialize};

use super::audio::{Labels, open as open_audio};
use super::{Splits, Task};
use crate::data::classes::choose;
use crate::data::locate::{listed, locate};
use crate::data::recordings::Extent;
use crate::experiment::DataConfig;

pub(super) const TASK: Task = Task {
    name: "speech-commands",
    about: "which of 35 words is said, raw sound at 16 kHz",
    length: Some(SECOND as usize),
    classes: Some(ALL.len()),
    paper_accuracy: Some(96.1),
    paper: include_str!("../../../configs/lra/speech-commands.toml"),
    small: include_str!("../../../configs/lra/speech-commands-small.toml"),
    data_keys: &["dir", "cache", "words", "classes", "sample_rate", "every", "scale"],
    source: "Speech Commands v0.02",
    is_there: |dir| find(Some(dir)).is_ok(),
    open,
};

/// Samples a second in the official files.
const SECOND: u32 = 16_000;
/// What the official archives are usually unpacked to.
const FOLDERS: &[&str] = &["speech_commands_v0.02", "speech_commands_v0.01", "SpeechCommands"];

/// Which words of Speech Commands are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// All that are there: the 35 of version 0.02, the 30 of version 0.01, or fewer.
    #[default]
    All,
    /// yes, no, up, down, left, right, on, off, stop and go.
    Ten,
}

impl Words {
    /// In the order of the official code.
    fn known(self) -> &'static [&'static str] {
        match self {
            Words::All => &ALL,
            Words::Ten => &TEN,
        }
    }
}

const TEN: [&str; 10] = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"];
const ALL: [&str; 35] = [
    "bed", "cat", "down", "five", "forward", "go", "house", "left", "marvin", "no", "on", "right",
    "sheila", "tree", "up", "visual", "yes", "backward", "bird", "dog", "eight", "follow", "four",
    "happy", "learn", "nine", "off", "one", "seven", "six", "stop", "three", "two", "wow", "zero",
];

fn find(dir: Option<&Path>) -> Result<PathBuf, Vec<PathBuf>> {
    // The digits alone are taken for SC09, which lies on disk in the same way.
    let has_words = |folder: &Path| {
        layout::recognise(folder)
            .is_some_and(|layout| ["speech-commands", "sc09"].contains(&layout.name))
    };
    locate(dir, "speech-commands", FOLDERS, has_words)
}

fn open(config: &DataConfig) -> Result<Splits> {
    let dir = find(config.dir.as_deref()).map_err(|looked| {
        anyhow!(
            "no Speech Commands (WORD/SPEAKER_nohash_NUMBER.wav) in {}. Get them with `lra-bench \
             fetch-data speech-commands --data DIR`, or unpack \
             http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz, and name its folder \
             with --data DIR",
            listed(&looked)
        )
    })?;
    let mut listing = layout::open(&dir, "speech-commands")?;
    let words = config.words.unwrap_or_default();
    let found: BTreeSet<_> = listing.entries.iter().filter_map(|e| e.label.clone()).collect();
    let known = words.known();
    // Words that the official code does not know come last.
    let mut default: Vec<_> = match words {
        Words::All => found.iter().cloned().collect(),
        Words::Ten => found.iter().filter(|word| known.contains(&&***word)).cloned().collect(),
    };
    default.sort_by_key(|word| known.iter().position(|known| known == word).unwrap_or(known.len()));
    let class_names = choose(config.classes.as_deref(), default, &found, &dir)?;

    let class =
        |entry: &Entry| class_names.iter().position(|name| Some(name) == entry.label.as_ref());
    listing.entries.retain(|entry| class(entry).is_some());
    let mut entries = Vec::new();
    for entry in &listing.entries {
        let part = entry.split.with_context(|| {
            format!(
                "{} has neither testing_list.txt nor validation_list.txt, by which the clips are \
                 divided; add them from the data set's archive",
                dir.display()
            )
        })?;
        entries.push((class(entry).context("it was chosen for its class")? as i64, part));
    }
    let rate = config.sample_rate.unwrap_or(SECOND);
    let labels = Labels { listing, entries, class_names: class_names.clone() };
    let mut splits = open_audio(&labels, rate, Extent::Exactly(rate as usize), config)?;
    if class_names.len() < known.len() {
        splits.origin += &format!(
            " (only {} of {} words: not the papers' task)",
            class_names.len(),
            known.len()
        );
    }
    splits.config.classes = Some(class_names);
    Ok(splits)
}

//! Speech Commands: which of 35 words is said, from a second of sound at 16 kHz, 16,000 steps
//! (Warden 2018). Divided by the official lists.
//!
//! Samples are standardised by one mean and one standard deviation. The official S4 code has one
//! of each for every position in the clip, an artefact of how it stores them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use audio_data::layout::{self, Entry};
use audio_data::read::is_audio_name;
use dsp::mel::MelConfig;
use program::config::to_table;
use program::files::CACHE;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table;

use super::audio::{self, Labels, Reading, SCALE};
use super::{Splits, Task};
use crate::classes::choose;
use crate::examples::recordings::{Extent, Form, Standardisation};
use crate::examples::view::{CodesConfig, View};
use crate::fetch::checksum::Checksum;
use crate::fetch::{Archive, Packing};
use crate::inputs::{Inputs, decided};
use crate::locate::{listed, locate};
use crate::medium::Kind;
use crate::provenance::{Provenance, Published};
use crate::shape::Target;

pub(super) const TASK: Task = Task {
    name: "speech-commands",
    about: "which of 35 words is said, raw sound at 16 kHz",
    kind: Some(Kind::Sound),
    length: Some(SECOND as usize),
    classes: Some(ALL.len()),
    published: Some(Published { figure: 96.1, train: 84_843 }),
    provenance,
    paper: include_str!("../../../configs/lra/speech-commands.toml"),
    small: include_str!("../../../configs/lra/speech-commands-small.toml"),
    has_sample_rate: true,
    source: "Speech Commands v0.02",
    archives: &[Archive {
        url: "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        file: "speech_commands_v0.02.tar.gz",
        size: Some(2_428_923_189),
        checksum: Some(Checksum::Sha256(
            "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        )),
        packing: Packing::TarGz { folder: "speech_commands_v0.02", bare: true },
    }],
    is_there: |dir| find(Some(dir)).is_ok(),
    read: Some(inputs),
    ..Task::of::<Data>(load)
};

/// Samples per second in the official files.
const SECOND: u32 = 16_000;
/// What the official archives are usually unpacked to.
const FOLDERS: &[&str] = &["speech_commands_v0.02", "speech_commands_v0.01", "SpeechCommands"];

/// Where the words come from, and how they are read.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the recordings; looked for in `data` where it is missing.
    dir: Option<PathBuf>,
    /// Which words are told apart: `all` or `ten`.
    words: Words,
    /// The classes, in the order of their numbers; all of `words` that are there where it is
    /// missing. Kept with a run.
    classes: Option<Vec<String>>,
    /// Samples per second that recordings are brought to.
    #[default(SECOND)]
    sample_rate: u32,
    /// Keep every n-th sample, without a filter.
    #[default(1)]
    every: usize,
    /// What samples are standardised by; measured on the training recordings where it is missing.
    /// Kept with a run.
    scale: Option<Standardisation>,
    /// Make log-mel spectrograms of recordings, and train on those; samples where it is missing.
    /// Their samples are not standardised.
    mel: Option<MelConfig>,
    /// Make samples codes, the tokens of models of raw audio (runs of `sashimi`): `{ companding = "mu-law",
    /// bits = 8, scaling = "recording" }`.
    codes: Option<CodesConfig>,
    /// Variants of each training recording in an epoch, all classes as often: changed at random in
    /// level, speed and place and, where there are files in `_background_noise_`, with noise. 0: the recordings as they are.
    variants: usize,
    /// Folder that decoded recordings are kept in, as `audio`.
    #[default(CACHE.into())]
    cache: PathBuf,
}

/// Which words of Speech Commands are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Words {
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

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { classes, sample_rate, every, .. } = task.settings(data)?;
    let words = classes.map_or(0, |classes| classes.len());
    let as_published = words == ALL.len() && sample_rate == SECOND && every == 1;
    let rate = audio::rate(sample_rate, every);
    Ok(Provenance::official(as_published).with(&format!("{words} words")).with(&rate))
}

/// The recordings of noise in `_background_noise_`, in the order of their names.
fn noise(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("_background_noise_")).into_iter().flatten();
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    let mut files: Vec<_> = files.filter(|path| is_audio_name(path)).collect();
    files.sort();
    files
}

fn extent(settings: &Data) -> Extent {
    Extent::Exactly(settings.sample_rate as usize)
}

fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let settings: Data = task.settings(data)?;
    let rate = settings.sample_rate / settings.every.max(1) as u32;
    let form = Form {
        extent: extent(&settings),
        every: settings.every,
        standardisation: decided(settings.scale, "scale", SCALE)?,
        view: View::new(settings.mel.as_ref(), settings.codes.as_ref(), rate)?,
    };
    let classes = decided(settings.classes, "classes", "[\"yes\", \"no\"]")?;
    audio::inputs(Target::Classes(classes), settings.sample_rate, form)
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let dir = find(settings.dir.as_deref()).map_err(|looked| {
        anyhow!(
            "no Speech Commands (WORD/SPEAKER_nohash_NUMBER.wav) in {}. Get them with `lra-bench \
             fetch-data speech-commands --data DIR`, or unpack \
             http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz, and name its folder \
             with --data DIR",
            listed(&looked)
        )
    })?;
    let mut listing = layout::open(&dir, "speech-commands")?;
    let words = settings.words;
    let found: BTreeSet<_> = listing.entries.iter().filter_map(|e| e.label.clone()).collect();
    let known = words.known();
    // Words that the official code does not know come last.
    let mut default: Vec<_> = match words {
        Words::All => found.iter().cloned().collect(),
        Words::Ten => found.iter().filter(|word| known.contains(&&***word)).cloned().collect(),
    };
    default.sort_by_key(|word| known.iter().position(|known| known == word).unwrap_or(known.len()));
    let class_names = choose(settings.classes.as_deref(), default, &found, &dir)?;

    let class =
        |entry: &Entry| class_names.iter().position(|name| Some(name) == entry.label.as_ref());
    for word in found.iter().filter(|word| !class_names.contains(word)) {
        let kind = "words that are not among the classes";
        match words {
            Words::All => listing.findings.leave_out(kind, word),
            Words::Ten => listing.findings.pass_over(kind, word),
        }
    }
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
        let class = class(entry).context("it was chosen for its class")? as i64;
        entries.push((class.into(), part));
    }
    let labels = Labels { listing, entries, target: Target::Classes(class_names.clone()) };
    let reading = Reading {
        cache: &settings.cache,
        sample_rate: settings.sample_rate,
        extent: extent(&settings),
        every: settings.every,
        scale: settings.scale,
        mel: settings.mel.as_ref(),
        codes: settings.codes.as_ref(),
        variants: settings.variants,
        noise: &noise(&dir),
        progress,
    };
    let (mut splits, scale) = audio::open(labels, &reading)?;
    if class_names.len() < known.len() {
        splits.origin += &format!(
            " (only {} of {} words: not the papers' task)",
            class_names.len(),
            known.len()
        );
    }
    let decided = Data { classes: Some(class_names), scale: Some(scale), ..settings };
    splits.config = to_table(&decided)?;
    Ok(splits)
}

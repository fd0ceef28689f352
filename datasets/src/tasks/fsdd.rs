//! Spoken digits of several speakers (Free Spoken Digit Dataset): recordings of 0.1 to 2.3 s at
//! 8 kHz.
//!
//! By default whole speakers are held out, so that what is tested is the digit and not the voice.
//! The data set's own rule, by which the test has the first five recordings of every speaker and
//! digit, is `data.split_by = "index"`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use audio_data::layout::{self, Listing};
use audio_data::part::Part;
use dsp::mel::MelConfig;
use program::config::to_table;
use program::files::CACHE;
use program::names::composed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table;

use super::audio::{self, Labels, Reading, SCALE};
use super::{Splits, Task};
use crate::examples::recordings::{Extent, Form, Standardisation};
use crate::examples::view::{CodesConfig, View};
use crate::fetch::{Archive, Packing};
use crate::inputs::{Inputs, decided};
use crate::locate::{listed, locate};
use crate::medium::Kind;
use crate::provenance::Provenance;
use crate::shape::Target;

pub(super) const TASK: Task = Task {
    name: "fsdd",
    about: "spoken digits, speakers held out",
    kind: Some(Kind::Sound),
    classes: Some(CLASSES),
    paper: include_str!("../../../configs/lra/fsdd.toml"),
    small: include_str!("../../../configs/lra/fsdd-small.toml"),
    has_sample_rate: true,
    source: "the Free Spoken Digit Dataset",
    archives: &[Archive {
        url: "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
        file: "free-spoken-digit-dataset-1.0.9.tar.gz",
        size: None,
        checksum: None, // GitHub packs it, and may pack it otherwise
        packing: Packing::TarGz { folder: "free-spoken-digit-dataset-1.0.9", bare: false },
    }],
    is_there: |dir| find(Some(dir)).is_ok(),
    read: Some(inputs),
    provenance,
    ..Task::of::<Data>(load)
};

const CLASSES: usize = 10;
/// What the repository's archives unpack to.
const FOLDERS: &[&str] = &[
    "fsdd",
    "free-spoken-digit-dataset",
    "free-spoken-digit-dataset-1.0.9",
    "free-spoken-digit-dataset-master",
];

/// Where spoken digits come from, and how they are divided and read.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the recordings; looked for in `data` where it is missing.
    dir: Option<PathBuf>,
    /// What divides the recordings: `speaker` or `index`.
    split_by: SplitBy,
    /// Speakers that are not trained on, where recordings are divided by speaker. Kept with a run.
    held_out: Option<HeldOut>,
    /// Samples per second that recordings are brought to.
    #[default(8_000)]
    sample_rate: u32,
    /// Keep every n-th sample, without a filter.
    #[default(1)]
    every: usize,
    /// Samples that are kept of a recording; all where it is missing. With `mel` all recordings are
    /// that long, or else a second.
    max_length: Option<usize>,
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
    /// level, speed and place. 0: the recordings as they are.
    variants: usize,
    /// Folder that decoded recordings are kept in, as `audio`.
    #[default(CACHE.into())]
    cache: PathBuf,
}

/// What divides the recordings of spoken digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SplitBy {
    /// Who speaks: no voice is in two parts.
    #[default]
    Speaker,
    /// The number of the recording: 0 to 4 of each speaker and digit are the test, as the data
    /// set's authors have it, 5 to 9 validation.
    Index,
}

/// Speakers that are not trained on. Where none is named: the last by name to test, the one before
/// to validate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct HeldOut {
    /// To choose by.
    val: Vec<String>,
    /// To report.
    test: Vec<String>,
}

fn find(dir: Option<&Path>) -> Result<PathBuf, Vec<PathBuf>> {
    let has_digits =
        |folder: &Path| layout::recognise(folder).is_some_and(|layout| layout.name == "fsdd");
    locate(dir, "fsdd", FOLDERS, has_digits)
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    ensure!(settings.max_length != Some(0), "data.max_length is 0; it must be at least 1");
    let dir = find(settings.dir.as_deref()).map_err(|looked| {
        anyhow!(
            "no spoken digits (DIGIT_SPEAKER_NUMBER.wav, itself or in `recordings`) in {}. Get them \
             with `lra-bench fetch-data fsdd --data DIR`, or from \
             https://github.com/Jakobovski/free-spoken-digit-dataset, and name their folder with \
             --data DIR",
            listed(&looked)
        )
    })?;
    let listing = layout::open(&dir, "fsdd")?;
    let held_out = match (settings.split_by, &settings.held_out) {
        (SplitBy::Index, Some(_)) => bail!(
            "data.held_out names speakers, but data.split_by is \"index\"; leave one of them out"
        ),
        (SplitBy::Index, None) => None,
        (SplitBy::Speaker, chosen) => Some(held_out(&listing, chosen.as_ref())?),
    };
    let mut entries = Vec::new();
    for entry in &listing.entries {
        let known = || format!("{} has no digit, speaker and number", entry.path.display());
        let class = entry.label.as_deref().and_then(|digit| digit.parse::<i64>().ok());
        let part = match &held_out {
            None => entry.split,
            Some(held_out) => entry.speaker.as_ref().map(|speaker| part(speaker, held_out)),
        };
        entries.push((class.with_context(known)?.into(), part.with_context(known)?));
    }
    let labels = Labels { listing, entries, target: Target::numbered(CLASSES) };
    let reading = Reading {
        cache: &settings.cache,
        sample_rate: settings.sample_rate,
        extent: extent(&settings),
        every: settings.every,
        scale: settings.scale,
        mel: settings.mel.as_ref(),
        codes: settings.codes.as_ref(),
        variants: settings.variants,
        noise: &[],
        progress,
    };
    let (mut splits, scale) = audio::open(labels, &reading)?;
    if let Some(HeldOut { val, test }) = &held_out {
        splits.origin += &format!(" (val: {}; test: {})", val.join(", "), test.join(", "));
    }
    splits.config = to_table(&Data { held_out, scale: Some(scale), ..settings })?;
    Ok(splits)
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { split_by, sample_rate, every, .. } = task.settings(data)?;
    let by = match split_by {
        SplitBy::Speaker => "by speaker",
        SplitBy::Index => "by index",
    };
    Ok(Provenance::official(false).with(by).with(&audio::rate(sample_rate, every)))
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
    audio::inputs(Target::numbered(CLASSES), settings.sample_rate, form)
}

fn extent(settings: &Data) -> Extent {
    match (&settings.mel, settings.max_length) {
        (Some(_), length) => Extent::Exactly(length.unwrap_or(settings.sample_rate as usize)),
        (None, length) => Extent::AtMost(length.unwrap_or(usize::MAX)),
    }
}

fn part(speaker: &String, held_out: &HeldOut) -> Part {
    if held_out.test.contains(speaker) {
        Part::Test
    } else if held_out.val.contains(speaker) {
        Part::Val
    } else {
        Part::Train
    }
}

/// The speakers that are held out: those chosen, and for a part for which none is chosen the last
/// by name of the others.
fn held_out(listing: &Listing, chosen: Option<&HeldOut>) -> Result<HeldOut> {
    let found: BTreeSet<_> =
        listing.entries.iter().filter_map(|entry| entry.speaker.clone()).collect();
    let mut held_out = chosen.cloned().unwrap_or_default();
    for speaker in held_out.val.iter_mut().chain(&mut held_out.test) {
        *speaker = composed(speaker);
    }
    let names = || found.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    for (part, speakers) in [("val", &held_out.val), ("test", &held_out.test)] {
        for speaker in speakers {
            ensure!(
                found.contains(speaker),
                "data.held_out.{part} names `{speaker}`, but the speakers in {} are {}",
                listing.dir.display(),
                names()
            );
        }
    }
    if let Some(both) = held_out.val.iter().find(|speaker| held_out.test.contains(speaker)) {
        bail!("data.held_out has `{both}` both in val and in test; keep one of them");
    }
    let mut others: Vec<_> = found
        .iter()
        .filter(|speaker| !held_out.val.contains(speaker) && !held_out.test.contains(speaker))
        .cloned()
        .collect();
    for speakers in [&mut held_out.test, &mut held_out.val] {
        if speakers.is_empty() {
            speakers.extend(others.pop());
        }
    }
    ensure!(
        !others.is_empty() && !held_out.val.is_empty() && !held_out.test.is_empty(),
        "{} has too few speakers ({}) to train, validate and test on different ones; use more, or \
         data.split_by = \"index\"",
        listing.dir.display(),
        names()
    );
    Ok(held_out)
}

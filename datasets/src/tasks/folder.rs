//! Any folder of files with one folder per class: `DIR/<class>/*.{wav,flac,ogg,mp3}`, `*.png` or
//! `*.txt`. What the files hold decides what is classified: samples, grey pixels or characters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use audio_data::corpus::default_rate;
use audio_data::layout::{Entry, LAYOUTS, Listing};
use audio_data::part::Part;
use program::exit::usage;
use program::files::CACHE;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use toml::Table;

use super::audio::{self, Labels, Reading};
use super::{Splits, Task};
use crate::classes::choose;
use crate::examples::pictures::{GreyPngs, common_size};
use crate::examples::recordings::{Extent, Standardisation};
use crate::examples::texts::{Texts, VOCABULARY};
use crate::formats::labelled_files::{Kind, LabelledFile, list};
use crate::section;
use crate::shape::{Shape, Target};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "folder",
    about: "files of your own, one folder per class",
    paper: include_str!("../../../configs/lra/folder.toml"),
    small: include_str!("../../../configs/lra/folder-small.toml"),
    has_sample_rate: true,
    source: "audio, PNG or text files in --data DIR/<class>/", // none is looked for
    ..Task::of::<Data>(load)
};

/// Where files are, and how they are read.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with one folder per class.
    dir: Option<PathBuf>,
    /// The classes, in the order of their numbers; all folders, by name, where it is missing. Kept
    /// with a run.
    classes: Option<Vec<String>>,
    /// Decides with a file's name which part the file is in.
    seed: u64,
    /// Samples, pixels or characters that are kept of a file; all where it is missing.
    max_length: Option<usize>,
    /// Of audio: samples per second that it is brought to; as most files have where it is missing.
    /// Kept with a run.
    sample_rate: Option<u32>,
    /// Of audio: keep every n-th sample, without a filter.
    every: Option<usize>,
    /// Of audio: what samples are standardised by; measured on the training files where it is
    /// missing. Kept with a run.
    scale: Option<Standardisation>,
    /// Folder that decoded audio is kept in, as `audio`; `data/cache` where it is missing.
    cache: Option<PathBuf>,
}

/// The files of a folder with classes and parts.
struct Labelled<'a> {
    dir: &'a Path,
    files: Vec<(LabelledFile, i64, Part)>,
    class_names: Vec<String>,
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    ensure!(settings.max_length != Some(0), "data.max_length is 0; it must be at least 1");
    let dir = settings.dir.as_deref().ok_or_else(|| {
        usage("the task `folder` is about files of your own: name their folder with --data DIR")
    })?;
    let (kind, files) = list(dir)?;
    let found: BTreeSet<_> = files.iter().map(|file| file.class.clone()).collect();
    let all = found.iter().cloned().collect();
    let class_names = choose(settings.classes.as_deref(), all, &found, dir)?;
    let labelled = |file: LabelledFile| {
        let class = class_names.iter().position(|name| *name == file.class)?;
        let part = file.part(settings.seed);
        Some((file, class as i64, part))
    };
    let files: Vec<_> = files.into_iter().filter_map(labelled).collect();
    for part in [Part::Train, Part::Val, Part::Test] {
        ensure!(
            files.iter().any(|(_, _, its)| *its == part),
            "of the {} files in {} none fell into the {part} part (80% train, 10% val, 10% test, by \
             a hash of their names); use more files, or another data.seed",
            files.len(),
            dir.display()
        );
    }
    let labelled = Labelled { dir, files, class_names: class_names.clone() };
    let classes = Some(class_names);
    let mut decided = Data { classes, ..settings.clone() };
    if kind != Kind::Audio {
        only_for_audio(&settings, kind)?;
    }
    let mut splits = match kind {
        Kind::Audio => {
            let (splits, sample_rate, scale) = audio(labelled, &settings, progress)?;
            (decided.sample_rate, decided.scale) = (Some(sample_rate), Some(scale));
            splits
        }
        Kind::Image => images(&labelled, &settings)?,
        Kind::Text => texts(&labelled, &settings)?,
    };
    splits.config = section::write(&decided)?;
    Ok(splits)
}

/// Refuses settings that would be without effect.
fn only_for_audio(settings: &Data, kind: Kind) -> Result<()> {
    for (name, given) in [
        ("sample_rate", settings.sample_rate.is_some()),
        ("every", settings.every.is_some()),
        ("scale", settings.scale.is_some()),
    ] {
        ensure!(!given, "data.{name} is about audio, but the folder has {kind} files");
    }
    Ok(())
}

fn audio(
    labelled: Labelled,
    settings: &Data,
    progress: bool,
) -> Result<(Splits, u32, Standardisation)> {
    let layout = LAYOUTS.iter().find(|layout| layout.name == "folder");
    let entry = |(file, _, _): &(LabelledFile, i64, Part)| Entry {
        path: file.path.clone(),
        split: None,
        label: Some(file.class.clone()),
        speaker: None,
    };
    let listing = Listing {
        dir: labelled.dir.to_owned(),
        layout: layout.context("audio-data has a layout for any folder")?,
        entries: labelled.files.iter().map(entry).collect(),
    };
    let sample_rate = match settings.sample_rate {
        Some(rate) => rate,
        None => default_rate(&listing)?,
    };
    let entries = labelled.files.iter().map(|&(_, class, part)| (class, part)).collect();
    let labels = Labels { listing, entries, class_names: labelled.class_names };
    let reading = Reading {
        cache: settings.cache.as_deref().unwrap_or(Path::new(CACHE)),
        sample_rate,
        extent: Extent::AtMost(max_length(settings)),
        every: settings.every.unwrap_or(1),
        scale: settings.scale,
        progress,
    };
    let (splits, scale) = audio::open(labels, &reading)?;
    Ok((splits, sample_rate, scale))
}

fn images(labelled: &Labelled, settings: &Data) -> Result<Splits> {
    let paths: Vec<_> =
        labelled.files.iter().map(|(file, _, _)| labelled.dir.join(&file.path)).collect();
    let size = common_size(&paths)?;
    let max_length = max_length(settings);
    let what = format!("PNG files of {} x {} pixels", size.0, size.1);
    splits(labelled, Input::Values { features: 1 }, &what, |files| {
        Ok(Split::new(GreyPngs { files, size, max_length }))
    })
}

fn texts(labelled: &Labelled, settings: &Data) -> Result<Splits> {
    let input = Input::Tokens { vocabulary: VOCABULARY };
    splits(labelled, input, "text files", |files| {
        Ok(Split::new(Texts::new(files, max_length(settings))?))
    })
}

fn splits(
    labelled: &Labelled,
    input: Input,
    what: &str,
    split: impl Fn(Vec<(PathBuf, i64)>) -> Result<Split>,
) -> Result<Splits> {
    let part = |part| -> Result<Split> {
        let members = labelled.files.iter().filter(|(_, _, its)| *its == part);
        split(members.map(|(file, class, _)| (labelled.dir.join(&file.path), *class)).collect())
    };
    let (train, val, test) = (part(Part::Train)?, part(Part::Val)?, part(Part::Test)?);
    let class_names = labelled.class_names.clone();
    let origin = format!(
        "{} {what} of {} classes in {}: {} to train on, {} to validate, {} to test",
        labelled.files.len(),
        class_names.len(),
        labelled.dir.display(),
        train.len(),
        val.len(),
        test.len()
    );
    let shape = Shape { input, target: Target::Classes(class_names) };
    Ok(Splits { shape, config: Table::new(), train, val, test, origin })
}

fn max_length(settings: &Data) -> usize {
    settings.max_length.unwrap_or(usize::MAX)
}

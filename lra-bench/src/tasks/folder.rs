//! Any folder of files with one folder a class: `DIR/<class>/*.{wav,flac,ogg,mp3}`, `*.png` or
//! `*.txt`. What the files hold decides what is classified: samples, grey pixels or characters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use audio_data::corpus::default_rate;
use audio_data::layout::{Entry, LAYOUTS, Listing};
use audio_data::split::Split as Part;
use program::exit::usage;

use super::audio::{Labels, open as open_audio};
use super::{Split, Splits, Task};
use crate::data::classes::choose;
use crate::data::grey_png::{GreyPngs, common_size};
use crate::data::labelled_files::{Kind, LabelledFile, list};
use crate::data::recordings::Extent;
use crate::data::text_files::{Texts, VOCABULARY};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "folder",
    about: "files of your own, one folder a class",
    length: None,
    classes: None,
    paper_accuracy: None,
    paper: include_str!("../../../configs/lra/folder.toml"),
    small: include_str!("../../../configs/lra/folder-small.toml"),
    data_keys: &["dir", "cache", "seed", "classes", "max_length", "sample_rate", "every", "scale"],
    source: "audio, PNG or text files in --data DIR/<class>/",
    // Any folder may hold files of someone's own; none is looked for.
    is_there: |_| false,
    open,
};

const DEFAULT_SEED: u64 = 0;

/// The files of a folder with classes and parts.
struct Labelled<'a> {
    dir: &'a Path,
    files: Vec<(LabelledFile, i64, Part)>,
    class_names: Vec<String>,
}

fn open(config: &DataConfig) -> Result<Splits> {
    let dir = config.dir.as_deref().ok_or_else(|| {
        usage("the task `folder` is about files of your own: name their folder with --data DIR")
    })?;
    let (kind, files) = list(dir)?;
    let found: BTreeSet<_> = files.iter().map(|file| file.class.clone()).collect();
    let all = found.iter().cloned().collect();
    let class_names = choose(config.classes.as_deref(), all, &found, dir)?;
    let seed = config.seed.unwrap_or(DEFAULT_SEED);
    let labelled = |file: LabelledFile| {
        let class = class_names.iter().position(|name| *name == file.class)?;
        let part = file.part(seed);
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
    let labelled = Labelled { dir, files, class_names };
    let mut splits = match kind {
        Kind::Audio => audio(labelled, config)?,
        Kind::Image => {
            only_for_audio(config, kind)?;
            images(&labelled, config)?
        }
        Kind::Text => {
            only_for_audio(config, kind)?;
            texts(&labelled, config)?
        }
    };
    splits.config.classes = Some(splits.class_names.clone());
    Ok(splits)
}

/// Refuses settings that would be without effect.
fn only_for_audio(config: &DataConfig, kind: Kind) -> Result<()> {
    for name in config.given() {
        if ["sample_rate", "every", "scale"].contains(&name) {
            bail!("data.{name} is about audio, but the folder has {kind} files");
        }
    }
    Ok(())
}

fn audio(labelled: Labelled, config: &DataConfig) -> Result<Splits> {
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
    let rate = match config.sample_rate {
        Some(rate) => rate,
        None => default_rate(&listing)?,
    };
    let entries = labelled.files.iter().map(|&(_, class, part)| (class, part)).collect();
    let labels = Labels { listing, entries, class_names: labelled.class_names };
    open_audio(&labels, rate, Extent::AtMost(max_length(config)), config)
}

fn images(labelled: &Labelled, config: &DataConfig) -> Result<Splits> {
    let paths: Vec<_> =
        labelled.files.iter().map(|(file, _, _)| labelled.dir.join(&file.path)).collect();
    let size = common_size(&paths)?;
    let max_length = max_length(config);
    let what = format!("PNG files of {} x {} pixels", size.0, size.1);
    splits(labelled, config, InputKind::Values { features: 1 }, &what, |files| {
        Ok(Arc::new(GreyPngs { files, size, max_length }))
    })
}

fn texts(labelled: &Labelled, config: &DataConfig) -> Result<Splits> {
    let input = InputKind::Tokens { vocabulary: VOCABULARY };
    splits(labelled, config, input, "text files", |files| {
        Ok(Arc::new(Texts::new(files, max_length(config))?))
    })
}

fn splits(
    labelled: &Labelled,
    config: &DataConfig,
    input: InputKind,
    what: &str,
    split: impl Fn(Vec<(PathBuf, i64)>) -> Result<Split>,
) -> Result<Splits> {
    let part = |part| -> Result<Split> {
        let members = labelled.files.iter().filter(|(_, _, its)| *its == part);
        split(members.map(|(file, class, _)| (labelled.dir.join(&file.path), *class)).collect())
    };
    let (train, val, test) = (part(Part::Train)?, part(Part::Val)?, part(Part::Test)?);
    let classes = labelled.class_names.len();
    let origin = format!(
        "{} {what} of {classes} classes in {}: {} to train on, {} to validate, {} to test",
        labelled.files.len(),
        labelled.dir.display(),
        train.len(),
        val.len(),
        test.len()
    );
    Ok(Splits {
        shape: Shape { input, classes: classes as i64, pairs: false },
        class_names: labelled.class_names.clone(),
        config: config.clone(),
        train,
        val,
        test,
        origin,
    })
}

fn max_length(config: &DataConfig) -> usize {
    config.max_length.unwrap_or(usize::MAX)
}

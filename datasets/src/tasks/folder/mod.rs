//! Any folder of files with one folder per class: sound, pictures (PNG, JPEG), text (`*.txt`) or arrays
//! (`.npy`, `.npz`, `.csv`). What the files hold decides what is classified: samples, grey pixels,
//! characters or features.

mod arrays;
mod division;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, ensure};
use audio_data::corpus::default_rate;
use audio_data::layout::{Entry, LAYOUTS, Listing};
use audio_data::part::Part;
use audio_data::split::Names;
use program::config::to_table;
use program::exit::{describe, usage};
use program::files::{self, CACHE};
use program::findings::{self, Findings};
use program::interrupt;
use program::progress::Progress;
use rayon::prelude::*;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use toml::Table;

use self::division::{Borders, Division, SplitBy};
use super::audio::{self, Labels, Reading, SCALE};
use super::{Splits, Task};
use crate::batch::Sequences;
use crate::classes::choose;
use crate::examples::images::Colour;
use crate::examples::pictures::{self, Pictures, Size};
use crate::examples::recordings::{Extent, Form, Standardisation};
use crate::examples::texts::{PADDING, Texts, VOCABULARY, is_text_name, text, tokens};
use crate::formats::array;
use crate::formats::labelled_files::{Kind, LabelledFile, Listed, list};
use crate::inputs::{Inputs, decided};
use crate::medium::Medium;
use crate::provenance::Provenance;
use crate::shape::{Shape, Target};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "folder",
    about: "files of your own, one folder per class",
    paper: include_str!("../../../../configs/lra/folder.toml"),
    small: include_str!("../../../../configs/lra/folder-small.toml"),
    has_sample_rate: true,
    source: "audio, PNG, JPEG, text files or arrays in --data DIR/<class>/", // none is looked for
    read: Some(inputs),
    provenance,
    ..Task::of::<Data>(load)
};

/// Pixels.
const GREY: Input = Input::Values { features: 1 };
/// Characters.
const TEXT: Input = Input::Tokens { vocabulary: VOCABULARY };

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
    /// What the files hold: `audio`, `image`, `text` or `array`; the one kind that is there where it is missing.
    /// Kept with a run.
    kind: Option<Kind>,
    /// Decides with a file's name which part the file is in.
    seed: u64,
    /// What of a name decides: `nfc`, its normal form, the same on macOS and elsewhere, or
    /// `as-they-are`, as in runs from before this setting.
    names: Names,
    /// What divides the files: the hash in each class by itself, which has its share in each part
    /// (`stratified`), the hash where every `class` has a file to train on, or only the hash of the
    /// `path`, as in runs from before this setting.
    split_by: SplitBy,
    /// Files that are trained on because their class had no others. Kept with a run, so that none of
    /// them moves when others come.
    to_train: Option<Vec<String>>,
    /// Of `stratified` classes the hashes at which validation and test begin; as the files have it
    /// where it is missing. Kept with a run, so that none moves when others come.
    borders: Option<Borders>,
    /// Samples, pixels, characters or positions that are kept of a file; all where it is missing.
    max_length: Option<usize>,
    /// Of pictures: width and height; as the files have where it is missing. Kept with a run.
    size: Option<Size>,
    /// Of arrays: what each feature is standardised by; measured on the training files where it is
    /// missing. Kept with a run.
    features: Option<Vec<Standardisation>>,
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
    findings: Findings,
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(&settings)?;
    let dir = settings.dir.as_deref().ok_or_else(|| {
        usage("the task `folder` is about files of your own: name their folder with --data DIR")
    })?;
    let Listed { kind, files, classes, mut findings } = list(dir, settings.kind)?;
    let all = classes.iter().cloned().collect();
    let class_names = choose(settings.classes.as_deref(), all, &classes, dir)?;
    for class in classes.iter().filter(|class| !class_names.contains(class)) {
        let count = files.iter().filter(|file| file.class == **class).count();
        findings.leave_out("classes that the run does not know", format!("{class}, {count} files"));
    }
    let files: Vec<_> =
        files.into_iter().filter(|file| class_names.contains(&file.class)).collect();
    let (files, size) = match kind {
        Kind::Audio => (files, None),
        Kind::Image | Kind::Text | Kind::Array => {
            readable(dir, files, kind, progress, &mut findings)?
        }
    };
    for class in &class_names {
        ensure!(
            files.iter().any(|file| file.class == *class),
            "the class `{class}` has no {kind} file that can be read in {}; put some there, or \
             remove its folder{}",
            dir.join(class).display(),
            match findings.left_out() {
                none if none.is_empty() => none,
                left_out => format!(" (left out: {left_out})"),
            }
        );
    }
    let division = Division::new(&settings, &files, &class_names);
    let labelled = |file: LabelledFile| {
        let class = class_names.iter().position(|name| *name == file.class)?;
        let part = division.part(&file);
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
        for (number, name) in class_names.iter().enumerate() {
            if !files.iter().any(|(_, class, its)| (*class, *its) == (number as i64, part)) {
                findings.note(format!("classes without a file in the {part} part"), name);
            }
        }
    }
    let labelled = Labelled { dir, files, class_names: class_names.clone(), findings };
    let Division { to_train, borders, .. } = division;
    let (classes, kept) = (Some(class_names), Some(kind));
    let mut decided = Data { classes, to_train, borders, kind: kept, ..settings.clone() };
    refuse_others(&settings, kind)?;
    let mut splits = match kind {
        Kind::Audio => {
            let (splits, sample_rate, scale) = audio(labelled, &settings, max_length, progress)?;
            (decided.sample_rate, decided.scale) = (Some(sample_rate), Some(scale));
            splits
        }
        Kind::Image => {
            let size = size.context("there are no pictures")?;
            decided.size = Some(size);
            images(labelled, size, settings.size, max_length)?
        }
        Kind::Text => texts(labelled, max_length)?,
        Kind::Array => {
            let given = settings.features.as_deref();
            let (splits, features) = arrays::open(labelled, given, max_length)?;
            decided.features = Some(features);
            splits
        }
    };
    splits.config = to_table(&decided)?;
    Ok(splits)
}

/// The files that can be read, and the size of pictures; the others are told. Pictures and arrays are
/// read to their ends: training is to end with no surprise.
fn readable(
    dir: &Path,
    files: Vec<LabelledFile>,
    kind: Kind,
    progress: bool,
    findings: &mut Findings,
) -> Result<(Vec<LabelledFile>, Option<Size>)> {
    let paths: Vec<_> = files.iter().map(|file| dir.join(&file.path)).collect();
    let total = paths.len() as u64;
    let progress = Progress::new(progress, 0, total);
    let done = AtomicU64::new(0);
    let outcomes = match kind {
        Kind::Image => {
            let count = || progress.count(done.fetch_add(1, Relaxed) + 1, total, "pictures read");
            let checked = pictures::check(&paths, &count);
            checked?.into_iter().map(|checked| checked.map(Some)).collect()
        }
        Kind::Array => {
            let read = |path: &PathBuf| {
                interrupt::check()?;
                let read = array::read(path).map(|_| None);
                progress.count(done.fetch_add(1, Relaxed) + 1, total, "arrays read");
                Ok(read)
            };
            paths.par_iter().map(read).collect::<Result<_>>()?
        }
        _ => {
            let open = |path| File::open(path).map(|_| None).context("you may not read it");
            paths.iter().map(open).collect::<Vec<Result<_>>>()
        }
    };
    progress.finish();
    let mut readable = Vec::new();
    let (mut sizes, mut skipped) = (Vec::new(), Vec::new());
    for ((file, path), outcome) in files.into_iter().zip(&paths).zip(outcomes) {
        match outcome {
            Ok(size) => {
                sizes.extend(size.map(|size| (&**path, size)));
                readable.push(file);
            }
            Err(error) => {
                findings.leave_out(format!("{kind} files that cannot be read"), &file.path);
                skipped.push((file.path, describe(&error)));
            }
        }
    }
    findings::tell_skipped(&skipped, "");
    Ok((readable, pictures::common_size(sizes)?))
}

/// Refuses settings that would be without effect.
fn refuse_others(settings: &Data, kind: Kind) -> Result<()> {
    for (name, given, its) in [
        ("sample_rate", settings.sample_rate.is_some(), Kind::Audio),
        ("every", settings.every.is_some(), Kind::Audio),
        ("scale", settings.scale.is_some(), Kind::Audio),
        ("size", settings.size.is_some(), Kind::Image),
        ("features", settings.features.is_some(), Kind::Array),
    ] {
        ensure!(
            !given || its == kind,
            "data.{name} is about {its} files, but the folder has {kind} files"
        );
    }
    Ok(())
}

fn audio(
    labelled: Labelled,
    settings: &Data,
    max_length: usize,
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
        findings: labelled.findings,
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
        extent: Extent::AtMost(max_length),
        every: settings.every.unwrap_or(1),
        scale: settings.scale,
        progress,
    };
    let (splits, scale) = audio::open(labels, &reading)?;
    Ok((splits, sample_rate, scale))
}

fn images(
    labelled: Labelled,
    size: Size,
    expected: Option<Size>,
    max_length: usize,
) -> Result<Splits> {
    if let Some((width, height)) = expected {
        ensure!(
            size == (width, height),
            "the pictures have {} x {} pixels, but data.size is {width} x {height}; scale or crop them",
            size.0,
            size.1
        );
    }
    let is_png = |(file, _, _): &(LabelledFile, i64, Part)| {
        file.path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("png"))
    };
    let kind = if labelled.files.iter().all(is_png) { "PNG" } else { "PNG and JPEG" };
    let what = format!("{kind} files of {} x {} pixels", size.0, size.1);
    let splits = splits(labelled, GREY, &what, |files| {
        Ok(Split::new(Pictures { files, size, max_length }))
    })?;
    Ok(Splits { medium: Medium::pictures(size.0 as usize), ..splits })
}

fn texts(labelled: Labelled, max_length: usize) -> Result<Splits> {
    let splits = splits(labelled, TEXT, "text files", |files| {
        Ok(Split::new(Texts::new(files, max_length)?))
    })?;
    Ok(Splits { medium: Medium::Text(Arc::new(text)), ..splits })
}

fn splits(
    labelled: Labelled,
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
    let (config, findings) = (Table::new(), labelled.findings);
    Ok(Splits { shape, medium: Medium::Series, config, train, val, test, origin, findings })
}

fn max_length(settings: &Data) -> Result<usize> {
    ensure!(settings.max_length != Some(0), "data.max_length is 0; it must be at least 1");
    Ok(settings.max_length.unwrap_or(usize::MAX))
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { dir, kind, size, features, sample_rate, every, .. } = task.settings(data)?;
    let name = dir.as_deref().and_then(Path::file_name).unwrap_or_default();
    let mut provenance =
        Provenance { words: name.to_string_lossy().into_owned(), ..Provenance::default() };
    if let Some(kind) = kind {
        provenance = provenance.with(&kind.to_string());
    }
    if let Some(features) = features {
        provenance = provenance.with(&format!("{} features", features.len()));
    }
    if let Some((width, height)) = size {
        provenance = provenance.with(&format!("{width} x {height}"));
    }
    if let Some(sample_rate) = sample_rate {
        provenance = provenance.with(&audio::rate(sample_rate, every.unwrap_or(1)));
    }
    Ok(provenance)
}

/// Files of the kind that the run's folder had.
fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(&settings)?;
    let classes = decided(settings.classes, "classes", "[\"a\", \"b\"]")?;
    // Runs from before `kind` have a scale if their files are audio.
    let kind = settings.kind.or(settings.scale.map(|_| Kind::Audio));
    let target = Target::Classes(classes.clone());
    match decided(kind, "kind", "\"image\"")? {
        Kind::Audio => {
            let form = Form {
                extent: Extent::AtMost(max_length),
                every: settings.every.unwrap_or(1),
                standardisation: decided(settings.scale, "scale", SCALE)?,
            };
            audio::inputs(classes, decided(settings.sample_rate, "sample_rate", "8000")?, form)
        }
        Kind::Image => {
            let size = decided(settings.size, "size", "[28, 28]")?;
            let shape = Shape { input: GREY, target };
            Ok(Inputs::pictures(shape, size, Colour::Grey, move |pixels| {
                Sequences::Bytes(pixels[..pixels.len().min(max_length)].to_vec())
            }))
        }
        Kind::Array => {
            let example = "[{ mean = 0.0, std = 1.0 }]";
            let features = decided(settings.features, "features", example)?;
            arrays::inputs(classes, features, max_length)
        }
        Kind::Text => Ok(Inputs {
            shape: Shape { input: TEXT, target },
            padding: Some(PADDING),
            about: "texts (.txt)".to_owned(),
            takes: is_text_name,
            file: Some(Box::new(move |path| {
                let text = File::open(path).and_then(|text| tokens(text, max_length));
                Ok(vec![text.map_err(files::cannot("read", path))?])
            })),
            line: Some(Box::new(move |line| Ok(vec![tokens(line.as_bytes(), max_length)?]))),
        }),
    }
}

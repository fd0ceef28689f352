//! Any folder of files with one folder per class, or with `targets.csv`, the numbers that are asked for
//! of each: sound, pictures (PNG, JPEG), text (`*.txt`) or arrays (`.npy`, `.npz`, `.csv`). What the files
//! hold decides what goes in: samples, grey pixels, characters or features.

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
use program::names::composed;
use program::progress::Progress;
use rayon::prelude::*;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use toml::{Table, Value};

use self::division::{Borders, Division, SplitBy};
use super::audio::{self, Labels, Reading, SCALE};
use super::{Splits, Task};
use crate::batch::{Label, Sequences};
use crate::classes::choose;
use crate::examples::images::Colour;
use crate::examples::pictures::{self, Pictures, Size};
use crate::examples::recordings::{Extent, Form, Standardisation};
use crate::examples::texts::{PADDING, Texts, VOCABULARY, is_text_name, text, tokens};
use crate::examples::view::{CodesConfig, View};
use crate::formats::array;
use crate::formats::labelled_files::{ALL, Kind, LabelledFile, Listed, list};
use crate::formats::targets::{self, Targets};
use crate::inputs::{Inputs, decided};
use crate::medium::{self, Medium};
use crate::metric::Metric;
use crate::provenance::Provenance;
use crate::shape::{Quantity, Shape, Target};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "folder",
    about: "files of your own, in classes or with targets",
    metric,
    paper: include_str!("../../../../configs/lra/folder.toml"),
    small: include_str!("../../../../configs/lra/folder-small.toml"),
    has_sample_rate: true,
    source: "audio, PNG, JPEG, text files or arrays in --data DIR, DIR/<class>/ or with DIR/targets.csv", // none is looked for
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
    /// Folder with one folder per class, or with files and their targets.
    dir: Option<PathBuf>,
    /// The classes, in the order of their numbers; all folders, by name, where it is missing. Kept
    /// with a run.
    classes: Option<Vec<String>>,
    /// The CSV file with a heading `file,NAME,...` and the targets of each file, from `dir`; `targets.csv`
    /// where it is missing, that file is there and no classes are named. With it, folders are no
    /// classes. Kept with a run.
    targets: Option<PathBuf>,
    /// Of targets: the name of each, and what it is standardised by; all columns, measured on the
    /// training files, where it is missing. Kept with a run.
    values: Option<Vec<Quantity>>,
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
    /// Of audio: make samples codes, the tokens of models of raw audio (runs of `sashimi`): `{ companding = "mu-law",
    /// bits = 8, scaling = "recording" }`.
    codes: Option<CodesConfig>,
    /// Folder that decoded audio is kept in, as `audio`; `data/cache` where it is missing.
    cache: Option<PathBuf>,
}

/// The files of a folder with labels and parts.
struct Labelled<'a> {
    dir: &'a Path,
    files: Vec<(LabelledFile, Label, Part)>,
    target: Target,
    findings: Findings,
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(&settings)?;
    let dir = settings.dir.as_deref().ok_or_else(|| {
        usage("the task `folder` is about files of your own: name their folder with --data DIR")
    })?;
    let targets = targets_file(&settings, dir)?;
    let Listed { kind, files, classes, mut findings } =
        list(dir, settings.kind, targets.as_deref())?;
    let table = match &targets {
        Some(targets) => Some(read_targets(&settings, &dir.join(targets))?),
        None => None,
    };
    // Files are divided class by class.
    let class_names = match table {
        Some(_) => vec![ALL.to_owned()],
        None => {
            let all = classes.iter().cloned().collect();
            choose(settings.classes.as_deref(), all, &classes, dir)?
        }
    };
    for class in classes.iter().filter(|class| !class_names.contains(class)) {
        let count = files.iter().filter(|file| file.class == **class).count();
        findings.leave_out("classes that the run does not know", format!("{class}, {count} files"));
    }
    let mut files: Vec<_> =
        files.into_iter().filter(|file| class_names.contains(&file.class)).collect();
    if let Some(table) = &table {
        files = with_targets(dir, files, table, &mut findings);
    }
    let (files, size) = match kind {
        Kind::Audio => (files, None),
        Kind::Image | Kind::Text | Kind::Array => {
            readable(dir, files, kind, progress, &mut findings)?
        }
    };
    let left_out = || match findings.left_out() {
        none if none.is_empty() => none,
        left_out => format!(" (left out: {left_out})"),
    };
    for class in &class_names {
        let has_files = files.iter().any(|file| file.class == *class);
        match &targets {
            Some(targets) => ensure!(
                has_files,
                "no {kind} file that can be read has targets in {}{}",
                dir.join(targets).display(),
                left_out()
            ),
            None => ensure!(
                has_files,
                "the class `{class}` has no {kind} file that can be read in {}; put some there, or \
                 remove its folder{}",
                dir.join(class).display(),
                left_out()
            ),
        }
    }
    let division = Division::new(&settings, &files, &class_names);
    let labelled = |file: LabelledFile| {
        let label = match &table {
            Some(table) => Label::Values(table.row(&file.path)?.values.clone().ok()?),
            None => {
                let class = class_names.iter().position(|name| *name == file.class)?;
                Label::Class(class as i64)
            }
        };
        let part = division.part(&file);
        Some((file, label, part))
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
        for name in &class_names {
            if !files.iter().any(|(file, _, its)| (&file.class, *its) == (name, part)) {
                findings.note(format!("classes without a file in the {part} part"), name);
            }
        }
    }
    let Division { to_train, borders, .. } = division;
    let mut decided =
        Data { to_train, borders, kind: Some(kind), targets: targets.clone(), ..settings.clone() };
    let target = match table {
        Some(Targets { names, .. }) => {
            let plain = || names.into_iter().map(Quantity::plain).collect();
            Target::Values(settings.values.clone().unwrap_or_else(plain))
        }
        None => {
            decided.classes = Some(class_names.clone());
            Target::Classes(class_names)
        }
    };
    let labelled = Labelled { dir, files, target, findings };
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
    if let Target::Values(quantities) = &mut splits.shape.target {
        if settings.values.is_none() {
            measure(quantities, &splits.train)?;
        }
        decided.values = Some(quantities.clone());
    }
    splits.config = to_table(&decided)?;
    Ok(splits)
}

/// Measures targets on the examples of a split.
fn measure(quantities: &mut [Quantity], train: &Split) -> Result<()> {
    let labels = (0..train.len()).map(|index| train.label(index)).collect::<Result<Vec<_>>>()?;
    for (column, quantity) in quantities.iter_mut().enumerate() {
        let values = labels.iter().filter_map(|label| match label {
            Label::Values(values) => values.get(column).copied(),
            _ => None,
        });
        *quantity = Quantity::measure(&quantity.name, &values.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The table of targets, from `dir`, where the settings or the folder have one.
fn targets_file(settings: &Data, dir: &Path) -> Result<Option<PathBuf>> {
    let Data { classes, targets, values, .. } = settings;
    let has_classes = classes.is_some();
    ensure!(
        !has_classes || targets.is_none() && values.is_none(),
        "data.classes is about folders that are classes, data.{} about targets; leave one out",
        if targets.is_some() { "targets" } else { "values" }
    );
    let default = || {
        let is_there = !has_classes && dir.join(targets::NAME).is_file();
        (is_there || values.is_some()).then(|| PathBuf::from(targets::NAME))
    };
    Ok(targets.clone().or_else(default))
}

fn read_targets(settings: &Data, path: &Path) -> Result<Targets> {
    let Some(values) = &settings.values else { return Targets::read(path, None) };
    values.iter().try_for_each(Quantity::validate).context("data.values")?;
    let names: Vec<&str> = values.iter().map(|quantity| quantity.name.as_str()).collect();
    Targets::read(path, Some(&names))
}

/// The files with a number for each target; the others, and rows that are about no file, are told.
fn with_targets(
    dir: &Path,
    files: Vec<LabelledFile>,
    table: &Targets,
    findings: &mut Findings,
) -> Vec<LabelledFile> {
    // What is there and is not listed, has been told.
    for path in table.paths().filter(|path| !dir.join(path).exists()) {
        let is_listed = files.iter().any(|file| composed(&file.path.to_string_lossy()) == *path);
        if !is_listed {
            findings.leave_out("rows of targets without a file", path);
        }
    }
    let mut skipped = Vec::new();
    let mut has_targets = |file: &LabelledFile| match table.row(&file.path).map(|row| &row.values) {
        Some(Ok(_)) => true,
        Some(Err(reason)) => {
            findings.leave_out("files with a target that is no number", &file.path);
            skipped.push((file.path.clone(), reason.clone()));
            false
        }
        None => {
            findings.leave_out("files without a row of targets", &file.path);
            false
        }
    };
    let files = files.into_iter().filter(&mut has_targets).collect();
    findings::tell_skipped(&skipped, "");
    files
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
        ("codes", settings.codes.is_some(), Kind::Audio),
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
    let entry = |(file, _, _): &(LabelledFile, Label, Part)| Entry {
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
    let entries = labelled.files.into_iter().map(|(_, label, part)| (label, part)).collect();
    let labels = Labels { listing, entries, target: labelled.target };
    let reading = Reading {
        cache: settings.cache.as_deref().unwrap_or(Path::new(CACHE)),
        sample_rate,
        extent: Extent::AtMost(max_length),
        every: settings.every.unwrap_or(1),
        scale: settings.scale,
        mel: None,
        codes: settings.codes.as_ref(),
        variants: 0,
        noise: &[],
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
    let is_png = |(file, _, _): &(LabelledFile, Label, Part)| {
        file.path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("png"))
    };
    let kind = if labelled.files.iter().all(is_png) { "PNG" } else { "PNG and JPEG" };
    let what = format!("{kind} files of {} x {} pixels", size.0, size.1);
    let splits = splits(labelled, GREY, &what, |files| {
        Ok(Split::new(Pictures { files, size, max_length }))
    })?;
    Ok(Splits { medium: Medium::Pictures(medium::Pictures::grey(size.0 as usize)), ..splits })
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
    split: impl Fn(Vec<(PathBuf, Label)>) -> Result<Split>,
) -> Result<Splits> {
    let part = |part| -> Result<Split> {
        let members = labelled.files.iter().filter(|(_, _, its)| *its == part);
        let item = |(file, label, _): &(LabelledFile, Label, _)| {
            (labelled.dir.join(&file.path), label.clone())
        };
        split(members.map(item).collect())
    };
    let (train, val, test) = (part(Part::Train)?, part(Part::Val)?, part(Part::Test)?);
    let origin = format!(
        "{} {what} {} in {}: {} to train on, {} to validate, {} to test",
        labelled.files.len(),
        labelled.target.words(),
        labelled.dir.display(),
        train.len(),
        val.len(),
        test.len()
    );
    let shape = Shape { input, target: labelled.target };
    let (config, findings) = (Table::new(), labelled.findings);
    Ok(Splits { shape, medium: Medium::Series, config, train, val, test, origin, findings })
}

fn max_length(settings: &Data) -> Result<usize> {
    ensure!(settings.max_length != Some(0), "data.max_length is 0; it must be at least 1");
    Ok(settings.max_length.unwrap_or(usize::MAX))
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { dir, kind, values, size, features, sample_rate, every, .. } = task.settings(data)?;
    let name = dir.as_deref().and_then(Path::file_name).unwrap_or_default();
    let mut provenance =
        Provenance { words: name.to_string_lossy().into_owned(), ..Provenance::default() };
    if let Some(kind) = kind {
        provenance = provenance.with(&kind.to_string());
    }
    if let Some(quantities) = values {
        provenance = provenance.with(&Target::Values(quantities).words());
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

/// By the root of the mean squared error where there is one target. The errors of several are in
/// different units, and are together in the loss alone.
fn metric(data: &Table) -> Option<Metric> {
    match data.get("values").and_then(Value::as_array) {
        Some(values) if values.len() == 1 => Some(Metric::RMSE),
        Some(_) => Some(Metric::LOSS),
        None => data.contains_key("classes").then_some(Metric::ACCURACY),
    }
}

/// Files of the kind that the run's folder had.
fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(&settings)?;
    let target = match settings.values {
        Some(quantities) => Target::Values(quantities),
        None => Target::Classes(decided(settings.classes, "classes", "[\"a\", \"b\"]")?),
    };
    // Runs from before `kind` have a scale if their files are audio.
    let kind = settings.kind.or(settings.scale.map(|_| Kind::Audio));
    match decided(kind, "kind", "\"image\"")? {
        Kind::Audio => {
            let sample_rate = decided(settings.sample_rate, "sample_rate", "8000")?;
            let form = Form {
                extent: Extent::AtMost(max_length),
                every: settings.every.unwrap_or(1),
                standardisation: decided(settings.scale, "scale", SCALE)?,
                view: View::new(None, settings.codes.as_ref(), sample_rate)?,
            };
            audio::inputs(target, sample_rate, form)
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
            arrays::inputs(target, features, max_length)
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

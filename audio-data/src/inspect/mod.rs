//! What a person needs to know about audio files before training on them.

mod measure;
mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Error, Result, ensure};
use indicatif::HumanCount;
use program::findings::Findings;
use rayon::prelude::*;
use serde::Serialize;

use self::measure::{Levels, Measure};
use dsp::resample::RATES;

use crate::layout::{self, Entry, Listing};
use crate::part::Part;
use crate::read::{Reader, Remark};

/// Shorter files are probably fragments, in seconds.
const SHORT: f64 = 0.1;
/// A larger share of clipped samples can be heard.
const CLIPPED: f64 = 1e-4;
/// A larger mean, of full scale, costs codes and is no sound.
const OFFSET: f64 = 0.01;

/// All that was found out.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file or folder that was inspected.
    pub path: String,
    /// Audio files in it.
    pub files: usize,
    /// Those of them that can be read to their end.
    pub readable: usize,
    /// Duration of all readable files together.
    pub seconds: f64,
    /// Shortest, median and longest, where a file is readable.
    pub lengths: Option<Lengths>,
    /// How many files there are of each rate in Hz.
    pub rates: BTreeMap<u32, usize>,
    /// How many files there are of each number of channels.
    pub channels: BTreeMap<u16, usize>,
    /// How many files there are of each encoding.
    pub encodings: BTreeMap<String, usize>,
    /// Levels of all readable files together.
    pub levels: Levels,
    /// What the folder is taken for, or why it is not recognised; nothing for a single file.
    pub layout: Option<LayoutReport>,
    /// Rate in Hz that the recommendations assume: what was asked for, else what the layout usually
    /// has, else what most files have.
    pub rate: Option<u32>,
    /// What else is in the folder, and what is read although something is wrong with it, by kind.
    pub findings: Findings,
    /// What may need attention, by kind and then by path.
    pub problems: Vec<Problem>,
    /// What to do or to know, in words.
    pub recommendations: Vec<String>,
    /// Each file.
    pub each: Vec<FileReport>,
}

/// How long files are.
#[derive(Debug, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub shortest: Length,
    /// In seconds; of an even number of files, the mean of the two in the middle.
    pub median: f64,
    /// The longest.
    pub longest: Length,
}

/// A file and its length.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Length {
    /// Path from the inspected folder.
    pub path: String,
    /// Its duration.
    pub seconds: f64,
}

/// What a folder is taken for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutReport {
    /// A layout of the table.
    Found {
        /// Its name in configs.
        name: &'static str,
        /// What it is.
        about: &'static str,
        /// Files that belong to it; others lie in the folder too.
        files: usize,
        /// Files in each part, where the data set has its own.
        parts: Option<BTreeMap<Part, usize>>,
    },
    /// It looks like one, but something is wrong.
    Unclear(String),
}

/// What may need attention in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// Kind of the problem.
    pub kind: ProblemKind,
    /// Path from the inspected folder.
    pub path: String,
    /// How bad it is, or why.
    pub detail: String,
}

/// Kinds of problems, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// It cannot be read to its end.
    Unreadable,
    /// Nothing is louder than -60 dBFS.
    Silent,
    /// Runs of equal samples at full scale.
    Clipped,
    /// The mean is not 0.
    DcOffset,
    /// Shorter than a tenth of a second.
    Short,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Path from the inspected folder.
    pub path: String,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is in it, where it can be read.
    #[serde(flatten)]
    pub sound: Option<Sound>,
}

/// What is in a readable file. Levels are those of the mean of its channels.
#[derive(Debug, Serialize)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// Such as "16-bit PCM".
    pub encoding: String,
    /// Samples in each channel.
    pub frames: u64,
    /// Its duration.
    pub seconds: f64,
    /// How loud it is.
    #[serde(flatten)]
    pub levels: Levels,
    /// What is to be said about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

/// Reads all audio in a folder, or one file, with all cores.
///
/// `rate` is the one that training would use, if that is known. `progress` is called, from any
/// thread, with how many files of how many are done.
///
/// # Errors
/// If there is nothing at `path`, if a folder holds no audio files, if a single file cannot be read,
/// or if `rate` is absurd. Files in a folder that cannot be read are part of the report.
pub fn inspect(
    path: &Path,
    rate: Option<u32>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Report> {
    if let Some(rate) = rate {
        ensure!(RATES.contains(&rate), "a rate of {rate} Hz; choose one from 1000 to 768000");
    }
    let metadata = path
        .metadata()
        .with_context(|| format!("cannot open {}; check the path", path.display()))?;
    let name = path.to_string_lossy().into_owned();
    if !metadata.is_dir() {
        let each =
            vec![FileReport { path: name.clone(), error: None, sound: Some(Sound::of(path)?) }];
        return Ok(Report::new(name, each, None, rate, Findings::default()));
    }
    let Listing { entries, findings, .. } = layout::open(path, "folder")?;
    let (layout, usual_rate) = recognise(path);
    let done = AtomicUsize::new(0);
    let read = |entry: &Entry| {
        let report = FileReport::of(path, &entry.path);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, entries.len());
        report
    };
    let each = entries.par_iter().map(read).collect();
    Ok(Report::new(name, each, Some(layout), rate.or(usual_rate), findings))
}

/// What a folder is taken for, and the rate that it usually has.
fn recognise(dir: &Path) -> (LayoutReport, Option<u32>) {
    let listing = match layout::detect(dir) {
        Ok(listing) => listing,
        Err(error) => return (LayoutReport::Unclear(format!("{error:#}")), None),
    };
    let size = |split| listing.entries.iter().filter(|entry| entry.split == Some(split)).count();
    let parts = [Part::Train, Part::Val, Part::Test].map(|part| (part, size(part)));
    let layout = LayoutReport::Found {
        name: listing.layout.name,
        about: listing.layout.about,
        files: listing.entries.len(),
        parts: listing.entries.iter().any(|entry| entry.split.is_some()).then(|| parts.into()),
    };
    (layout, listing.layout.rate)
}

impl FileReport {
    fn of(dir: &Path, file: &Path) -> Self {
        let path = file.to_string_lossy().into_owned();
        match Sound::of(&dir.join(file)) {
            Ok(sound) => Self { path, error: None, sound: Some(sound) },
            Err(error) => Self { path, error: Some(reason(&error)), sound: None },
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |kind, detail| {
            problems.push(Problem { kind, path: self.path.clone(), detail });
        };
        if let Some(error) = &self.error {
            add(ProblemKind::Unreadable, error.clone());
        }
        let Some(Sound { seconds, levels, .. }) = &self.sound else { return problems };
        match levels.peak_dbfs {
            None => add(ProblemKind::Silent, "digital silence".to_owned()),
            Some(peak) if levels.silent >= 1.0 => {
                add(ProblemKind::Silent, format!("never above {peak:.0} dBFS"));
            }
            _ => {}
        }
        if levels.clipped >= CLIPPED {
            let share = 100.0 * levels.clipped;
            add(ProblemKind::Clipped, format!("{share:.2}% of its samples"));
        }
        if levels.offset.abs() >= OFFSET {
            let share = 100.0 * levels.offset;
            add(ProblemKind::DcOffset, format!("{share:+.1}% of full scale"));
        }
        if *seconds < SHORT {
            add(ProblemKind::Short, format!("{:.0} ms", 1000.0 * seconds));
        }
        problems
    }
}

/// Why a file cannot be read, without its name.
fn reason(error: &Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes[usize::from(causes.len() > 1)..].join(": ")
}

impl Sound {
    fn of(file: &Path) -> Result<Self> {
        let mut reader = Reader::open(file)?;
        let format = reader.format().clone();
        let mut measure = Measure::new(format.rate);
        while let Some(block) = reader.next_block()? {
            measure.push(block);
        }
        Ok(Self {
            rate: format.rate,
            channels: format.channels,
            encoding: format.encoding,
            frames: measure.frames(),
            seconds: measure.frames() as f64 / f64::from(format.rate),
            levels: measure.levels(),
            remarks: reader.remarks().to_vec(),
        })
    }
}

impl Report {
    fn new(
        path: String,
        each: Vec<FileReport>,
        layout: Option<LayoutReport>,
        rate: Option<u32>,
        mut findings: Findings,
    ) -> Self {
        for file in &each {
            for remark in file.sound.iter().flat_map(|sound| &sound.remarks) {
                findings.note(*remark, &file.path);
            }
        }
        let sounds = || each.iter().filter_map(|file| file.sound.as_ref());
        let rates = count(sounds().map(|sound| sound.rate));
        let most_have = rates.iter().max_by_key(|(rate, count)| (**count, **rate));
        let rate = rate.or(most_have.map(|(rate, _)| *rate));
        let mut problems: Vec<_> = each.iter().flat_map(FileReport::problems).collect();
        // Stable, so that paths stay sorted within a kind.
        problems.sort_by_key(|problem| problem.kind);
        let mut report = Self {
            path,
            files: each.len(),
            readable: sounds().count(),
            seconds: sounds().map(|sound| sound.seconds).sum(),
            lengths: Lengths::of(&each),
            rates,
            channels: count(sounds().map(|sound| sound.channels)),
            encodings: count(sounds().map(|sound| sound.encoding.clone())),
            levels: Levels::together(&sounds().map(|s| (s.seconds, &s.levels)).collect::<Vec<_>>()),
            layout,
            rate,
            findings,
            problems,
            recommendations: Vec::new(),
            each,
        };
        report.recommendations = report.recommend();
        report
    }

    /// How many files have a problem of a kind.
    fn with_problem(&self, kind: ProblemKind) -> usize {
        self.problems.iter().filter(|problem| problem.kind == kind).count()
    }

    fn recommend(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if let Some(to) = self.rate {
            let hertz = |rate: u32| format!("{} Hz", HumanCount(rate.into()));
            for (&from, &count) in self.rates.iter().filter(|(from, _)| **from != to) {
                let mut line = format!(
                    "{} at {} will be resampled to {}",
                    files(count),
                    hertz(from),
                    hertz(to)
                );
                if from < to {
                    line.push_str(&format!("; nothing is in them above {}", hertz(from / 2)));
                }
                advice.push(line);
            }
        }
        let several: usize = self.channels.range(2..).map(|(_, count)| *count).sum();
        if several > 0 {
            advice.push(format!("the channels of {} will be averaged", files(several)));
        }
        for (kind, what) in [
            (ProblemKind::Unreadable, "cannot be read: repair or remove what is listed"),
            (ProblemKind::Silent, "silent: leave out, unless silence is to be learnt"),
            (ProblemKind::Clipped, "clipped: use other takes, or the distortion will be learnt"),
            (ProblemKind::DcOffset, "off zero: `sox IN OUT highpass 10` takes the offset out"),
            (ProblemKind::Short, "very short: probably fragments"),
        ] {
            let count = self.with_problem(kind);
            if count > 0 {
                advice.push(format!("{} {what}", files(count)));
            }
        }
        advice
    }
}

impl Lengths {
    fn of(each: &[FileReport]) -> Option<Self> {
        let mut lengths: Vec<_> = each
            .iter()
            .filter_map(|file| {
                let seconds = file.sound.as_ref()?.seconds;
                Some(Length { path: file.path.clone(), seconds })
            })
            .collect();
        lengths.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let (first, last) = (lengths.first()?, lengths.last()?);
        let middle = lengths.len() / 2;
        let median = if lengths.len() % 2 == 1 {
            lengths[middle].seconds
        } else {
            (lengths[middle - 1].seconds + lengths[middle].seconds) / 2.0
        };
        Some(Self { shortest: first.clone(), median, longest: last.clone() })
    }
}

fn count<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_insert(0) += 1);
    counts
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{} files", HumanCount(count as u64)) }
}

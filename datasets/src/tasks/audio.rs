//! What the tasks on audio have in common.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use audio_data::corpus::{self, Recording};
use audio_data::layout::Listing;
use audio_data::part::Part;
use audio_data::read::{is_audio_name, resampled};
use s4_config::Input;
use toml::Table;

use super::Splits;
use crate::batch::Label;
use crate::examples::recordings::{Extent, Form, Labelled, Recordings, Standardisation};
use crate::inputs::Inputs;
use crate::medium::Medium;
use crate::shape::{Shape, Target};
use crate::split::Split;

/// A setting `data.scale`, for messages.
pub(super) const SCALE: &str = "{ mean = 0.0, std = 0.1 }";

/// A data set of recordings with what is asked of each.
pub(super) struct Labels {
    /// The recordings.
    pub listing: Listing,
    /// Label and part of each of its entries.
    pub entries: Vec<(Label, Part)>,
    pub target: Target,
}

/// How recordings become sequences.
pub(super) struct Reading<'a> {
    /// Folder that decoded audio is kept in.
    pub cache: &'a Path,
    /// Samples per second.
    pub sample_rate: u32,
    pub extent: Extent,
    /// Every n-th sample is kept.
    pub every: usize,
    /// What samples are standardised by; `None`: measured on the training part.
    pub scale: Option<Standardisation>,
    /// Whether to show a bar while recordings are decoded.
    pub progress: bool,
}

/// The splits, with an empty `config`, and what samples are standardised by.
pub(super) fn open(labels: Labels, reading: &Reading) -> Result<(Splits, Standardisation)> {
    let &Reading { cache, sample_rate, extent, every, scale, progress } = reading;
    ensure!(every > 0, "data.every is 0; it must be at least 1");
    let Labels { listing, entries, target } = labels;
    let mut findings = listing.findings.clone();
    let corpus = Arc::new(corpus::open(&listing, sample_rate, cache, false, progress)?);
    findings.extend(corpus.findings.clone());
    check_classes(&listing, corpus.recordings(), &entries, target.class_names())?;
    let items = |part: Part| -> Result<Vec<Labelled>> {
        let mut items = Vec::new();
        for (number, recording) in corpus.recordings().iter().enumerate() {
            let (label, its_part) = &entries[recording.entry];
            if *its_part == part {
                let frames = usize::try_from(recording.frames)?;
                items.push(Labelled { recording: number, frames, label: label.clone() });
            }
        }
        ensure!(
            !items.is_empty(),
            "none of the {} readable recordings in {} is in the {part} part; use more data, or \
             divide it in another way",
            corpus.recordings().len(),
            listing.dir.display()
        );
        if part != Part::Train {
            // Batches of similar lengths waste little on padding.
            items.sort_by_key(|item| item.frames);
        }
        Ok(items)
    };
    let (train, val, test) = (items(Part::Train)?, items(Part::Val)?, items(Part::Test)?);
    let standardisation = match scale {
        Some(given) => given,
        None => Standardisation::measure(&corpus, &train)?,
    };
    standardisation.validate().context("data.scale")?;
    let origin = format!(
        "{} recordings {} at {sample_rate} Hz{} in {}: {} to train on, {} to validate, \
         {} to test",
        corpus.recordings().len(),
        target.words(),
        if every > 1 { format!(", one sample of {every} kept") } else { String::new() },
        listing.dir.display(),
        train.len(),
        val.len(),
        test.len()
    );
    let form = Form { extent, every, standardisation };
    let split = |items| {
        let (corpus, dir) = (corpus.clone(), listing.dir.clone());
        Split::new(Recordings { corpus, dir, items, form })
    };
    let splits = Splits {
        shape: shape(target),
        medium: Medium::Sound { rate: (sample_rate / every as u32).max(1), scale: standardisation },
        config: Table::new(),
        origin,
        findings,
        train: split(train),
        val: split(val),
        test: split(test),
    };
    Ok((splits, standardisation))
}

/// The rate in words, "16000 Hz" or "16000 Hz, 1 sample of 2".
pub(super) fn rate(sample_rate: u32, every: usize) -> String {
    match every {
        1 => format!("{sample_rate} Hz"),
        _ => format!("{sample_rate} Hz, 1 sample of {every}"),
    }
}

/// Sound files, brought to `sample_rate`.
pub(super) fn inputs(target: Target, sample_rate: u32, form: Form) -> Result<Inputs> {
    ensure!(form.every > 0, "data.every is 0; it must be at least 1");
    form.standardisation.validate().context("data.scale")?;
    let most = form.frames(usize::MAX);
    let read = move |path: &Path| {
        let mut samples = Vec::new();
        resampled(path, sample_rate, |block| {
            samples.extend_from_slice(&block[..block.len().min(most - samples.len())]);
        })?;
        ensure!(!samples.is_empty(), "it is too short for a single sample at {sample_rate} Hz");
        Ok(vec![form.sequence(&samples)])
    };
    Ok(Inputs {
        shape: shape(target),
        padding: form.padding(),
        about: format!("sound files ({})", audio_data::read::READ),
        takes: is_audio_name,
        file: Some(Box::new(read)),
        line: None,
    })
}

fn shape(target: Target) -> Shape {
    Shape { input: Input::Values { features: 1 }, target }
}

/// No class may have lost all of its recordings.
fn check_classes(
    listing: &Listing,
    recordings: &[Recording],
    entries: &[(Label, Part)],
    class_names: &[String],
) -> Result<()> {
    let has = |label: &Label| recordings.iter().any(|found| entries[found.entry].0 == *label);
    for (number, name) in class_names.iter().enumerate() {
        let class = (number as i64).into();
        let files = entries.iter().filter(|(its, _)| *its == class).count();
        ensure!(
            files == 0 || has(&class),
            "none of the {files} files of the class `{name}` in {} can be read; repair them, or \
             leave the class out",
            listing.dir.display()
        );
    }
    Ok(())
}

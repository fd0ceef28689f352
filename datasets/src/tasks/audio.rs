//! What the tasks on audio have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use audio_data::corpus::{self, Recording};
use audio_data::layout::Listing;
use audio_data::part::Part;
use audio_data::read::{is_audio_name, resampled};
use dsp::mel::MelConfig;
use toml::Table;

use super::Splits;
use crate::batch::Label;
use crate::examples::recordings::{Extent, Form, Labelled, Recordings, Standardisation};
use crate::examples::variants::Variants;
use crate::examples::view::{CodesConfig, View};
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
    /// The spectrogram that they become, if any.
    pub mel: Option<&'a MelConfig>,
    /// The codes that their samples become, if any.
    pub codes: Option<&'a CodesConfig>,
    /// Variants of each training recording; 0: the recordings as they are.
    pub variants: usize,
    /// Sounds that are mixed into variants.
    pub noise: &'a [PathBuf],
    /// Whether to show a bar while recordings are decoded.
    pub progress: bool,
}

/// The splits, with an empty `config`, and what samples are standardised by.
pub(super) fn open(labels: Labels, reading: &Reading) -> Result<(Splits, Standardisation)> {
    let &Reading {
        cache,
        sample_rate,
        extent,
        every,
        scale,
        mel,
        codes,
        variants,
        noise,
        progress,
    } = reading;
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
    let rate = (sample_rate / every as u32).max(1);
    let view = View::new(mel, codes, rate)?;
    let (scale, shape) = (standardisation, Shape { input: view.input(), target });
    let medium = Medium::Sound { rate, scale, view: view.clone() };
    let form = Form { extent, every, standardisation, view };
    let recordings = |items| {
        let (corpus, dir) = (corpus.clone(), listing.dir.clone());
        Recordings { corpus, dir, items, form: form.clone() }
    };
    let train = recordings(train);
    let (val, test) = (Split::new(recordings(val)), Split::new(recordings(test)));
    let train = match variants {
        0 => Split::new(train),
        _ => {
            let noise = noise.iter().map(|path| samples(path, sample_rate, usize::MAX));
            let noise = noise.filter(|noise| !noise.as_ref().is_ok_and(Vec::is_empty));
            let noise = Arc::new(noise.collect::<Result<_>>()?);
            Split::new(Variants::new(train, variants, sample_rate, noise))
        }
    };
    let splits = Splits { shape, medium, config: Table::new(), origin, findings, train, val, test };
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
    let (input, padding) = (form.view.input(), form.padding());
    let read = move |path: &Path| {
        let samples = samples(path, sample_rate, most)?;
        ensure!(!samples.is_empty(), "it is too short for a single sample at {sample_rate} Hz");
        Ok(vec![form.sequence(&samples)?])
    };
    Ok(Inputs {
        shape: Shape { input, target },
        padding,
        about: format!("sound files ({})", audio_data::read::READ),
        takes: is_audio_name,
        file: Some(Box::new(read)),
        line: None,
    })
}

/// At most `most` samples of the file, at `sample_rate`.
fn samples(path: &Path, sample_rate: u32, most: usize) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    resampled(path, sample_rate, |block| {
        samples.extend_from_slice(&block[..block.len().min(most - samples.len())]);
    })?;
    Ok(samples)
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

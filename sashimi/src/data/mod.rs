//! A folder of audio as sequences of codes, or of samples.

pub mod batch;
pub mod file;
pub mod sound;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use audio_data::corpus::{self, Corpus, default_rate};
use audio_data::layout::{self, LAYOUTS, Listing};
use audio_data::part::Part;
use audio_data::quantise::Quantiser;
use audio_data::split::{Divided, Shares, SplitBy, divide};
use audio_data::windows::{Cut, Windows};
use program::files::CACHE;
use program::findings::Findings;

use crate::experiment::{CutBy, DataConfig};
use sound::Sounds;

/// Audio that is not asked for in another rate is not taken at a higher one than the papers'.
const HIGHEST_DEFAULT_RATE: u32 = 16_000;

/// The recordings of a data set, ready to be read.
#[derive(Debug)]
pub struct Audio {
    corpus: Arc<Corpus>,
    divided: Divided,
    quantiser: Quantiser,
    config: DataConfig,
    /// Name of its layout, or of its folder where it is no known data set.
    pub name: String,
    /// What it is, for the log: one line.
    pub origin: String,
    /// What was left out of it, and what is to be said about the rest.
    pub findings: Findings,
}

impl Audio {
    /// Opens the folder that `config` names, decoding it first where that has not been done, and
    /// enters what the data decides: the sampling rate where it was left open, and what may not
    /// move when other recordings come.
    ///
    /// # Errors
    /// If there is no usable audio, or the user interrupts.
    pub fn open(config: &mut DataConfig, progress: bool) -> Result<Self> {
        let Some(dir) = &config.dir else {
            bail!("no audio is named; name a folder with --data DIR");
        };
        let listing = list(dir, config.layout.as_deref())?;
        let rate = match config.sample_rate {
            Some(rate) => rate,
            None => default_rate(&listing)?.min(HIGHEST_DEFAULT_RATE),
        };
        config.sample_rate = Some(rate);
        let cache = config.cache.as_deref().unwrap_or(Path::new(CACHE));
        listing.findings.refuse(config.strict)?;
        let corpus = corpus::open(&listing, rate, cache, config.strict, progress)?;
        let mut findings = listing.findings.clone();
        findings.extend(corpus.findings.clone());
        let (shares, lent) = (Shares::default(), config.lent.clone().unwrap_or_default());
        let recordings = corpus.recordings();
        let divided = divide(&listing, recordings, config.split, config.names, shares, &lent)?;
        for (path, part) in &divided.lent {
            findings.note(format!("recordings lent to the {part} part, which had none"), path);
        }
        config.lent = Some(divided.lent.clone()).filter(|lent| !lent.is_empty());
        // Recordings that come later must not move those that were cut.
        if divided.by == SplitBy::Time {
            config.split = SplitBy::Time;
        }
        let frames: u64 = corpus.recordings().iter().map(|recording| recording.frames).sum();
        let origin = format!(
            "{} recordings, {:.1} minutes at {rate} Hz in {} ({}), divided by {}",
            corpus.recordings().len(),
            frames as f64 / f64::from(rate) / 60.0,
            dir.display(),
            listing.layout.name,
            serde_json::to_value(divided.by)?.as_str().unwrap_or_default(),
        );
        let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = match (listing.layout.name, folder) {
            ("folder", Some(folder)) => folder,
            (layout, _) => layout.to_owned(),
        };
        Ok(Self {
            name,
            corpus: Arc::new(corpus),
            divided,
            quantiser: config.quantiser()?,
            config: config.clone(),
            origin,
            findings,
        })
    }

    /// The sequences of a split as they are trained on.
    ///
    /// # Errors
    /// If the split has none.
    pub fn sequences(&self, split: Part) -> Result<Windows> {
        let length = self.config.length;
        let whole = Cut::Whole { max: Some(2 * length) };
        self.windows(split, if self.is_clips() { whole } else { Cut::Windows { length } })
    }

    /// The sounds of a split, each of them long enough for two cuts at most while training, for one
    /// where all cuts are the same.
    ///
    /// # Errors
    /// If the split has none, or a setting of the spectrogram is out of range.
    pub fn sounds(&self, split: Part) -> Result<Sounds> {
        let DataConfig { length, val_count, .. } = self.config;
        let (most, count) = match split {
            Part::Train => (2 * length, None),
            Part::Val => (length, val_count),
            Part::Test => (length, None),
        };
        let whole = Cut::Whole { max: Some(most) };
        let cut = if self.is_clips() { whole } else { Cut::Windows { length: most } };
        let mel = self.config.mel()?.map(Arc::new);
        Ok(Sounds::new(self.windows(split, cut)?, count, length, mel))
    }

    fn is_clips(&self) -> bool {
        let longest = self.corpus.recordings().iter().map(|recording| recording.frames).max();
        match self.config.cut {
            CutBy::Clips => true,
            CutBy::Windows => false,
            CutBy::Auto => longest.unwrap_or(0) <= 2 * self.config.length as u64,
        }
    }

    /// Whole recordings of a split, or what of them belongs to it.
    ///
    /// # Errors
    /// If the split has none.
    pub fn whole(&self, split: Part) -> Result<Windows> {
        self.windows(split, Cut::Whole { max: None })
    }

    fn windows(&self, split: Part, cut: Cut) -> Result<Windows> {
        let spans = self.divided.spans(split)?;
        Windows::new(self.corpus.clone(), spans, cut, self.quantiser, self.config.scaling)
            .with_context(|| format!("the {split} split"))
    }

    /// The beginnings of `count` recordings of a split, `samples` long, as a model of codes gets them.
    ///
    /// # Errors
    /// If the audio cannot be read.
    pub fn examples(&self, split: Part, count: usize, samples: usize) -> Result<Vec<Vec<f32>>> {
        let mut codes = Vec::new();
        self.beginnings(split, count, samples, |windows, i| {
            codes.clear();
            windows.codes(i, &mut codes)?;
            Ok(codes.iter().map(|&code| self.quantiser.decode(code)).collect())
        })
    }

    /// The same as a model of samples gets them.
    ///
    /// # Errors
    /// If the audio cannot be read.
    pub fn sound_examples(
        &self,
        split: Part,
        count: usize,
        samples: usize,
    ) -> Result<Vec<Vec<f32>>> {
        self.beginnings(split, count, samples, |windows, i| {
            let mut sound = Vec::new();
            windows.samples(i, &mut sound)?;
            Ok(sound)
        })
    }

    fn beginnings(
        &self,
        split: Part,
        count: usize,
        samples: usize,
        mut sound: impl FnMut(&Windows, usize) -> Result<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>> {
        let windows = self.windows(split, Cut::Whole { max: Some(samples) })?;
        let count = count.min(windows.len());
        (0..count).map(|i| sound(&windows, i * windows.len() / count)).collect()
    }
}

/// The folder that `text` names, itself or below `data/`, and its layout where `text` is the name
/// of one.
pub fn locate(text: &str) -> (PathBuf, Option<String>) {
    let given = PathBuf::from(text);
    let is_layout = LAYOUTS.iter().any(|layout| layout.name == text);
    if is_layout && !given.is_dir() {
        return (Path::new("data").join(text), Some(text.to_owned()));
    }
    (given, None)
}

/// The files of `dir` in the layout that it is said or seen to have.
///
/// # Errors
/// If there are none.
pub fn list(dir: &Path, layout: Option<&str>) -> Result<Listing> {
    match layout {
        None => layout::detect(dir),
        Some(name) => layout::open(dir, name),
    }
}

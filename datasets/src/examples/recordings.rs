//! Labelled recordings as sequences of samples.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use audio_data::corpus::Corpus;
use program::interrupt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::View;
use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// Mean and standard deviation of samples, which lie in [-1, 1], or of a feature of arrays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Standardisation {
    /// Mean of the values.
    pub mean: f64,
    /// Standard deviation, at least 0.
    pub std: f64,
}

/// Added to the standard deviation, as in the official code: silence stays finite.
const EPSILON: f64 = 1e-5;

impl Standardisation {
    /// Mean and deviation of all samples of these recordings.
    ///
    /// # Errors
    /// If they cannot be read, or the user interrupts.
    pub fn measure(corpus: &Corpus, recordings: &[Labelled]) -> Result<Self> {
        let sums = recordings
            .par_iter()
            .map(|item| -> Result<_> {
                interrupt::check()?;
                let mut samples = vec![0.0; item.frames];
                corpus.read(item.recording, 0, &mut samples)?;
                let samples = samples.iter().map(|&sample| f64::from(sample));
                let (sum, squares) = samples.fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
                Ok((item.frames as f64, sum, squares))
            })
            .try_reduce(|| (0.0, 0.0, 0.0), |a, b| Ok((a.0 + b.0, a.1 + b.1, a.2 + b.2)))?;
        let (count, sum, squares) = sums;
        ensure!(count > 0.0, "there are no samples to measure");
        let mean = sum / count;
        Ok(Self { mean, std: (squares / count - mean * mean).max(0.0).sqrt() })
    }

    /// Checks the range.
    ///
    /// # Errors
    /// With the value and what is allowed.
    pub fn validate(self) -> Result<()> {
        ensure!(
            self.mean.is_finite() && self.std.is_finite() && self.std >= 0.0,
            "mean {} and std {} to standardise by; both must be finite and std not negative",
            self.mean,
            self.std
        );
        Ok(())
    }

    /// The value, standardised.
    pub fn apply(self, value: impl Into<f64>) -> f32 {
        ((value.into() - self.mean) / (self.std + EPSILON)) as f32
    }

    /// The value that became `standardised`.
    pub fn undo(self, standardised: f32) -> f32 {
        (f64::from(standardised) * (self.std + EPSILON) + self.mean) as f32
    }
}

/// A recording of a corpus with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Number of the recording in the corpus.
    pub recording: usize,
    /// Samples that it has.
    pub frames: usize,
    /// What is right of it.
    pub label: Label,
}

/// How long sequences are, in samples at the corpus's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All the same: longer recordings are cut, shorter ones filled up with silence.
    Exactly(usize),
    /// As long as the recordings, but at most this.
    AtMost(usize),
}

/// How recordings become sequences.
#[derive(Debug, Clone)]
pub struct Form {
    /// How long sequences are.
    pub extent: Extent,
    /// Every n-th sample is kept; n is at least 1.
    pub every: usize,
    /// What samples are standardised by.
    pub standardisation: Standardisation,
    /// What samples become.
    pub view: View,
}

impl Form {
    /// Samples that are read of a recording that has `frames`.
    pub fn frames(&self, frames: usize) -> usize {
        let (Extent::Exactly(most) | Extent::AtMost(most)) = self.extent;
        frames.min(most)
    }

    /// Samples of a sequence, of a recording that has `frames` samples.
    fn samples(&self, frames: usize) -> usize {
        let frames = match self.extent {
            Extent::Exactly(frames) => frames,
            Extent::AtMost(_) => self.frames(frames),
        };
        frames.div_ceil(self.every)
    }

    /// Positions of the sequence of a recording that has `frames` samples.
    pub fn length(&self, frames: usize) -> usize {
        let samples = self.samples(frames);
        match &self.view {
            View::Mel(mel) => mel.frames(samples.max(mel.shortest())),
            View::Samples | View::Codes(..) => samples,
        }
    }

    /// The sequence of a recording, of which the samples are those that are read.
    ///
    /// # Errors
    /// If there is no spectrogram of them.
    pub fn sequence(&self, samples: &[f32]) -> Result<Sequences> {
        let kept = samples.iter().step_by(self.every).copied();
        let length = self.samples(samples.len());
        let mel = match &self.view {
            View::Mel(mel) => mel,
            View::Samples => {
                let mut values: Vec<f32> = kept.map(|x| self.standardisation.apply(x)).collect();
                values.resize(length, self.silence());
                return Ok(Sequences::Values { values, features: 1 });
            }
            View::Codes(quantiser, scaling) => {
                let (low, high) = kept
                    .clone()
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |of, x| (of.0.min(x), of.1.max(x)));
                let code = |x: f32| quantiser.encode(scaling.apply(x, low, high)).into();
                let mut codes: Vec<i64> = kept.map(code).collect();
                codes.resize(length, quantiser.zero().into());
                return Ok(Sequences::Tokens(codes));
            }
        };
        let mut samples: Vec<f32> = kept.collect();
        samples.resize(length.max(mel.shortest()), 0.0);
        let (bands, spectrogram) = (mel.bands(), mel.spectrogram(&samples)?);
        let frames = spectrogram.len() / bands;
        let values = (0..frames).flat_map(|frame| {
            spectrogram[frame..].iter().step_by(frames).take(bands).map(|&x| x as f32)
        });
        Ok(Sequences::Values { values: values.collect(), features: bands })
    }

    /// What shorter sequences of a batch are filled up with; `None` where all are of one length.
    pub fn padding(&self) -> Option<f32> {
        match (self.extent, &self.view) {
            (Extent::Exactly(_), _) => None,
            (Extent::AtMost(_), View::Samples) => Some(self.silence()),
            (Extent::AtMost(_), View::Mel(_)) => Some(0.0),
            (Extent::AtMost(_), View::Codes(quantiser, _)) => Some(quantiser.zero().into()),
        }
    }

    fn silence(&self) -> f32 {
        self.standardisation.apply(0.0)
    }
}

/// Recordings of one split.
#[derive(Debug)]
pub struct Recordings {
    /// All recordings of the data set.
    pub corpus: Arc<Corpus>,
    /// The folder that their files are in.
    pub dir: PathBuf,
    /// Those of the split.
    pub items: Vec<Labelled>,
    /// How they become sequences.
    pub form: Form,
}

impl Recordings {
    /// The samples that are read of recording `index`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn samples(&self, index: usize) -> Result<Vec<f32>> {
        let item = &self.items[index];
        let mut samples = vec![0.0; self.form.frames(item.frames)];
        self.corpus.read(item.recording, 0, &mut samples)?;
        Ok(samples)
    }
}

impl Examples for Recordings {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let sequence = self.form.sequence(&self.samples(index)?)?;
        Ok(Example { sequences: vec![sequence], label: self.items[index].label.clone() })
    }

    fn source(&self, index: usize) -> Result<Example> {
        let form = Form { view: View::Samples, ..self.form.clone() };
        let sequence = form.sequence(&self.samples(index)?)?;
        Ok(Example { sequences: vec![sequence], label: self.items[index].label.clone() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.items[index].label.clone())
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        let recording = self.corpus.recordings().get(self.items[index].recording)?;
        Some(self.dir.join(&recording.path))
    }

    fn length(&self, index: usize) -> usize {
        self.form.length(self.items[index].frames)
    }

    fn padding(&self) -> Option<f32> {
        self.form.padding()
    }
}

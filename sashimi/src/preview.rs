//! What is heard and seen of a model while it trains: a little generated audio beside real one.

use anyhow::Result;
use audio_data::wav_out::wav_bytes;
use dsp::spectrum::spectrogram;
use program::output::note;
use tch::Tensor;
use training::show::{Show, Sound};

use crate::experiment::Experiment;

/// Rows of a spectrogram.
const HEIGHT: usize = 128;

/// What is generated at each evaluation, and what it is compared with.
#[derive(Debug)]
pub struct Preview {
    /// Number of sounds to generate.
    pub count: u64,
    /// Samples of each.
    pub samples: usize,
    rate: u32,
    /// Recordings, as the model gets them: samples in [-1, 1].
    examples: Vec<Vec<f32>>,
    /// Recordings stay the same: they are shown once.
    heard: bool,
}

impl Preview {
    /// A preview as `experiment` wants it.
    ///
    /// # Errors
    /// If the rate is not known.
    pub fn new(experiment: &Experiment) -> Result<Self> {
        let (count, samples) = experiment.preview()?;
        Ok(Self {
            count: count as u64,
            samples,
            rate: experiment.data.sample_rate()?,
            examples: Vec::new(),
            heard: false,
        })
    }

    /// The same preview with recordings to compare with.
    pub fn with_examples(self, examples: Vec<Vec<f32>>) -> Self {
        Self { examples, ..self }
    }

    /// Those recordings.
    pub fn examples(&self) -> &[Vec<f32>] {
        &self.examples
    }

    /// Shows sounds and their spectrograms, `generated` ones and, once, the recordings; where nothing
    /// could be generated yet, the recordings alone.
    ///
    /// # Errors
    /// If something cannot be shown.
    pub fn show(&mut self, generated: Result<Vec<Vec<f32>>>, show: &mut dyn Show) -> Result<()> {
        let generated = generated.unwrap_or_else(|error| {
            note(format_args!("warning: nothing generated to listen to: {error:#}"));
            Vec::new()
        });
        let heard = std::mem::replace(&mut self.heard, true);
        let real: &[_] = if heard { &[] } else { &self.examples };
        for (kind, sounds) in [("real", real), ("generated", &generated)] {
            for (i, samples) in sounds.iter().enumerate() {
                let wav = wav_bytes(samples, self.rate)?;
                let sound = Sound { wav, rate: self.rate, channels: 1, frames: samples.len() };
                show.sound(&format!("audio/{kind}/{i}"), &sound)?;
                let image = spectrogram(samples, self.rate, HEIGHT);
                let (height, width) = (image.height as i64, image.width as i64);
                let pixels = Tensor::from_slice(&image.pixels).view([height, width, 3]);
                let tag = format!("spectrogram/{kind}/{i}");
                show.picture(&tag, &pixels.permute([2, 0, 1]))?;
            }
        }
        Ok(())
    }
}

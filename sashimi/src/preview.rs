//! What is heard and seen of a model while it trains: a little generated audio beside real one.

use anyhow::Result;
use audio_data::quantise::Quantiser;
use audio_data::wav_out::wav_bytes;
use models::Network;
use s4_core::params::ParamStore;
use tch::Tensor;
use training::show::{Show, Sound};

use crate::experiment::Experiment;
use crate::generate::sampling::Sampling;
use crate::generate::{self, Generator, stream};
use dsp::spectrum::spectrogram;
use program::interrupt;
use program::output::note;

/// Rows of a spectrogram.
const HEIGHT: usize = 128;

/// What is generated at each evaluation, and what it is compared with.
#[derive(Debug)]
pub struct Preview {
    experiment: Experiment,
    quantiser: Quantiser,
    rate: u32,
    samples: usize,
    /// Recordings, as the model gets them: samples in [-1, 1].
    examples: Vec<Vec<f32>>,
    /// Recordings stay the same: they are shown once.
    heard: bool,
}

impl Preview {
    /// A preview as `experiment` wants it.
    ///
    /// # Errors
    /// If the quantiser's settings are out of range or the rate is not known.
    pub fn new(experiment: &Experiment) -> Result<Self> {
        let rate = experiment.data.sample_rate()?;
        Ok(Self {
            experiment: experiment.clone(),
            quantiser: experiment.data.quantiser()?,
            rate,
            samples: (experiment.preview.seconds * f64::from(rate)).ceil() as usize,
            examples: Vec::new(),
            heard: false,
        })
    }

    /// The same preview with recordings to compare with.
    pub fn with_examples(self, examples: Vec<Vec<f32>>) -> Self {
        Self { examples, ..self }
    }

    /// Generates anew and shows sounds and their spectrograms; with the same seed at every
    /// evaluation, so that only the model makes the difference. A model that cannot be stepped yet
    /// shows the recordings alone.
    ///
    /// # Errors
    /// If something cannot be shown.
    pub fn show(
        &mut self,
        model: &Network,
        params: &ParamStore,
        show: &mut dyn Show,
    ) -> Result<()> {
        let generated = self.generate(model, params).unwrap_or_else(|error| {
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

    fn generate(&self, model: &Network, params: &ParamStore) -> Result<Vec<Vec<f32>>> {
        let count = self.experiment.preview.count;
        if count == 0 {
            return Ok(Vec::new());
        }
        // What the engine does not know is generated all the same, only slower.
        let engine = stream::model(&self.experiment, params).unwrap_or(None);
        let start =
            generate::after(model, engine.as_ref(), &[self.quantiser.zero()], count as usize)?;
        let seed = self.experiment.train.seed;
        let mut generator = Generator::new(start, Sampling::default(), seed, 0..count)?;
        let mut audio = vec![Vec::with_capacity(self.samples); count as usize];
        for _ in 0..self.samples {
            interrupt::check()?;
            for (samples, code) in audio.iter_mut().zip(generator.next_codes()?) {
                samples.push(self.quantiser.decode(code));
            }
        }
        Ok(audio)
    }
}

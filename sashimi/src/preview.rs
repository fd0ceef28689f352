//! What is heard and seen of a model while it trains: a little generated audio beside real one.

use anyhow::Result;
use audio_data::quantise::Quantiser;
use audio_data::wav_out::wav_bytes;
use s4_core::params::ParamStore;
use tch::Tensor;
use training::objective::Picture;
use training::tensorboard::Sound;

use crate::experiment::Experiment;
use crate::generate::sampling::Sampling;
use crate::generate::{self, Generator, stream};
use crate::model::CodeModel;
use crate::spectrum::spectrogram;

/// Rows of a spectrogram.
const HEIGHT: usize = 128;

/// The latest sounds of a run.
#[derive(Debug)]
pub struct Preview {
    experiment: Experiment,
    quantiser: Quantiser,
    rate: u32,
    samples: usize,
    /// Names and samples in [-1, 1].
    shown: Vec<(String, Vec<f32>)>,
    /// Recordings, as the model gets them.
    examples: Vec<Vec<f32>>,
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
            shown: Vec::new(),
            examples: Vec::new(),
        })
    }

    /// The same preview with recordings to compare with.
    pub fn with_examples(self, examples: Vec<Vec<f32>>) -> Self {
        Self { examples, ..self }
    }

    /// Generates anew; the same seed at every evaluation, so that only the model makes the
    /// difference. A model that cannot be stepped yet shows nothing.
    pub fn sounds(&mut self, model: &CodeModel, params: &ParamStore) -> Vec<(String, Sound)> {
        let real = self.examples.iter().enumerate();
        self.shown = real.map(|(i, samples)| (format!("real/{i}"), samples.clone())).collect();
        match self.generate(model, params) {
            Ok(generated) => {
                let named = generated.into_iter().enumerate();
                self.shown.extend(named.map(|(i, samples)| (format!("generated/{i}"), samples)));
            }
            Err(error) => eprintln!("warning: nothing generated to listen to: {error:#}"),
        }
        let sounds = self.shown.iter().filter_map(|(name, samples)| {
            let wav = wav_bytes(samples, self.rate).ok()?;
            let sound = Sound { wav, rate: self.rate, channels: 1, frames: samples.len() };
            Some((format!("audio/{name}"), sound))
        });
        sounds.collect()
    }

    /// Spectrograms of the latest sounds.
    pub fn pictures(&self) -> Vec<Picture> {
        let pictures = self.shown.iter().map(|(name, samples)| {
            let image = spectrogram(samples, self.rate, HEIGHT);
            let (height, width) = (image.height as i64, image.width as i64);
            let pixels = Tensor::from_slice(&image.pixels).view([height, width, 3]);
            Picture { name: format!("spectrogram/{name}"), pixels: pixels.permute([2, 0, 1]) }
        });
        pictures.collect()
    }

    fn generate(&self, model: &CodeModel, params: &ParamStore) -> Result<Vec<Vec<f32>>> {
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
            for (samples, code) in audio.iter_mut().zip(generator.next_codes()?) {
                samples.push(self.quantiser.decode(code));
            }
        }
        Ok(audio)
    }
}

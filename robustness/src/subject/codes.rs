//! A run of `sashimi`: the codes of raw audio, one by one.

use std::f64::consts::LN_2;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use audio_data::part::Part;
use audio_data::quantise::Quantiser;
use audio_data::windows::Windows;
use datasets::metric::Metric;
use sashimi::data::Audio;
use sashimi::data::batch::CodeBatch;
use sashimi::experiment::Experiment;
use sashimi::objective::NextCode;
use tch::Device;
use training::objective::Objective;
use training::run::Run;
use transformations::content::{Content, Kind, Sound};

use super::{About, Item, Subject, Verdict, noise_in};
use crate::fingerprint;

/// A model of codes with its test sequences.
pub struct Codes {
    about: About,
    experiment: Experiment,
    model: NextCode,
    test: Windows,
    quantiser: Quantiser,
    rate: u32,
    batch_size: usize,
}

impl Codes {
    /// The run's model and its data, which is looked for in `data` where that is given.
    ///
    /// # Errors
    /// If the data is missing, or the model is of diffusion.
    pub fn open(mut run: Run<Experiment>, data: Option<&PathBuf>, device: Device) -> Result<Self> {
        ensure!(
            run.experiment.diffusion.is_none(),
            "{} is a run of diffusion, which has no likelihood to be judged by",
            run.path.display()
        );
        if let Some(data) = data {
            run.experiment.data.dir = Some(data.clone());
        }
        let audio = Audio::open(&mut run.experiment.data, true)?;
        let test = audio.sequences(Part::Test)?;
        let model = NextCode::new(&run.experiment, device)?;
        let step = run.load_weights(model.params())?;
        let about = About {
            run: run.path.clone(),
            task: "audio".to_owned(),
            data: audio.origin.clone(),
            step,
            model: fingerprint::of_model(
                &(&run.experiment.model, &run.experiment.data),
                model.params(),
            )?,
            kind: Kind::Sound,
            classes: Vec::new(),
        };
        let quantiser = run.experiment.data.quantiser()?;
        let rate = run.experiment.data.sample_rate()?;
        let batch_size = run.experiment.train.eval_batch_size().max(1);
        let model = model.in_segments(&run.experiment);
        let experiment = run.experiment;
        Ok(Self { about, experiment, model, test, quantiser, rate, batch_size })
    }

    /// The settings of the run.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The model.
    pub fn model(&self) -> &NextCode {
        &self.model
    }

    /// The codes of samples.
    pub fn encode(&self, samples: &[f32]) -> Vec<u16> {
        samples.iter().map(|&sample| self.quantiser.encode(sample)).collect()
    }

    /// -log p of samples, in nats; 0 of none.
    ///
    /// # Errors
    /// If the device fails.
    pub fn nats(&self, samples: &[f32]) -> Result<f64> {
        if samples.is_empty() {
            return Ok(0.0);
        }
        let batch = CodeBatch::new(&[self.encode(samples)]);
        Ok(f64::try_from(self.model.nll(&batch)?.sum(tch::Kind::Double))?)
    }
}

impl Subject for Codes {
    fn about(&self) -> &About {
        &self.about
    }

    fn metric(&self) -> Metric {
        Metric::BITS_PER_SAMPLE
    }

    fn len(&self) -> usize {
        self.test.len()
    }

    fn item(&self, index: usize) -> Result<Item> {
        let mut codes = Vec::new();
        self.test.codes(index, &mut codes)?;
        let samples = codes.iter().map(|&code| self.quantiser.decode(code)).collect();
        let content = Sound { rate: self.rate, samples }.into();
        Ok(Item { index, content, label: 0.into() })
    }

    fn stratum(&self, _: usize) -> Result<usize> {
        Ok(0)
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.test.source(index).0.to_owned())
    }

    fn judge(&self, items: &[Item], rate: f64) -> Result<Vec<Verdict>> {
        ensure!(rate == 1.0, "a model of codes has one sampling rate");
        let codes = items.iter().map(|item| match &item.content {
            Content::Sound(sound) if !sound.samples.is_empty() => Ok(self.encode(&sound.samples)),
            _ => bail!("no sound of at least one sample"),
        });
        let codes: Vec<Vec<u16>> = codes.collect::<Result<_>>()?;
        let nats =
            Vec::<f64>::try_from(self.model.nll(&CodeBatch::new(&codes))?.to_device(Device::Cpu))?;
        let each = nats.iter().zip(&codes).map(|(nats, codes)| {
            let value = nats / LN_2 / codes.len() as f64;
            Verdict { value, label: None, predicted: None, confidence: (-value * LN_2).exp() }
        });
        Ok(each.collect())
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn background_noise(&self) -> Option<PathBuf> {
        noise_in(self.experiment.data.dir.as_deref()?)
    }

    fn as_codes(&self) -> Option<&Codes> {
        Some(self)
    }
}

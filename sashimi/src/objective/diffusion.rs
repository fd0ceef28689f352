//! Diffusion: the mean square error of the noise that a network finds in noisy sound.
//!
//! Shapes: B batch, L length in samples, S ≥ L samples that a cut is taken from, M bands and F frames
//! of a mel spectrogram.

use anyhow::{Context, Result};
use dsp::mel::Mel;
use models::diffusion::NoiseNetwork;
use models::diffusion::process::errors;
use models::diffusion::schedule::Schedule;
use program::seed::derive;
use s4_config::DiffusionConfig;
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use s4_core::shard;
use tch::{Device, Kind, Tensor};
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::Show;

use crate::data::sound::{DeviceSounds, SoundBatch};
use crate::denoise::{Denoiser, noise};
use crate::experiment::Experiment;
use crate::preview::Preview;

/// A network trained to find noise.
#[derive(Debug)]
pub struct Diffusion {
    store: ParamStore,
    network: NoiseNetwork,
    config: DiffusionConfig,
    schedule: Schedule,
    /// Its ᾱ, on the device.
    alpha_bar: Tensor,
    /// How linear maps multiply while training.
    dense: DenseKind,
    /// Samples L that are learned from at once.
    length: i64,
    /// Cuts begin at multiples of this many samples: a frame of the spectrogram, or one.
    hop: i64,
    /// Makes spectrograms, for a vocoder.
    mel: Option<Mel>,
    seed: u64,
    preview: Preview,
}

/// Names of the losses over quarters of the steps, from little noise to much.
const QUARTERS: [&str; 4] = ["loss_q1", "loss_q2", "loss_q3", "loss_q4"];

/// The steps of an evaluation's clips are multiples of it, modulo 1: evenly spread, however many clips
/// there are.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Diffusion {
    /// A fresh model for `experiment`, initialised from its seed: the same on every device.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(experiment: &Experiment, device: Device) -> Result<Self> {
        seed::seed_model(experiment.train.seed);
        let config = experiment.diffusion.clone().context("the experiment has no [diffusion]")?;
        let kind = experiment.train.precision.kind(device)?;
        let mut store = ParamStore::new(device, kind);
        let network = NoiseNetwork::new(&mut store.root(), &config.network).context("diffusion")?;
        let schedule = Schedule::training(&config);
        Ok(Self {
            alpha_bar: schedule.to_device(device)?,
            schedule,
            config,
            store,
            network,
            dense: experiment.train.precision.dense(),
            length: experiment.data.length as i64,
            hop: experiment.data.mel.as_ref().map_or(1, |mel| mel.hop as i64),
            mel: experiment.data.mel()?,
            seed: experiment.train.seed,
            preview: Preview::new(experiment)?,
        })
    }

    /// What is made of noise by the steps of `schedule`.
    pub fn denoiser<'a>(&'a self, schedule: &'a Schedule) -> Denoiser<'a> {
        Denoiser { network: &self.network, schedule }
    }

    /// The steps of training.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What makes spectrograms, where the network is conditioned on them.
    pub fn mel(&self) -> Option<&Mel> {
        self.mel.as_ref()
    }

    /// The same model with real recordings to show beside generated ones.
    pub fn with_examples(self, examples: Vec<Vec<f32>>) -> Self {
        Self { preview: self.preview.with_examples(examples), ..self }
    }

    /// A cut of L samples out of each sound, (B, 1, L), from `offset` (B) on in units of the hop, and
    /// what the spectrogram has of it.
    fn cut(&self, batch: &DeviceSounds, offset: &Tensor) -> (Tensor, Option<Tensor>) {
        let positions = |count: i64| Tensor::arange(count, (Kind::Int64, offset.device()));
        let first = offset.unsqueeze(1);
        let at = &first * self.hop + positions(self.length); // (B, L)
        let sound = batch.samples.gather(1, &at, false).unsqueeze(1);
        let mel = batch.mel.as_ref().map(|mel| {
            let frames = first + positions(self.length / self.hop + 1); // (B, F)
            mel.gather(2, &frames.unsqueeze(1).expand([-1, mel.size()[1], -1], false), false)
        });
        (sound, mel)
    }

    /// Steps and noise of the clips of an evaluation: always the same, so that losses can be compared.
    fn fixed(&self, batch: &DeviceSounds) -> Result<(Tensor, Tensor)> {
        let total = self.schedule.len() as f64;
        let step = |&clip: &i64| (((clip as f64 + 0.5) * GOLDEN).fract() * total) as i64;
        let steps: Vec<i64> = batch.numbers.iter().map(step).collect();
        let seed = derive(self.seed, "evaluation noise", 0);
        let drawn = batch.numbers.iter().map(|&clip| noise(seed, clip as u64, 0, self.length));
        let noise = Tensor::f_stack(&drawn.collect::<Vec<_>>(), 0)?;
        let device = self.store.device();
        Ok((Tensor::from_slice(&steps).f_to_device(device)?, noise.f_to_device(device)?))
    }

    /// Sound to listen to, by the fast way: out of nothing, or as a vocoder of the recordings that are
    /// shown beside it.
    fn generate(&self) -> Result<Vec<Vec<f32>>> {
        let schedule = Schedule::fast(&self.config);
        let denoiser = self.denoiser(&schedule);
        let mut sounds = Vec::new();
        match &self.mel {
            None => {
                for number in 0..self.preview.count {
                    let sound = denoiser.begin(self.seed, &[number], self.preview.samples, None)?;
                    sounds.extend(sound.finish()?);
                }
            }
            Some(mel) => {
                for example in self.preview.examples() {
                    sounds.extend(denoiser.begin_like(self.seed, example, mel)?.finish()?);
                }
            }
        }
        Ok(sounds)
    }
}

impl Objective for Diffusion {
    type Batch = SoundBatch;
    type OnDevice = DeviceSounds;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, batch: &SoundBatch) -> Result<DeviceSounds> {
        batch.to_device(self.store.device(), self.store.kind())
    }

    fn samples(&self, batch: &DeviceSounds) -> Option<i64> {
        Some(batch.samples.size()[0])
    }

    fn step(&mut self, batch: &DeviceSounds, phase: Phase) -> Result<StepOutput> {
        let size = batch.samples.size()[0];
        let options = (Kind::Float, self.store.device());
        let (offset, steps, noise, pass) = match phase {
            Phase::Train => {
                // From 0 to the last place that a cut fits at.
                let places = batch.slack.floor_divide_scalar(self.hop) + 1;
                let random = shard::draw(size, |rows| Tensor::rand([rows], options));
                let offset = (random * &places).floor().minimum(&(places - 1));
                let total = self.schedule.len() as i64;
                let integers = (Kind::Int64, options.1);
                let steps = shard::draw(size, |rows| Tensor::randint(total, [rows], integers));
                let noise =
                    shard::draw(size, |rows| Tensor::randn([rows, 1, self.length], options));
                let pass = Pass { dense: self.dense, ..Pass::train() };
                (offset.to_kind(Kind::Int64), steps, noise, pass)
            }
            Phase::Eval => {
                let (steps, noise) = self.fixed(batch)?;
                (batch.slack.zeros_like(), steps, noise, Pass::eval())
            }
        };
        let (sound, mel) = self.cut(batch, &offset);
        let noise = noise.to_kind(sound.kind());
        let errors =
            errors(&self.network, &self.alpha_bar, &sound, &noise, &steps, mel.as_ref(), &pass)?;
        let outputs = (phase == Phase::Eval).then(|| {
            Tensor::stack(&[steps.to_kind(Kind::Double), errors.to_kind(Kind::Double)], 1)
        });
        Ok(StepOutput { loss: errors.mean(None), metrics: Vec::new(), samples: size, outputs })
    }

    fn recipe<'a>(&self, batch: &'a DeviceSounds) -> Option<Recipe<'a>> {
        let tensors = [Some(&batch.samples), Some(&batch.slack), batch.mel.as_ref()];
        Some(Recipe { tensors: tensors.into_iter().flatten().collect(), numbers: Vec::new() })
    }

    /// The mean loss of each quarter of the steps, where an evaluation has clips in it.
    fn figures(&self, outputs: &Tensor) -> Result<Vec<(&'static str, f64)>> {
        let outputs = outputs.f_to_device(Device::Cpu)?;
        let [steps, errors] = [0, 1].map(|column| outputs.select(1, column));
        let quarter = (steps * (QUARTERS.len() as f64 / self.schedule.len() as f64)).floor();
        let mut figures = Vec::new();
        for (number, name) in QUARTERS.into_iter().enumerate() {
            let inside = errors.masked_select(&quarter.eq(number as i64));
            if inside.numel() > 0 {
                figures.push((name, f64::try_from(inside.mean(None))?));
            }
        }
        Ok(figures)
    }

    fn show(&mut self, show: &mut dyn Show, _: Option<&Tensor>) -> Result<()> {
        let generated = self.generate();
        self.preview.show(generated, show)
    }
}

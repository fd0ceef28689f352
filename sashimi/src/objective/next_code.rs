//! Next-code prediction, as the trainer wants it: cross-entropy, with truncated back-propagation
//! through sequences that are longer than a segment.
//!
//! Shapes: B batch, L length, K codes.

use std::f64::consts::LN_2;

use anyhow::{Context, Result};
use audio_data::quantise::Quantiser;
use models::Network;
use program::interrupt;
use s4_config::{Input, Output, Shape};
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::{self, Show};

use crate::data::batch::{CodeBatch, DeviceBatch};
use crate::experiment::Experiment;
use crate::preview::Preview;
use generation::sampling::Sampling;
use generation::{self, Generator, stream};

/// A model of codes trained by cross-entropy.
#[derive(Debug)]
pub struct NextCode {
    store: ParamStore,
    model: Network,
    /// How linear maps multiply while training.
    dense: DenseKind,
    /// The code that stands before every sequence.
    start: i64,
    /// Positions between two cuts of back-propagation; the state is carried over a cut.
    segment: Option<i64>,
    experiment: Experiment,
    quantiser: Quantiser,
    preview: Preview,
}

/// Adds the gradient of a scalar to those of the parameters.
type Backward<'a> = &'a dyn Fn(&Tensor) -> Result<()>;
/// A target that does not count.
const PADDING: i64 = -100;
/// The k of the accuracies: how often the code is among the k likeliest.
const TOP: [(&str, i64); 4] =
    [("accuracy", 1), ("accuracy@3", 3), ("accuracy@5", 5), ("accuracy@10", 10)];

impl NextCode {
    /// A fresh model for `experiment`, initialised from its seed: the same on every device.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(experiment: &Experiment, device: Device) -> Result<Self> {
        seed::seed_model(experiment.train.seed);
        let kind = experiment.train.precision.kind(device)?;
        let mut store = ParamStore::new(device, kind);
        let quantiser = experiment.data.quantiser()?;
        let codes = quantiser.levels() as i64;
        let shape = Shape {
            input: Input::Tokens { vocabulary: codes },
            output: Output::PerPosition(codes),
        };
        let model = Network::new(&mut store.root(), &experiment.model, shape).context("model")?;
        Ok(Self {
            store,
            model,
            dense: experiment.train.precision.dense(),
            start: quantiser.zero().into(),
            segment: experiment.data.segment.map(|segment| segment as i64),
            preview: Preview::new(experiment)?,
            experiment: experiment.clone(),
            quantiser,
        })
    }

    /// The network.
    pub fn model(&self) -> &Network {
        &self.model
    }

    /// The same model with real recordings to show beside generated ones.
    pub fn with_examples(self, examples: Vec<Vec<f32>>) -> Self {
        Self { preview: self.preview.with_examples(examples), ..self }
    }

    /// The same model for sequences of any length: what is longer than in training goes through it
    /// in segments.
    pub fn in_segments(self, experiment: &Experiment) -> Self {
        let stride = self.model.stride();
        let length = experiment.data.length as i64;
        let whole = (length + stride - 1) / stride * stride;
        Self { segment: Some(self.segment.unwrap_or(whole)), ..self }
    }

    /// The sum of -log p of every sequence's codes, in nats: (B) float64 on the model's device.
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn nll(&self, batch: &CodeBatch) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let mut sum = Tensor::zeros([batch.size() as i64], (Kind::Double, self.store.device()));
        self.for_each_segment(&self.upload(batch)?, false, &mut |scores, targets| {
            let loss =
                cross_entropy(&scores.flatten(0, 1), &targets.flatten(0, 1), Reduction::None)?;
            let loss = loss.view_as(targets).to_kind(Kind::Double);
            sum += loss.sum_dim_intlist([1i64].as_slice(), false, None);
            Ok(())
        })?;
        Ok(sum)
    }

    fn run(
        &self,
        batch: &DeviceBatch,
        train: bool,
        backward: Option<Backward>,
    ) -> Result<StepOutput> {
        let count = batch.count;
        let mut total: Option<Tensor> = None;
        let mut within = TOP.map(|_| Tensor::zeros([], (Kind::Float, self.store.device())));
        self.for_each_segment(batch, train, &mut |scores, targets| {
            let (scores, targets) = (scores.flatten(0, 1), targets.flatten(0, 1));
            let loss = cross_entropy(&scores, &targets, Reduction::Sum)? / count as f64;
            let loss = match backward {
                None => loss,
                Some(backward) => {
                    backward(&loss)?;
                    loss.detach()
                }
            };
            total = Some(match total.take() {
                None => loss,
                Some(sum) => sum + loss,
            });
            let _guard = tch::no_grad_guard();
            let rank = rank(&scores.detach(), &targets);
            for (sum, (_, k)) in within.iter_mut().zip(TOP) {
                *sum += rank.lt(k).sum(Kind::Float);
            }
            Ok(())
        })?;
        let loss = total.context("a batch holds at least one code")?;
        let bits = &loss * (count as f64 / LN_2);
        let mut metrics = vec![("bits_per_sample", bits)];
        metrics.extend(TOP.map(|(name, _)| name).into_iter().zip(within));
        Ok(StepOutput { loss, metrics, samples: count as i64, outputs: None })
    }

    /// Runs the batch through the model, segment by segment, and hands on scores (B, L, K) and
    /// targets (B, L).
    fn for_each_segment(
        &self,
        batch: &DeviceBatch,
        train: bool,
        each: &mut dyn FnMut(&Tensor, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let (inputs, targets) = self.shifted(batch)?;
        let (size, len) = inputs.size2()?;
        let pass = if train { Pass { dense: self.dense, ..Pass::train() } } else { Pass::eval() };
        let segment = self.segment.unwrap_or(len);
        if len <= segment {
            return each(&self.model.forward(&inputs, &pass)?, &targets);
        }
        let mut state = self.model.default_state(size)?;
        for start in (0..len).step_by(segment as usize) {
            let part = segment.min(len - start);
            let inputs = inputs.narrow(1, start, part);
            // What pads the last segment comes after everything that counts.
            let missing = (-part).rem_euclid(self.model.stride());
            let padded = inputs.constant_pad_nd([0, missing]);
            let (scores, next) = self.model.forward_with_state(&padded, &state, &pass)?;
            each(&scores.narrow(1, 0, part), &targets.narrow(1, start, part))?;
            state = next.iter().map(Tensor::detach).collect();
        }
        Ok(())
    }

    /// Sound to listen to, with the same seed at every evaluation, so that only the model makes the
    /// difference.
    fn generate(&self) -> Result<Vec<Vec<f32>>> {
        let Preview { count, samples, .. } = self.preview;
        if count == 0 {
            return Ok(Vec::new());
        }
        // What the engine does not know is generated all the same, only slower.
        let engine =
            stream::model(&self.experiment, &self.experiment.model, &self.store).unwrap_or(None);
        let first = [self.quantiser.zero().into()];
        let start = generation::after(&self.model, engine.as_ref(), &first, count as usize)?;
        let seed = self.experiment.train.seed;
        let mut generator = Generator::new(start, Sampling::default(), seed, 0..count)?;
        let mut audio = vec![Vec::with_capacity(samples); count as usize];
        for _ in 0..samples {
            interrupt::check()?;
            for (sound, code) in audio.iter_mut().zip(generator.next_codes()?) {
                sound.push(self.quantiser.decode(code as u16));
            }
        }
        Ok(audio)
    }

    /// Inputs, which are the codes one position late, and targets with the padding marked: both
    /// (B, L) int64.
    fn shifted(&self, batch: &DeviceBatch) -> Result<(Tensor, Tensor)> {
        let codes = &batch.codes;
        let len = codes.size()[1];
        let inputs = codes.narrow(1, 0, len - 1).f_pad([1, 0], "constant", self.start as f64)?;
        let positions = Tensor::arange(len, (Kind::Int64, codes.device()));
        let is_padding = positions.ge_tensor(&batch.lengths.unsqueeze(1));
        Ok((inputs, codes.masked_fill(&is_padding, PADDING)))
    }
}

fn cross_entropy(scores: &Tensor, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(scores.f_cross_entropy_loss::<Tensor>(targets, None, reduction, PADDING, 0.0)?)
}

/// How many codes have higher scores than the target, (B·L); many for padding.
fn rank(scores: &Tensor, targets: &Tensor) -> Tensor {
    let is_padding = targets.eq(PADDING);
    let own = scores.gather(1, &targets.clamp_min(0).unsqueeze(1), false);
    let better = scores.gt_tensor(&own).sum_dim_intlist([1i64].as_slice(), false, Kind::Int64);
    better.masked_fill(&is_padding, i64::MAX)
}

impl Objective for NextCode {
    type Batch = CodeBatch;
    type OnDevice = DeviceBatch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, batch: &CodeBatch) -> Result<DeviceBatch> {
        batch.to_device(self.store.device())
    }

    fn samples(&self, batch: &DeviceBatch) -> Option<i64> {
        Some(batch.count as i64)
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        self.run(batch, phase == Phase::Train, None)
    }

    fn train_step(
        &mut self,
        batch: &DeviceBatch,
        backward: &dyn Fn(&Tensor) -> Result<()>,
    ) -> Result<StepOutput> {
        self.run(batch, true, Some(backward))
    }

    fn recipe<'a>(&self, batch: &'a DeviceBatch) -> Option<Recipe<'a>> {
        if self.model.recomputes() {
            return None; // The generator's state, which it restores, is read by the host.
        }
        let tensors = vec![&batch.codes, &batch.lengths];
        Some(Recipe { tensors, numbers: vec![batch.count as i64] })
    }

    fn show(&mut self, show: &mut dyn Show, _: Option<&Tensor>) -> Result<()> {
        show::layers(self.model.backbone(), show)?;
        let generated = self.generate();
        self.preview.show(generated, show)
    }
}

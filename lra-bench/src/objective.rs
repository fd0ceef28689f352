//! A classifier with its loss, as the trainer wants it.

use anyhow::{Context, Result};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, Picture, StepOutput};
use training::seed;

use crate::data::batch::Batch;
use crate::experiment::Experiment;
use crate::model::Classifier;
use crate::tasks::Task;

/// A classifier trained by cross-entropy.
#[derive(Debug)]
pub struct Classification {
    store: ParamStore,
    model: Classifier,
    /// Step of the input relative to the training data.
    rate: f64,
}

impl Classification {
    /// A fresh model for `experiment`, initialised from its seed: the same on every device.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(experiment: &Experiment, task: &Task, device: Device) -> Result<Self> {
        seed::seed_torch(experiment.train.seed, "initialise", 0);
        let mut store = ParamStore::new(device, Kind::Float);
        let model =
            Classifier::new(&mut store.root(), &experiment.model, task.shape).context("model")?;
        Ok(Self { store, model, rate: 1.0 })
    }

    /// The same model for inputs at another sampling rate.
    pub fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Class scores of a batch, (B, classes), and its labels (B).
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn scores(&self, batch: &Batch, phase: Phase) -> Result<(Tensor, Tensor)> {
        let batch = batch.to_device(self.store.device(), self.store.kind())?;
        let pass = Pass { train: phase == Phase::Train, rate: self.rate, ..Pass::eval() };
        let scores = self.model.forward(&batch.x, pass.with_lengths(batch.lengths))?;
        Ok((scores, batch.labels))
    }
}

impl Objective for Classification {
    type Batch = Batch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn step(&mut self, batch: &Batch, phase: Phase) -> Result<StepOutput> {
        let (scores, labels) = self.scores(batch, phase)?;
        let loss =
            scores.f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0)?;
        let correct = scores.argmax(1, false).eq_tensor(&labels).sum(Kind::Float);
        Ok(StepOutput {
            loss,
            metrics: vec![("accuracy", correct)],
            samples: batch.labels.len() as i64,
        })
    }

    fn histograms(&self) -> Vec<(String, Tensor)> {
        self.model.spectra()
    }

    fn pictures(&self) -> Vec<Picture> {
        self.model
            .kernels()
            .into_iter()
            .map(|(name, kernels)| Picture { name, pixels: heat_map(&kernels) })
            .collect()
    }
}

/// Rows of values as grey levels: each row from its smallest (black) to its largest (white).
fn heat_map(rows: &Tensor) -> Tensor {
    let rows = rows.to_kind(Kind::Float);
    let (low, high) = (rows.amin([1i64].as_slice(), true), rows.amax([1i64].as_slice(), true));
    (&rows - &low) / (high - low).clamp_min(1e-12)
}

//! A model with the loss that follows from what is asked of it, as the trainer wants it.

use anyhow::{Context, Result, ensure};
use datasets::batch::Batch;
use datasets::shape::{Shape, Target};
use models::Network;
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Reduction, Tensor};
use training::adapt;
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::{self, Show};

use crate::device_batch::DeviceBatch;
use crate::experiment::Experiment;
use crate::metrics::errors::Errors;
use crate::metrics::gather;
use crate::metrics::series::{Scored, score};
use crate::preview::Preview;

/// A model of labelled sequences: trained by cross-entropy where they have classes, by the mean squared
/// error of standardised values where they have those, or by the pinball loss of their quantiles.
#[derive(Debug)]
pub struct Supervised {
    store: ParamStore,
    model: Network,
    target: Target,
    /// How linear maps multiply while training.
    dense: DenseKind,
    /// Step of the input relative to the training data.
    rate: f64,
    preview: Option<Preview>,
}

impl Supervised {
    /// A fresh model for `experiment` and data of this shape, initialised from its seed: the same on
    /// every device.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(experiment: &Experiment, shape: &Shape, device: Device) -> Result<Self> {
        ensure!(
            experiment.pretrain.is_none(),
            "this is a run of pretraining, which says nothing of a task: adapt it with `lra-bench train \
             --task {} --init-from RUN --adapt full`, or look at its features with `lra-bench knn`",
            experiment.task
        );
        seed::seed_model(experiment.train.seed);
        let kind = experiment.train.precision.kind(device)?;
        let mut store = ParamStore::new(device, kind);
        let model = Network::new(&mut store.root(), &experiment.model, shape.network());
        let model = model.context("model")?;
        let dense = experiment.train.precision.dense();
        ensure!(
            !matches!(shape.target, Target::PerPosition { .. }),
            "labels of whole sequences are learned, not of every position"
        );
        let target = shape.target.clone();
        Ok(Self { store, model, target, dense, rate: 1.0, preview: None })
    }

    /// The same model for inputs at another sampling rate.
    pub fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// The same model with examples to show.
    pub fn with_preview(self, preview: Preview) -> Self {
        Self { preview: Some(preview), ..self }
    }

    /// The network.
    pub fn model(&self) -> &Network {
        &self.model
    }

    /// Logits of a batch, (B, classes), or standardised values, (B, targets), or of series (B, steps,
    /// targets · quantiles).
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn outputs(&self, batch: &DeviceBatch, phase: Phase) -> Result<Tensor> {
        self.outputs_at(batch, phase, self.rate)
    }

    /// The same of inputs at another sampling rate: `rate` is their step relative to the training data.
    ///
    /// # Errors
    /// If the batch does not fit the model, or the model has one rate alone.
    pub fn outputs_at(&self, batch: &DeviceBatch, phase: Phase, rate: f64) -> Result<Tensor> {
        let pass = match phase {
            Phase::Train if self.has_trained_base() => Pass { dense: self.dense, ..Pass::train() },
            // Features that stay as they are.
            _ => Pass::eval(),
        };
        let lengths = batch.lengths.as_ref().map(Tensor::shallow_clone);
        self.model.forward(&batch.x, &Pass { rate, lengths, ..pass })
    }
}

impl Supervised {
    /// Whether encoder or backbone are trained, and not only a head on them.
    fn has_trained_base(&self) -> bool {
        let mut entries = self.store.entries().iter();
        entries.any(|entry| entry.tensor.requires_grad() && adapt::is_base(&entry.name))
    }
}

impl Objective for Supervised {
    type Batch = Batch;
    type OnDevice = DeviceBatch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, batch: &Batch) -> Result<DeviceBatch> {
        let (device, kind) = (self.store.device(), self.store.kind());
        DeviceBatch::upload(batch, self.target.quantities(), device, kind)
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        let outputs = self.outputs(batch, phase)?;
        let labels = &batch.labels;
        let samples = labels.size()[0];
        if let Target::Series(series) = &self.target {
            let Scored { loss, metrics, rows } = score(series, &outputs, labels)?;
            let outputs = (phase == Phase::Eval).then_some(rows);
            return Ok(StepOutput { loss, metrics, samples, outputs });
        }
        let (loss, metrics) = match self.target {
            Target::Values(_) => (outputs.f_mse_loss(labels, Reduction::Mean)?, Vec::new()),
            _ => {
                let reduction = Reduction::Mean;
                let loss =
                    outputs.f_cross_entropy_loss::<Tensor>(labels, None, reduction, -100, 0.0)?;
                let correct = outputs.argmax(1, false).eq_tensor(labels).sum(Kind::Float);
                (loss, vec![("accuracy", correct)])
            }
        };
        let outputs = match phase {
            Phase::Train => None,
            Phase::Eval => Some(gather::rows(&outputs, batch)?),
        };
        Ok(StepOutput { loss, metrics, samples, outputs })
    }

    fn figures(&self, outputs: &Tensor) -> Result<Vec<(&'static str, f64)>> {
        let Target::Values(quantities) = &self.target else { return Ok(Vec::new()) };
        let each = Errors::of_each(quantities, &gather::read_values(outputs, quantities)?);
        let Errors { mae, rmse, r2 } = Errors::mean(&each);
        let figures = [("mae", mae), ("rmse", rmse)].into_iter();
        Ok(figures.chain(r2.map(|r2| ("r2", r2))).collect())
    }

    fn recipe<'a>(&self, batch: &'a DeviceBatch) -> Option<Recipe<'a>> {
        if self.model.recomputes() {
            return None; // The generator's state, which it restores, is read by the host.
        }
        let tensors = [&batch.x, &batch.labels].into_iter().chain(&batch.lengths).collect();
        Some(Recipe { tensors, numbers: Vec::new() })
    }

    fn show(&mut self, show: &mut dyn Show, outputs: Option<&Tensor>) -> Result<()> {
        show::layers(self.model.backbone(), show)?;
        if let (Target::Series(series), Some(preview)) = (&self.target, &self.preview) {
            let said = self.outputs(&self.upload(&preview.batch()?)?, Phase::Eval)?;
            return preview.show_series(series, &said, show);
        }
        match (&mut self.preview, outputs) {
            (Some(preview), Some(outputs)) => preview.show(&self.target, outputs, show),
            _ => Ok(()),
        }
    }
}

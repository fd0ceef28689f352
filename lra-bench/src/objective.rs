//! A classifier with its loss, as the trainer wants it.

use anyhow::{Context, Result, ensure};
use datasets::batch::Batch;
use models::Network;
use s4_config::{Output, Shape};
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::{self, Show};

use crate::device_batch::DeviceBatch;
use crate::experiment::Experiment;
use crate::metrics::gather;
use crate::preview::Preview;

/// A classifier trained by cross-entropy.
#[derive(Debug)]
pub struct Classification {
    store: ParamStore,
    model: Network,
    /// How linear maps multiply while training.
    dense: DenseKind,
    /// Step of the input relative to the training data.
    rate: f64,
    preview: Option<Preview>,
}

impl Classification {
    /// A fresh model for `experiment` and data of this shape, initialised from its seed: the same on
    /// every device.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(experiment: &Experiment, shape: Shape, device: Device) -> Result<Self> {
        seed::seed_model(experiment.train.seed);
        let kind = experiment.train.precision.kind(device)?;
        let mut store = ParamStore::new(device, kind);
        let model = Network::new(&mut store.root(), &experiment.model, shape).context("model")?;
        let dense = experiment.train.precision.dense();
        ensure!(
            matches!(shape.output, Output::Classes(_) | Output::Pair(_)),
            "a classifier is for classes of whole sequences"
        );
        Ok(Self { store, model, dense, rate: 1.0, preview: None })
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

    /// Logits of a batch, (B, classes).
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn logits(&self, batch: &DeviceBatch, phase: Phase) -> Result<Tensor> {
        let pass = match phase {
            Phase::Train => Pass { dense: self.dense, ..Pass::train() },
            Phase::Eval => Pass::eval(),
        };
        let lengths = batch.lengths.as_ref().map(Tensor::shallow_clone);
        self.model.forward(&batch.x, &Pass { rate: self.rate, lengths, ..pass })
    }
}

impl Objective for Classification {
    type Batch = Batch;
    type OnDevice = DeviceBatch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn upload(&self, batch: &Batch) -> Result<DeviceBatch> {
        DeviceBatch::upload(batch, self.store.device(), self.store.kind())
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        let logits = self.logits(batch, phase)?;
        let labels = &batch.labels;
        let loss =
            logits.f_cross_entropy_loss::<Tensor>(labels, None, Reduction::Mean, -100, 0.0)?;
        let correct = logits.argmax(1, false).eq_tensor(labels).sum(Kind::Float);
        let outputs = match phase {
            Phase::Train => None,
            Phase::Eval => Some(gather::rows(&logits, batch)?),
        };
        let samples = labels.size()[0];
        Ok(StepOutput { loss, metrics: vec![("accuracy", correct)], samples, outputs })
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
        match (&mut self.preview, outputs) {
            (Some(preview), Some(outputs)) => preview.show(&gather::read(outputs)?, show),
            _ => Ok(()),
        }
    }
}

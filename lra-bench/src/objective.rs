//! A classifier with its loss, as the trainer wants it.

use anyhow::{Context, Result, bail};
use datasets::batch::Batch;
use models::Network;
use s4_config::{Output, Shape};
use s4_core::layer::linear::DenseKind;
use s4_core::layer::{Pass, inspect};
use s4_core::params::ParamStore;
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::Show;

use crate::device_batch::DeviceBatch;
use crate::experiment::Experiment;
use crate::metrics::confusion::Confusion;
use crate::metrics::gather;

/// A classifier trained by cross-entropy.
#[derive(Debug)]
pub struct Classification {
    store: ParamStore,
    model: Network,
    /// How linear maps multiply while training.
    dense: DenseKind,
    /// Step of the input relative to the training data.
    rate: f64,
    /// A few inputs to look at, (examples, L, features).
    examples: Option<Tensor>,
    classes: usize,
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
        let classes = match shape.output {
            Output::Classes(classes) | Output::Pair(classes) => usize::try_from(classes)?,
            Output::PerPosition(_) => bail!("a classifier is for classes of whole sequences"),
        };
        Ok(Self { store, model, dense, rate: 1.0, examples: None, classes })
    }

    /// The same model for inputs at another sampling rate.
    pub fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
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
        if self.examples.is_none() && batch.x.is_floating_point() {
            self.examples = Some(batch.x.narrow(0, 0, batch.x.size()[0].min(SHOWN_EXAMPLES)));
        }
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
        for (name, values) in inspect::spectra(self.model.backbone()) {
            show.histogram(&name, &values)?;
        }
        if let Some(examples) = &self.examples {
            show.picture("inputs", &side_by_side(examples))?;
        }
        if let Some(outputs) = outputs {
            let confusion = Confusion::new(&gather::read(outputs)?, self.classes);
            show.picture("confusion", &confusion.picture())?;
        }
        for (name, kernels) in inspect::kernels(self.model.backbone()) {
            show.picture(&name, &heat_map(&kernels))?;
        }
        Ok(())
    }
}

/// How many inputs are shown.
const SHOWN_EXAMPLES: i64 = 4;

/// Sequences (B, L, features) next to each other: as squares where they are square images, else
/// as rows below each other.
fn side_by_side(examples: &Tensor) -> Tensor {
    let first_feature = examples.select(2, 0); // (B, L)
    let length = first_feature.size()[1];
    let side = (length as f64).sqrt().round() as i64;
    if side * side != length {
        return heat_map(&first_feature);
    }
    let squares = first_feature.view([-1, side, side]).unbind(0);
    heat_map(&Tensor::cat(&squares, 1).view([1, -1])).view([side, -1])
}

/// Rows of values as grey levels: each row from its smallest (black) to its largest (white).
fn heat_map(rows: &Tensor) -> Tensor {
    let rows = rows.to_kind(Kind::Float);
    let (low, high) = (rows.amin([1i64].as_slice(), true), rows.amax([1i64].as_slice(), true));
    (&rows - &low) / (high - low).clamp_min(1e-12)
}

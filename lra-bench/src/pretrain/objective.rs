//! A network with what it is pretrained by, as the trainer wants it.
//!
//! Shapes: B batch, L length, H channels, P positions that are asked for.

use anyhow::{Context, Result, ensure};
use datasets::shape::Shape;
use models::Network;
use s4_config::{Input, Output};
use s4_core::layer::Pass;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::params::{Hyper, ParamStore};
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, StepOutput};
use training::seed;
use training::show::{self, Show};
use training::upload::upload;

use super::masks::Masked;
use super::{GREYS, Loss, PretrainConfig, Question};
use crate::device_batch::DeviceBatch;
use crate::experiment::Experiment;

/// A model of sequences without labels: it says what stands at masked positions, or what comes next.
///
/// What is hidden is a learned vector in place of an embedding. For real values that is the map of
/// (x(1 - m), m) with a column for the mask m, which is the vector less the bias. With the head it is
/// thrown away afterwards, and the encoder is as it is without a mask.
#[derive(Debug)]
pub struct Pretraining {
    store: ParamStore,
    model: Network,
    /// `pretraining.hidden` (H): what stands at masked positions, or before the first one.
    hidden: Tensor,
    /// `pretraining.head`: H channels to scores or values.
    head: Linear,
    question: Question,
    loss: Loss,
    dense: DenseKind,
}

/// Masked sequences on the model's device.
#[derive(Debug)]
pub struct OnDevice {
    sequences: DeviceBatch,
    /// Place of each position that is asked for among all B·L, (P).
    places: Tensor,
}

impl Pretraining {
    /// A fresh model for `experiment` and data of this shape, initialised from its seed.
    ///
    /// # Errors
    /// If it is no experiment of pretraining, or contradictory.
    pub fn new(experiment: &Experiment, shape: &Shape, device: Device) -> Result<Self> {
        let config = experiment.pretrain.as_ref().context("a run of pretraining has [pretrain]")?;
        let PretrainConfig { objective: Some(question), loss: Some(loss), .. } = *config else {
            anyhow::bail!("[pretrain] lacks what follows from the data: open that first");
        };
        anyhow::ensure!(
            question == Question::Causal || experiment.model.lags().is_empty(),
            "model.lags would show what a mask hides: leave it out, or pretrain on the next position"
        );
        seed::seed_model(experiment.train.seed);
        let kind = experiment.train.precision.kind(device)?;
        let mut store = ParamStore::new(device, kind);
        let network = s4_config::Shape { input: shape.input, output: Output::Channels };
        let model = Network::new(&mut store.root(), &experiment.model, network).context("model")?;
        let width = experiment.model.width();
        let outputs = match (shape.input, loss) {
            (Input::Tokens { vocabulary }, _) => vocabulary,
            (Input::Values { .. }, Loss::CrossEntropy) => GREYS,
            (Input::Values { features }, Loss::L1) => features,
        };
        let mut root = store.root();
        let mut scope = root.sub("pretraining");
        let hidden = Tensor::randn([width], (Kind::Float, Device::Cpu));
        let hidden = scope.parameter("hidden", &hidden, Hyper::NO_DECAY)?;
        let head = Linear::new(&mut scope.sub("head"), width, outputs, Hyper::NO_DECAY)?;
        let dense = experiment.train.precision.dense();
        Ok(Self { store, model, hidden, head, question, loss, dense })
    }

    /// The network.
    pub fn model(&self) -> &Network {
        &self.model
    }

    /// What the backbone is given: embedded sequences (B, H, L) without what is asked for.
    fn embedded(&self, batch: &OnDevice) -> Result<Tensor> {
        let x = self.model.embed(&batch.sequences.x)?;
        let [rows, width, length] = *x.size().as_slice() else {
            anyhow::bail!("embedded sequences of shape {:?}", x.size());
        };
        let hidden = self.hidden.view([1, width, 1]);
        Ok(match self.question {
            Question::Causal => {
                let first = hidden.expand([rows, width, 1], false);
                Tensor::f_cat(&[&first, &x.narrow(2, 0, length - 1)], 2)?
            }
            Question::Masked => {
                let mask = Tensor::f_zeros([rows * length], (Kind::Bool, x.device()))?
                    .f_index_fill(0, &batch.places, 1)?
                    .view([rows, 1, length]);
                hidden.f_where_self(&mask, &x)?
            }
        })
    }
}

impl Objective for Pretraining {
    type Batch = Masked;
    type OnDevice = OnDevice;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, masked: &Masked) -> Result<OnDevice> {
        let (device, kind) = (self.store.device(), self.store.kind());
        let sequences = DeviceBatch::upload(&masked.batch, &[], device, kind)?;
        // Padded further, perhaps.
        let length = sequences.x.size()[1];
        let places: Vec<i64> = masked
            .places
            .iter()
            .map(|&(row, position)| row as i64 * length + position as i64)
            .collect();
        ensure!(!places.is_empty(), "there are no positions to ask for: the sequences are empty");
        Ok(OnDevice { sequences, places: upload(&Tensor::f_from_slice(&places)?, device)? })
    }

    fn samples(&self, batch: &OnDevice) -> Option<i64> {
        Some(batch.places.size()[0])
    }

    fn step(&mut self, batch: &OnDevice, phase: Phase) -> Result<StepOutput> {
        let pass = match phase {
            Phase::Train => Pass { dense: self.dense, ..Pass::train() },
            Phase::Eval => Pass::eval(),
        };
        let lengths = batch.sequences.lengths.as_ref().map(Tensor::shallow_clone);
        let channels =
            self.model.from_embedded(&self.embedded(batch)?, &pass.with_lengths(lengths))?;
        let asked = |x: &Tensor| x.f_flatten(0, 1)?.f_index_select(0, &batch.places);
        let said = self.head.step(&asked(&channels)?);
        let right = asked(&batch.sequences.x)?;
        let (loss, metrics) = match self.loss {
            Loss::L1 => (said.f_l1_loss(&right, Reduction::Mean)?, Vec::new()),
            Loss::CrossEntropy => {
                let right = match right.dim() {
                    1 => right,
                    _ => (right.squeeze_dim(1) * (GREYS - 1) as f64).round().to_kind(Kind::Int64),
                };
                let reduction = Reduction::Mean;
                let loss =
                    said.f_cross_entropy_loss::<Tensor>(&right, None, reduction, -100, 0.0)?;
                let correct = said.argmax(1, false).eq_tensor(&right).sum(Kind::Float);
                (loss, vec![("accuracy", correct)])
            }
        };
        Ok(StepOutput { loss, metrics, samples: batch.places.size()[0], outputs: None })
    }

    fn show(&mut self, show: &mut dyn Show, _: Option<&Tensor>) -> Result<()> {
        show::layers(self.model.backbone(), show)
    }
}

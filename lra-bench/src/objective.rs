//! A model with the loss that follows from what is asked of it, as the trainer wants it.

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::Batch;
use datasets::metric::Metric;
use datasets::shape::{Shape, Target};
use loader::Dataset;
use models::Network;
use s4_config::Backbone;
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Reduction, Tensor};
use toml::Value;
use training::adapt;
use training::objective::{Objective, Phase, Recipe, StepOutput};
use training::seed;
use training::show::{self, Show};

use crate::device_batch::DeviceBatch;
use crate::experiment::Experiment;
use crate::features::layers;
use crate::last_tokens;
use crate::metrics::errors::Errors;
use crate::metrics::gather;
use crate::metrics::series::{Scored, score};
use crate::next_token::{self, Carried};
use crate::preview::Preview;
use crate::solve;

/// A model of labelled sequences: trained by cross-entropy where classes or tokens are asked for, by the mean
/// squared error of standardised values where they have those, or by the pinball loss of their quantiles.
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
    /// By what the task is judged.
    metric: Option<Metric>,
    /// Where it goes along streams, which it is then trained on with the state of the window before.
    carried: Option<Carried>,
    /// Whether its linear map is that of ridge regression.
    has_ridge: bool,
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
        let target = shape.target.clone();
        let is_next = matches!(target, Target::PerPosition { .. });
        if let (true, Some(key)) = (is_next, experiment.model.looks_ahead()) {
            bail!(
                "the next token is asked for, which model.{key} lets the backbone see: it must be causal"
            );
        }
        let metric = (experiment.task()?.metric)(&experiment.data);
        let is_stream = experiment.data.get("carry").and_then(Value::as_bool) == Some(true);
        // The cache of attention would grow along a stream without end.
        let can_carry = experiment.model.backbone() != Backbone::Transformer;
        let carried = (is_next && is_stream && can_carry).then(Carried::default);
        let (length, stride) = (experiment.data.get("length"), model.stride());
        if let (Some(_), Some(length)) = (&carried, length.and_then(Value::as_integer)) {
            ensure!(
                length % stride == 0,
                "data.length is {length}, and the model takes tokens by {stride}: a state that is carried would hold \
                 padding; make it a multiple of {stride}, or set data.carry to false"
            );
        }
        let has_ridge = experiment.model.forecast.as_ref().is_some_and(|forecast| forecast.ridge);
        Ok(Self {
            store,
            model,
            target,
            dense,
            rate: 1.0,
            preview: None,
            metric,
            carried,
            has_ridge,
        })
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

    /// Logits of a batch, (B, classes), those of last tokens, (B, positions, tokens), or standardised values,
    /// (B, targets), or of series (B, steps, targets · quantiles).
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
        let pass = self.pass(phase);
        let lengths = batch.lengths.as_ref().map(Tensor::shallow_clone);
        self.model.forward(&batch.x, &Pass { rate, lengths, ..pass })
    }
}

impl Supervised {
    /// -log p, in nats, of each token that a batch asks for, row by row and without padding. Where a state
    /// is carried, it goes on from that of the batch before.
    ///
    /// # Errors
    /// If the batch does not fit the model, or no next token is asked for.
    pub fn nll(&mut self, batch: &Batch) -> Result<Vec<f64>> {
        let (batch, pass) = (self.upload(batch)?, Pass::eval());
        let nll = next_token::nll(&self.model, &batch, self.carried.as_mut(), &pass)?;
        Ok(next_token::rows(&nll, &batch)?.concat())
    }

    /// The same of each row, which is judged by itself, without what came before it.
    ///
    /// # Errors
    /// As [`Self::nll`].
    pub fn nll_of_each(&self, batch: &Batch) -> Result<Vec<Vec<f64>>> {
        let batch = self.upload(batch)?;
        let nll = next_token::nll(&self.model, &batch, None, &Pass::eval())?;
        next_token::rows(&nll, &batch)
    }

    fn pass(&self, phase: Phase) -> Pass {
        match phase {
            Phase::Train if self.has_trained_base() => Pass { dense: self.dense, ..Pass::train() },
            // Features that stay as they are.
            _ => Pass::eval(),
        }
    }

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

    fn samples(&self, batch: &DeviceBatch) -> Option<i64> {
        Some(batch.asked)
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        if let Target::PerPosition { .. } = self.target {
            let pass = self.pass(phase);
            let nll = next_token::nll(&self.model, batch, self.carried.as_mut(), &pass)?;
            return next_token::output(&nll, batch, phase == Phase::Eval);
        }
        let outputs = self.outputs(batch, phase)?;
        let labels = &batch.labels;
        let samples = batch.asked;
        if let Target::LastTokens { .. } = self.target {
            return last_tokens::output(&outputs, batch, phase == Phase::Eval);
        }
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

    fn solve(
        &mut self,
        train: &dyn Dataset<Batch = Batch>,
        val: &dyn Dataset<Batch = Batch>,
        head: bool,
        batch_size: usize,
        progress: bool,
    ) -> Result<()> {
        match &self.target {
            Target::Classes(names) if head => {
                let of = |split: &dyn Dataset<Batch = Batch>| {
                    layers(&self.model, &self.store, split, batch_size, progress)
                };
                solve::head(&self.store, names.len() as i64, (train, val), of)
            }
            Target::Series(series) if self.has_ridge => {
                solve::forecast(&self.store, series, (train, val), progress)
            }
            _ => Ok(()),
        }
    }

    fn figures(&self, outputs: &Tensor) -> Result<Vec<(&'static str, f64)>> {
        if let (Target::PerPosition { .. }, Some(metric)) = (&self.target, &self.metric) {
            return Ok(vec![next_token::figure(metric, outputs)?]);
        }
        let Target::Values(quantities) = &self.target else { return Ok(Vec::new()) };
        let each = Errors::of_each(quantities, &gather::read_values(outputs, quantities)?);
        let Errors { mae, rmse, r2 } = Errors::mean(&each);
        let figures = [("mae", mae), ("rmse", rmse)].into_iter();
        Ok(figures.chain(r2.map(|r2| ("r2", r2))).collect())
    }

    fn carried(&self) -> StateDict {
        self.carried.as_ref().map(Carried::state_dict).unwrap_or_default()
    }

    fn carry(&mut self, carried: StateDict) -> Result<()> {
        if let Some(state) = &mut self.carried {
            *state = Carried::from(&carried);
        }
        Ok(())
    }

    fn recipe<'a>(&self, batch: &'a DeviceBatch) -> Option<Recipe<'a>> {
        if self.carried.is_some() || self.model.recomputes() {
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

//! Loss and metrics over a whole split.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use s4_core::state_dict::StateDict;
use serde::{Deserialize, Deserializer, Serialize};
use tch::Tensor;

use crate::meters::Meters;
use crate::objective::{Objective, Phase};
use crate::seed::seed_torch;
use crate::train_config::TrainConfig;
use loader::Dataset;
use loader::prefetch::Prefetch;
use loader::sampler;
use program::interrupt;
use program::panics;
use program::progress::Progress;

/// How a split is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct EvalOptions {
    /// Samples in a batch.
    pub batch_size: usize,
    /// Threads that build batches ahead.
    pub workers: usize,
    /// For models that draw random numbers also here.
    pub seed: u64,
}

impl EvalOptions {
    /// As a run that is trained in this way is evaluated after it.
    pub fn of(config: &TrainConfig) -> Self {
        Self { batch_size: config.eval_batch_size(), workers: config.workers, seed: config.seed }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What loss and metrics are averages over.
    pub samples: i64,
    /// Mean loss.
    #[serde(deserialize_with = "nan_is_null")]
    pub loss: f64,
    /// The objective's metrics, averaged, and its figures of the whole split.
    #[serde(deserialize_with = "nans_are_null")]
    pub metrics: Vec<(String, f64)>,
    /// How long it took.
    pub seconds: f64,
}

/// JSON has no NaN.
fn nan_is_null<'de, D: Deserializer<'de>>(figure: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(figure)?.unwrap_or(f64::NAN))
}

fn nans_are_null<'de, D: Deserializer<'de>>(metrics: D) -> Result<Vec<(String, f64)>, D::Error> {
    let metrics: Vec<(String, Option<f64>)> = Vec::deserialize(metrics)?;
    Ok(metrics.into_iter().map(|(name, figure)| (name, figure.unwrap_or(f64::NAN))).collect())
}

/// An evaluation, and what the model said of each sample.
#[derive(Debug)]
pub struct Evaluated {
    /// Loss and metrics.
    pub evaluation: Evaluation,
    /// [`StepOutput::outputs`](crate::objective::StepOutput::outputs) of all samples, (samples, ·),
    /// in the order of the split.
    pub outputs: Option<Tensor>,
}

impl Evaluation {
    /// `loss` or the metric `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        if name == "loss" {
            return Some(self.loss);
        }
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// As [`evaluate`], with a progress bar where `show` and there is a terminal.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with_progress<O: Objective>(
    objective: &mut O,
    data: Arc<dyn Dataset<Batch = O::Batch>>,
    options: EvalOptions,
    show: bool,
) -> Result<Option<Evaluated>> {
    let batches = data.len().div_ceil(options.batch_size.max(1)) as u64;
    let progress = Progress::new(show, 0, batches);
    let result = evaluate(objective, data, options, |done, _| progress.step(done));
    progress.finish();
    result
}

/// Runs all of `data` through the model, every sample once, streams from their beginning; `None` if
/// the user interrupted. `on_batch` is called after each batch with how many of how many are done.
///
/// # Errors
/// If the split is empty, or a sample or the model fails.
pub fn evaluate<O: Objective>(
    objective: &mut O,
    data: Arc<dyn Dataset<Batch = O::Batch>>,
    options: EvalOptions,
    on_batch: impl FnMut(u64, u64),
) -> Result<Option<Evaluated>> {
    ensure!(!data.is_empty(), "there are no samples to evaluate");
    ensure!(options.batch_size > 0, "the evaluation batch size is 0; it must be at least 1");
    let _guard = tch::no_grad_guard();
    // What training carries along its streams waits.
    let carried = objective.carried();
    objective.carry(StateDict::new())?;
    let result = run(objective, data, options, on_batch);
    objective.carry(carried)?;
    result
}

fn run<O: Objective>(
    objective: &mut O,
    data: Arc<dyn Dataset<Batch = O::Batch>>,
    options: EvalOptions,
    mut on_batch: impl FnMut(u64, u64),
) -> Result<Option<Evaluated>> {
    let start = Instant::now();
    let sampler = sampler::for_evaluation(&*data, options.batch_size);
    let total = sampler.batches_per_epoch();
    let mut order = Vec::new();
    let mut meters = Meters::default();
    let mut outputs = Vec::new();
    for (batch, number) in Prefetch::new(data, sampler.clone(), 0, options.workers)?.zip(0..) {
        if interrupt::requested() {
            return Ok(None);
        }
        if !sampler.continues(number) {
            objective.carry(StateDict::new())?;
        }
        seed_torch(options.seed, "evaluation", number);
        let batch = batch?;
        let output = panics::as_errors("the model", || {
            let batch = objective.upload(&batch)?;
            objective.step(&batch, Phase::Eval)
        })?;
        meters.add(&output)?;
        outputs.extend(output.outputs);
        order.extend(sampler.batch(number).into_iter().flatten().map(|index| index as i64));
        on_batch(number + 1, total);
    }
    let means = meters.take()?.context("the model counted no samples")?;
    let outputs = if outputs.is_empty() {
        None
    } else {
        let outputs = Tensor::f_cat(&outputs, 0)?;
        let place = Tensor::f_from_slice(&order)?.f_argsort(0, false)?.to_device(outputs.device());
        Some(outputs.f_index_select(0, &place)?)
    };
    let mut metrics = means.metrics;
    if let Some(outputs) = &outputs {
        let figures = objective.figures(outputs)?.into_iter();
        metrics.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
    }
    let evaluation = Evaluation {
        samples: means.samples,
        loss: means.loss,
        metrics,
        seconds: start.elapsed().as_secs_f64(),
    };
    Ok(Some(Evaluated { evaluation, outputs }))
}

//! Loss and metrics over a whole split.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use distributed::World;
use s4_core::state_dict::StateDict;
use serde::{Deserialize, Deserializer, Serialize};
use tch::{Device, Kind, Tensor};

use crate::meters::Meters;
use crate::objective::{Objective, Phase};
use crate::seed::seed_torch;
use crate::train_config::TrainConfig;
use loader::Dataset;
use loader::part::{EveryNth, SomeRows};
use loader::prefetch::Prefetch;
use loader::sampler::{self, Sampler};
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
    evaluate_among(&World::alone(), objective, data, options, on_batch)
}

/// [`evaluate`] by several processes, each of which runs some of the batches, or some of the streams. All
/// have the same result; its `outputs` the first one alone has.
///
/// # Errors
/// Also if a process is lost.
pub(crate) fn evaluate_among<O: Objective>(
    world: &World,
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
    let result = run(world, objective, data, options, on_batch);
    objective.carry(carried)?;
    result
}

fn run<O: Objective>(
    world: &World,
    objective: &mut O,
    data: Arc<dyn Dataset<Batch = O::Batch>>,
    options: EvalOptions,
    on_batch: impl FnMut(u64, u64),
) -> Result<Option<Evaluated>> {
    let start = Instant::now();
    let mut seen = Seen::default();
    let result = seen.run(world, objective, data, options, on_batch);
    // Whatever came of it, all hear of it at the same place.
    let (finished, failure) = match result {
        Ok(finished) => (finished, None),
        Err(error) => (true, Some(error)),
    };
    let [interrupted, failed] = world.any([!finished, failure.is_some()])?;
    if failed && let Some(error) = world.failure(failure)? {
        return Err(error);
    }
    if interrupted {
        return Ok(None);
    }
    let means = seen.meters.take(world)?.context("the model counted no samples")?;
    let outputs = seen.outputs(world)?;
    let mut metrics = means.metrics;
    metrics.extend(figures(world, objective, outputs.as_ref())?);
    let evaluation = Evaluation {
        samples: means.samples,
        loss: means.loss,
        metrics,
        seconds: start.elapsed().as_secs_f64(),
    };
    Ok(Some(Evaluated { evaluation, outputs }))
}

/// What this process has seen of a split.
#[derive(Default)]
struct Seen {
    meters: Meters,
    /// Of each batch.
    outputs: Vec<Tensor>,
    /// Which samples they are of.
    order: Vec<i64>,
}

impl Seen {
    /// Runs this process's share; `false` if the user interrupted.
    fn run<O: Objective>(
        &mut self,
        world: &World,
        objective: &mut O,
        data: Arc<dyn Dataset<Batch = O::Batch>>,
        options: EvalOptions,
        mut on_batch: impl FnMut(u64, u64),
    ) -> Result<bool> {
        let all = sampler::for_evaluation(&*data, options.batch_size);
        let (rank, size) = (world.rank(), world.size());
        // Batches are as one process would have them, unless they continue each other.
        let sampler: Arc<dyn Sampler> = if data.is_stream() {
            Arc::new(SomeRows::new(all, options.batch_size, rank, size)?)
        } else {
            Arc::new(EveryNth { all, first: rank as u64, step: size as u64 })
        };
        let total = sampler.batches_per_epoch();
        for (batch, number) in Prefetch::new(data, sampler.clone(), 0, options.workers)?.zip(0..) {
            if interrupt::requested() {
                return Ok(false);
            }
            if !sampler.continues(number) {
                objective.carry(StateDict::new())?;
            }
            seed_torch(options.seed, "evaluation", sampler.number(number));
            let batch = batch?;
            let output = panics::as_errors("the model", || {
                let batch = objective.upload(&batch)?;
                objective.step(&batch, Phase::Eval)
            })?;
            self.meters.add(&output)?;
            self.outputs.extend(output.outputs);
            self.order
                .extend(sampler.batch(number).into_iter().flatten().map(|index| index as i64));
            on_batch(number + 1, total);
        }
        Ok(true)
    }

    /// The outputs of all processes in the order of the split; of several, the first one has them.
    fn outputs(self, world: &World) -> Result<Option<Tensor>> {
        let own =
            if self.outputs.is_empty() { None } else { Some(Tensor::f_cat(&self.outputs, 0)?) };
        let order = world.gather_rows(&Tensor::f_from_slice(&self.order)?)?;
        let all = if world.is_alone() {
            own
        } else {
            // The first process has a batch whoever else has one, and knows what outputs look like.
            let shape = world.from_first(|| {
                let shape = own.as_ref().map(Tensor::size).unwrap_or_default();
                Ok(shape.iter().flat_map(|size| size.to_le_bytes()).collect())
            })?;
            let mut shape: Vec<i64> = shape
                .chunks_exact(8)
                .map(|bytes| i64::from_le_bytes(bytes.try_into().expect("eight bytes")))
                .collect();
            if shape.is_empty() {
                return Ok(None);
            }
            shape[0] = 0;
            let cpu = (Kind::Double, Device::Cpu);
            let here = own.as_ref().map(|own| own.to_device(cpu.1).to_kind(cpu.0));
            let all = world.gather_rows(&here.unwrap_or_else(|| Tensor::zeros(&shape, cpu)))?;
            own.filter(|_| world.is_first())
                .map(|own| all.to_kind(own.kind()).to_device(own.device()))
        };
        let Some(all) = all else { return Ok(None) };
        let place = order.f_argsort(0, false)?.to_device(all.device());
        Ok(Some(all.f_index_select(0, &place)?))
    }
}

/// The objective's figures of all `outputs`, which the first process has.
fn figures<O: Objective>(
    world: &World,
    objective: &O,
    outputs: Option<&Tensor>,
) -> Result<Vec<(String, f64)>> {
    let text = world.from_first(|| {
        let figures = outputs.map_or(Ok(Vec::new()), |outputs| objective.figures(outputs))?;
        let lines = figures.iter().map(|(name, figure)| format!("{}\t{name}\n", figure.to_bits()));
        Ok(lines.collect::<String>().into_bytes())
    })?;
    let lines = String::from_utf8(text)?;
    let figure = |line: &str| {
        let (bits, name) = line.split_once('\t').context("a figure has a name")?;
        Ok((name.to_owned(), f64::from_bits(bits.parse()?)))
    };
    lines.lines().map(figure).collect()
}

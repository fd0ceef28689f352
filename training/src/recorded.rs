//! Training steps as CUDA graphs. Where the sequences or the batch are small, the host needs longer to
//! launch the work of a step than the device to do it; recorded once, it is launched as a whole.

use anyhow::{Context, Error, Result};
use s4_core::autograd::set_gradient;
use s4_core::graph::Graph;
use s4_core::params::{ParamStore, Role};
use tch::{Device, Kind, Tensor};

use crate::objective::{Objective, Recipe, StepOutput};

/// Forward and backward pass of a training step, recorded.
#[derive(Debug)]
pub struct Recorded<B> {
    graph: Graph,
    /// Whose tensors a replay reads.
    batch: B,
    shape: Shape,
    output: StepOutput,
    /// Each parameter and the gradient that a replay leaves.
    gradients: Vec<(Tensor, Tensor)>,
    /// Counters of the model on the host, and by how much a step moves them on.
    counters: Vec<(Tensor, Tensor)>,
}

/// What makes two steps the same work.
#[derive(Debug, PartialEq)]
struct Shape {
    tensors: Vec<(Vec<i64>, Kind)>,
    numbers: Vec<i64>,
}

impl Shape {
    fn of(recipe: &Recipe) -> Self {
        let tensors = recipe.tensors.iter().map(|x| (x.size(), x.kind())).collect();
        Self { tensors, numbers: recipe.numbers.clone() }
    }
}

impl<B> Recorded<B> {
    /// Records a step on `batch`, after some that are made in earnest but for the model's buffers,
    /// which are as before afterwards. The caller seeds libtorch again.
    ///
    /// # Errors
    /// If the step fails or cannot be recorded (it waits for the device, say), with the batch.
    pub fn new<O: Objective<OnDevice = B>>(
        objective: &mut O,
        batch: B,
    ) -> Result<Self, (Error, B)> {
        match Self::record(objective, &batch) {
            Ok(record) => Ok(record(batch)),
            Err(error) => Err((error, batch)),
        }
    }

    /// All but the batch.
    fn record<O: Objective<OnDevice = B>>(
        objective: &mut O,
        batch: &B,
    ) -> Result<impl FnOnce(B) -> Self + use<O, B>> {
        let recipe = objective.recipe(batch).context("such a step cannot be recorded")?;
        let shape = Shape::of(&recipe);
        let device = objective.params().device();
        let parameters: Vec<Tensor> =
            objective.params().parameters().map(|(_, x, _)| x.shallow_clone()).collect();
        let buffers = buffers(objective.params());
        let before: Vec<Tensor> = buffers.iter().map(Tensor::copy).collect();
        let mut counters = Vec::new();
        let recording = Graph::record(device, || {
            parameters.iter().for_each(|x| set_gradient(x, None));
            let counted = Counted::now(&buffers);
            let output = objective.train_step(batch, &|loss: &Tensor| Ok(loss.f_backward()?))?;
            counters = counted.since();
            Ok(output)
        });
        for (mut buffer, before) in buffers.into_iter().zip(&before) {
            buffer.f_copy_(before)?;
        }
        let (graph, output) = recording?;
        let gradients = parameters
            .into_iter()
            .filter(|x| x.grad().defined())
            .map(|x| {
                let gradient = x.grad();
                (x, gradient)
            })
            .collect();
        Ok(move |batch| Self { graph, batch, shape, output, gradients, counters })
    }

    /// Whether a step on `batch` is the work that was recorded.
    pub fn fits<O: Objective<OnDevice = B>>(&self, objective: &O, batch: &B) -> bool {
        objective.recipe(batch).is_some_and(|recipe| Shape::of(&recipe) == self.shape)
    }

    /// The step on `batch`, which [fits](Self::fits): gradients are set, and the output is as that of
    /// [`Objective::train_step`], until the next replay.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step<O: Objective<OnDevice = B>>(&self, objective: &O, batch: &B) -> Result<StepOutput> {
        let (to, from) = (objective.recipe(&self.batch), objective.recipe(batch));
        let (to, from) = to.zip(from).context("such a step was not recorded")?;
        let guard = tch::no_grad_guard();
        for (to, from) in to.tensors.into_iter().zip(from.tensors) {
            to.shallow_clone().f_copy_(from)?;
        }
        drop(guard);
        self.replay()
    }

    /// The step on the batch that is in place: the one that was recorded, or the last.
    ///
    /// # Errors
    /// If the device fails.
    pub fn replay(&self) -> Result<StepOutput> {
        for (parameter, gradient) in &self.gradients {
            set_gradient(parameter, Some(gradient));
        }
        self.graph.replay()?;
        for (counter, step) in &self.counters {
            let _ = counter.shallow_clone().f_add_(step)?;
        }
        let StepOutput { loss, metrics, samples, .. } = &self.output;
        Ok(StepOutput {
            loss: loss.detach(),
            metrics: metrics.iter().map(|(name, x)| (*name, x.shallow_clone())).collect(),
            samples: *samples,
            outputs: None,
        })
    }
}

fn buffers(store: &ParamStore) -> Vec<Tensor> {
    let entries = store.entries().iter();
    entries.filter(|e| e.role == Role::Buffer).map(|e| e.tensor.shallow_clone()).collect()
}

/// Buffers on the host, which a replay does not touch, as they were.
struct Counted(Vec<(Tensor, Tensor)>);

impl Counted {
    fn now(buffers: &[Tensor]) -> Self {
        let on_host = buffers.iter().filter(|x| x.device() == Device::Cpu);
        Self(on_host.map(|x| (x.shallow_clone(), x.copy())).collect())
    }

    /// Those that have moved on, and by how much.
    fn since(self) -> Vec<(Tensor, Tensor)> {
        let moved = self.0.into_iter().map(|(now, before)| {
            let step = &now - before;
            (now, step)
        });
        moved.filter(|(_, step)| step.count_nonzero(None).int64_value(&[]) > 0).collect()
    }
}

//! What the trainer asks of a model together with its loss.

use anyhow::Result;
use loader::Dataset;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::Tensor;

use crate::show::Show;

/// Why a batch is run through the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Dropout on, batch norm uses and updates batch statistics, gradients are wanted.
    Train,
    /// Dropout off, running statistics, no gradients (the trainer holds a `no_grad_guard`).
    Eval,
}

/// What came of one batch.
#[derive(Debug)]
pub struct StepOutput {
    /// Mean loss over the batch's samples: a scalar on the model's device, differentiable in
    /// [`Phase::Train`].
    pub loss: Tensor,
    /// Figures beside the loss, such as `("accuracy", number of correct samples)`: sums over the
    /// samples, scalars on the model's device. They become `train/accuracy`, `val/accuracy`, ...
    /// Reading them on the host here would make every step wait for the device.
    pub metrics: Vec<(&'static str, Tensor)>,
    /// How many samples loss and metrics are over. Where the loss is over positions (audio,
    /// text), count those.
    pub samples: i64,
    /// In [`Phase::Eval`] what the model says of each sample of the batch, (B, ·) on its device, if
    /// that is of interest: [`evaluate`](crate::evaluate::evaluate) returns those of a whole split.
    pub outputs: Option<Tensor>,
}

/// What the work of a step depends on beside the model.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The tensors that the step reads: their shapes, and the memory that a recording reads.
    pub tensors: Vec<&'a Tensor>,
    /// Numbers that the host takes from the batch.
    pub numbers: Vec<i64>,
}

/// A model with its loss: what is trained.
pub trait Objective {
    /// What a data set hands over for one step.
    type Batch: Send + 'static;

    /// The same as tensors on the model's device.
    type OnDevice;

    /// Parameters and buffers of the model. Buffers (batch norm's running statistics) are saved
    /// and restored with the parameters.
    fn params(&self) -> &ParamStore;

    /// The same, for whatever adapts the model ([`crate::adapt`]).
    fn params_mut(&mut self) -> &mut ParamStore;

    /// Sends a batch on its way to the model's device ([`crate::upload`]). The trainer does so one
    /// step ahead, while the device is busy; the host must not wait until the batch is there.
    ///
    /// # Errors
    /// If the batch does not fit the model, or host or device are out of memory.
    fn upload(&self, batch: &Self::Batch) -> Result<Self::OnDevice>;

    /// How many samples loss and metrics of a batch are over ([`StepOutput::samples`]), as is known
    /// before the step. Without it, as it stands, a model cannot be trained by several processes, whose
    /// losses count by their samples.
    fn samples(&self, batch: &Self::OnDevice) -> Option<i64> {
        let _ = batch;
        None
    }

    /// Runs one batch.
    ///
    /// # Errors
    /// If the model cannot compute it.
    fn step(&mut self, batch: &Self::OnDevice, phase: Phase) -> Result<StepOutput>;

    /// Runs one training batch and back-propagates its loss with `backward`, which adds the
    /// gradient of a scalar to those of the parameters, in the scale that the optimiser step
    /// needs. As it stands, one [`Self::step`] and one `backward`.
    ///
    /// A model that back-propagates in pieces (truncated back-propagation through time) calls
    /// `backward` for each of several scalars, as soon as it is done with their graphs. The
    /// scalars must sum to the loss that is returned, which may be detached then.
    ///
    /// # Errors
    /// If the model cannot compute it, or `backward` fails.
    fn train_step(
        &mut self,
        batch: &Self::OnDevice,
        backward: &dyn Fn(&Tensor) -> Result<()>,
    ) -> Result<StepOutput> {
        let output = self.step(batch, Phase::Train)?;
        backward(&output.loss)?;
        Ok(output)
    }

    /// What is carried from a batch of a stream to the next ([`loader::Dataset::is_stream`]): tensors
    /// (B, ...) by name, without a graph. It is saved with a checkpoint. As it stands, nothing.
    ///
    /// A model that carries something has no [`Self::recipe`]: a replay does not see it.
    fn carried(&self) -> StateDict {
        StateDict::new()
    }

    /// Puts `carried`, which [`Self::carried`] returned, in its place, on the model's device. Where
    /// it is empty, the next batch begins its streams. The last batch of an evaluation may have
    /// fewer rows than the one before: the first ones.
    ///
    /// # Errors
    /// If it is of another model.
    fn carry(&mut self, carried: StateDict) -> Result<()> {
        let _ = carried;
        Ok(())
    }

    /// What distinguishes a training step on this batch from one on another, for steps that read
    /// nothing back to the host: where it is the same, the same work is launched, and the trainer may
    /// record it as a CUDA graph. As it stands, nothing is known, and nothing is recorded.
    fn recipe<'a>(&self, batch: &'a Self::OnDevice) -> Option<Recipe<'a>> {
        let _ = batch;
        None
    }

    /// Solves what can be solved before a run begins to train: with `head`, the head's weights for features that
    /// are not trained yet ([`Adapt::begins_with_head`](crate::adapt::Adapt::begins_with_head)). `val` chooses
    /// between several solutions. As it stands, nothing is.
    ///
    /// # Errors
    /// If an example cannot be read, or the user interrupts.
    fn solve(
        &mut self,
        train: &dyn Dataset<Batch = Self::Batch>,
        val: &dyn Dataset<Batch = Self::Batch>,
        head: bool,
        batch_size: usize,
        progress: bool,
    ) -> Result<()> {
        let _ = (train, val, head, batch_size, progress);
        Ok(())
    }

    /// Figures of a whole split that are no means over its samples (r², a root mean square), from the
    /// `outputs` of all ([`StepOutput::outputs`]). They stand beside the metrics. As it stands, none.
    ///
    /// # Errors
    /// If the device fails.
    fn figures(&self, outputs: &Tensor) -> Result<Vec<(&'static str, f64)>> {
        let _ = outputs;
        Ok(Vec::new())
    }

    /// Shows what is worth watching of the model (distributions of Δ, a kernel, generated sound),
    /// after an evaluation that left `outputs` of the validation split ([`StepOutput::outputs`]).
    ///
    /// The model has the weights that were evaluated (the averaged ones with `train.ema`), and the
    /// trainer holds a `no_grad_guard`. What training relies on must be the same afterwards; random
    /// numbers may be drawn.
    ///
    /// # Errors
    /// If something cannot be shown. That and a panic are reported and do not end the run.
    fn show(&mut self, show: &mut dyn Show, outputs: Option<&Tensor>) -> Result<()> {
        let _ = (show, outputs);
        Ok(())
    }
}

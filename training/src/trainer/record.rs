//! Forward and backward pass of a step: recorded as a CUDA graph where that is possible.

use anyhow::Result;
use s4_core::device_memory;

use super::Trainer;
use crate::objective::{Objective, StepOutput};
use crate::recorded::Recorded;
use crate::seed::seed_torch;

/// Steps before the recording: by then everything that is made once is made.
const STEPS_BEFORE: u32 = 10;

/// Whether steps are recorded.
pub(super) enum Recording<B> {
    /// Not yet, but after this many steps.
    In(u32),
    /// Yes.
    Done(Box<Recorded<B>>),
    /// No.
    Off,
}

impl<B> Recording<B> {
    pub(super) fn new(wanted: bool) -> Self {
        if wanted { Self::In(STEPS_BEFORE) } else { Self::Off }
    }
}

impl<O: Objective> Trainer<O> {
    /// The gradients of a batch are added to those that are there, or set.
    pub(super) fn forward_backward(&mut self, batch: O::OnDevice) -> Result<StepOutput> {
        match &mut self.recording {
            Recording::Done(recorded) if recorded.fits(&self.objective, &batch) => {
                return recorded.step(&self.objective, &batch);
            }
            Recording::In(0) => return self.record(batch),
            Recording::In(steps) => *steps -= 1,
            Recording::Done(_) | Recording::Off => {}
        }
        let accumulate = self.config.accumulate as i64;
        self.objective
            .train_step(&batch, &|loss| Ok(loss.f_div_scalar(accumulate)?.f_backward()?))
    }

    /// Records the step, and makes it. Where it cannot be recorded, steps go on as before.
    fn record(&mut self, batch: O::OnDevice) -> Result<StepOutput> {
        self.recording = Recording::Off;
        if self.objective.recipe(&batch).is_none() || !self.has_room()? {
            return self.forward_backward(batch);
        }
        let recorded = Recorded::new(&mut self.objective, batch);
        seed_torch(self.config.seed, "step", self.state.batches);
        match recorded {
            Ok(recorded) => {
                self.report.line("steps are recorded as a CUDA graph");
                let output = recorded.replay();
                self.recording = Recording::Done(Box::new(recorded));
                output
            }
            Err((error, batch)) => {
                let error = format!("{error:#}");
                let reason = error.lines().next().unwrap_or_default();
                self.report.line(&format!("steps are not recorded as a CUDA graph: {reason}"));
                self.objective.params().zero_grad();
                self.forward_backward(batch)
            }
        }
    }

    /// What a recording works on stays its own.
    fn has_room(&self) -> Result<bool> {
        let device = self.objective.params().device();
        Ok(2 * device_memory::peak(device)? < device_memory::total(device)?)
    }
}

//! Forward and backward pass of a step: recorded as a CUDA graph where that is possible.

use anyhow::Result;
use s4_core::device_memory;

use super::Trainer;
use crate::objective::{Objective, StepOutput};
use crate::recorded::Recorded;
use crate::seed::seed_torch;

/// Steps before the first recording: by then everything that is made once is made.
const STEPS_BEFORE: u32 = 10;

/// Most recordings: one for each of the shapes that come first. Each keeps the memory of a step.
const MOST: usize = 4;

/// Steps that are recorded.
pub(super) struct Recordings<B> {
    /// Steps to be made before one is recorded; none: nothing is recorded any more.
    wait: Option<u32>,
    made: Vec<Recorded<B>>,
}

impl<B> Recordings<B> {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wait: wanted.then_some(STEPS_BEFORE), made: Vec::new() }
    }
}

impl<O: Objective> Trainer<O> {
    /// The gradients of a batch, its loss multiplied by `weight`, are added to those that are there, or
    /// set.
    pub(super) fn forward_backward(
        &mut self,
        batch: O::OnDevice,
        weight: f64,
    ) -> Result<StepOutput> {
        let fits = |recorded: &&Recorded<_>| recorded.fits(&self.objective, &batch);
        if let Some(recorded) = self.recordings.made.iter().find(fits) {
            return recorded.step(&self.objective, &batch);
        }
        match &mut self.recordings.wait {
            Some(0) => return self.record(batch),
            Some(steps) => *steps -= 1,
            None => {}
        }
        let parts = self.config.accumulate as f64 / weight;
        self.objective.train_step(&batch, &|loss| Ok(loss.f_div_scalar(parts)?.f_backward()?))
    }

    /// Records the step, and makes it. Where it cannot be recorded, steps go on as before.
    fn record(&mut self, batch: O::OnDevice) -> Result<StepOutput> {
        self.recordings.wait = None;
        if self.objective.recipe(&batch).is_none() || !self.has_room()? {
            return self.forward_backward(batch, 1.0);
        }
        let recorded = Recorded::new(&mut self.objective, batch);
        seed_torch(self.config.seed, "step", self.state.batches);
        match recorded {
            Ok(recorded) => {
                let output = recorded.replay();
                let made = &mut self.recordings.made;
                if made.is_empty() {
                    self.report.line("steps are recorded as a CUDA graph");
                }
                made.push(recorded);
                self.recordings.wait = (made.len() < MOST).then_some(0);
                output
            }
            Err((error, batch)) => {
                let error = format!("{error:#}");
                let reason = error.lines().next().unwrap_or_default();
                self.report.line(&format!("steps are not recorded as a CUDA graph: {reason}"));
                self.objective.params().zero_grad();
                self.forward_backward(batch, 1.0)
            }
        }
    }

    /// What a recording works on stays its own.
    fn has_room(&self) -> Result<bool> {
        let device = self.objective.params().device();
        Ok(2 * device_memory::peak(device)? < device_memory::total(device)?)
    }
}

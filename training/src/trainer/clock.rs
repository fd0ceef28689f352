//! Time spent on training steps, without evaluations and checkpoints.

use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Clock {
    running_since: Option<Instant>,
    lap: Duration,
    steps: u64,
    total: Duration,
}

impl Clock {
    /// A clock that has already run for `seconds`.
    pub(super) fn after(seconds: f64) -> Self {
        Self { total: Duration::from_secs_f64(seconds.max(0.0)), ..Self::default() }
    }

    pub(super) fn start(&mut self) {
        self.running_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn stop(&mut self) {
        if let Some(since) = self.running_since.take() {
            let elapsed = since.elapsed();
            self.lap += elapsed;
            self.total += elapsed;
        }
    }

    /// Counts a step.
    pub(super) fn step(&mut self) {
        self.steps += 1;
    }

    /// Steps per second since the last call.
    pub(super) fn lap(&mut self) -> f64 {
        self.stop();
        self.start();
        let seconds = std::mem::take(&mut self.lap).as_secs_f64();
        std::mem::take(&mut self.steps) as f64 / seconds.max(1e-9)
    }

    /// Seconds in all, up to the last [`Self::stop`] or [`Self::lap`].
    pub(super) fn total(&self) -> f64 {
        self.total.as_secs_f64()
    }
}

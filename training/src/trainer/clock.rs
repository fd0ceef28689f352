//! Time spent on training steps, without evaluations and checkpoints.

use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Clock {
    running_since: Option<Instant>,
    lap: Duration,
    steps: u64,
    samples: u64,
    total: Duration,
}

/// How much happens in a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throughput {
    pub(super) steps_per_s: f64,
    pub(super) samples_per_s: f64,
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

    /// Counts a step over `samples`.
    pub(super) fn step(&mut self, samples: u64) {
        self.steps += 1;
        self.samples += samples;
    }

    /// Throughput since the last call.
    pub(super) fn lap(&mut self) -> Throughput {
        self.stop();
        self.start();
        let seconds = std::mem::take(&mut self.lap).as_secs_f64().max(1e-9);
        Throughput {
            steps_per_s: std::mem::take(&mut self.steps) as f64 / seconds,
            samples_per_s: std::mem::take(&mut self.samples) as f64 / seconds,
        }
    }

    /// Seconds in all, up to the last [`Self::stop`] or [`Self::lap`].
    pub(super) fn total(&self) -> f64 {
        self.total.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_counts_what_came_since_the_last_one() {
        let mut clock = Clock::after(0.0);
        clock.start();
        for samples in [100, 20] {
            clock.step(samples);
        }
        let first = clock.lap();
        assert!((first.samples_per_s / first.steps_per_s - 60.0).abs() < 1e-9, "{first:?}");
        clock.step(7);
        let second = clock.lap();
        assert!((second.samples_per_s / second.steps_per_s - 7.0).abs() < 1e-9, "{second:?}");
    }
}

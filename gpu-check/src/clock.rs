//! Times and memory of what runs on a device.

use std::time::{Duration, Instant};

use anyhow::Result;
use measure::median;
use s4_core::device_memory;
use tch::{Cuda, Device};

/// Times runs.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Where they compute.
    pub device: Device,
    /// For about how long each is repeated.
    pub budget: Duration,
}

/// Runs back to back take about this long together: as in training, the host goes on while the
/// device computes.
const GROUP: f64 = 0.02;

impl Clock {
    /// Milliseconds of a run: the median of several groups of runs.
    pub fn ms(&self, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
        // Plans, caches, compiled kernels and the first pages are nobody's time.
        run()?;
        let single = self.seconds(1, &mut run)?;
        if single > 4.0 * self.budget.as_secs_f64() {
            return Ok(1e3 * single);
        }
        let count = (GROUP / single).ceil().clamp(1.0, 50.0) as usize;
        let begin = Instant::now();
        let mut groups = Vec::new();
        while groups.len() < 3 || (begin.elapsed() < self.budget && groups.len() < 25) {
            groups.push(self.seconds(count, &mut run)?);
        }
        Ok(1e3 * median(groups))
    }

    /// Seconds of one of `count` runs.
    fn seconds(&self, count: usize, run: &mut impl FnMut() -> Result<()>) -> Result<f64> {
        self.wait();
        let begin = Instant::now();
        for _ in 0..count {
            run()?;
        }
        self.wait();
        Ok(begin.elapsed().as_secs_f64() / count as f64)
    }

    /// Waits until the device has done what it was given.
    pub fn wait(&self) {
        if let Device::Cuda(index) = self.device {
            Cuda::synchronize(index as i64);
        }
    }

    /// The most MiB that tensors took during `run`; none where nobody counts.
    pub fn peak_mib(&self, run: impl FnOnce() -> Result<()>) -> Result<Option<f64>> {
        if self.device == Device::Cpu {
            run()?;
            return Ok(None);
        }
        self.wait();
        device_memory::reset_peak(self.device)?;
        run()?;
        self.wait();
        Ok(Some(device_memory::peak(self.device)? as f64 / f64::from(1 << 20)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_its_time() {
        let clock = Clock { device: Device::Cpu, budget: Duration::from_millis(50) };
        let ms = clock
            .ms(|| {
                std::thread::sleep(Duration::from_millis(2));
                Ok(())
            })
            .unwrap();
        assert!((2.0..20.0).contains(&ms), "{ms}");
        assert_eq!(clock.peak_mib(|| Ok(())).unwrap(), None);
    }
}

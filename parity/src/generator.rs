//! tch's generator of random numbers, for one test at a time.

use std::sync::{Mutex, PoisonError};

use tch::{Device, Kind, Tensor};

/// Runs `draw` with tch's generator at `seed`, alone: the generator is the whole process's, and
/// tests run side by side. What sets the generator (recomputation) belongs here too. Calls do not
/// nest.
pub fn seeded<T>(seed: i64, draw: impl FnOnce() -> T) -> T {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    draw()
}

/// Standard normal values on the CPU, the same at every run.
pub fn normal(seed: i64, shape: &[i64], kind: Kind) -> Tensor {
    seeded(seed, || Tensor::randn(shape, (kind, Device::Cpu)))
}

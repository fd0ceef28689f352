//! What every training run shares.

pub mod atomic_file;
pub mod checkpoint;
pub mod config;
pub mod dataset;
pub mod device;
pub mod evaluate;
pub mod exit;
pub mod guard;
pub mod interrupt;
pub mod memory;
mod meters;
pub mod objective;
pub mod optim;
mod panics;
pub mod prefetch;
pub mod progress;
pub mod run_dir;
pub mod sampler;
pub mod schedule;
pub mod seed;
pub mod summary;
pub mod tensorboard;
pub mod train_config;
pub mod trainer;

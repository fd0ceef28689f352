//! What every training run shares.

pub mod atomic_file;
pub mod dataset;
pub mod device;
pub mod exit;
pub mod guard;
pub mod objective;
pub mod optim;
pub mod prefetch;
pub mod sampler;
pub mod schedule;
pub mod seed;

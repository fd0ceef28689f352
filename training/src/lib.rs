//! What every training run shares.

pub mod atomic_file;
pub mod dataset;
pub mod device;
pub mod exit;
pub mod objective;
pub mod prefetch;
pub mod sampler;
pub mod seed;

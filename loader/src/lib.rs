//! From a data set to batches, without libtorch: a [`Dataset`] builds batches of plain data, a
//! [`sampler`] says which samples make up which batch, and [`prefetch`] builds them ahead of the
//! training loop.
//!
//! ```
//! use std::sync::Arc;
//!
//! use loader::prefetch::Prefetch;
//! use loader::{Dataset, sampler};
//!
//! struct Squares;
//!
//! impl Dataset for Squares {
//!     type Batch = Vec<u64>;
//!
//!     fn len(&self) -> usize {
//!         100
//!     }
//!
//!     fn batch(&self, indices: &[usize]) -> anyhow::Result<Vec<u64>> {
//!         Ok(indices.iter().map(|&i| (i * i) as u64).collect())
//!     }
//! }
//!
//! let order = sampler::for_training(&Squares, 8, 1, 0)?; // batches of 8, one to a step, seed 0
//! let first = Prefetch::new(Arc::new(Squares), order.clone(), 0, 2)?.next().unwrap()?;
//! assert_eq!((first.len(), order.batches_per_epoch()), (8, 12));
//! # Ok::<(), anyhow::Error>(())
//! ```

mod dataset;
pub mod part;
pub mod prefetch;
pub mod sampler;
pub mod streams;

pub use dataset::Dataset;

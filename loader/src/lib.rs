//! From a data set to batches, without libtorch: a [`Dataset`] builds batches of plain data, a
//! [`sampler`] says which samples make up which batch, and [`prefetch`] builds them ahead of the
//! training loop.

mod dataset;
pub mod prefetch;
pub mod sampler;
pub mod streams;

pub use dataset::Dataset;

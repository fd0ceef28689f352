//! Signal processing of sound, without files and without libtorch.
//!
//! FFTs are generic code that each crate compiles for itself, so whatever needs one is here.

pub mod resample;
pub mod runaway;
pub mod spectrum;

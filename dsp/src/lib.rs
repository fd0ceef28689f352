//! Signal processing of sound, without files and without libtorch: resampling, filters, spectrograms
//! as pictures and as features, signals that run away.
//!
//! ```
//! use dsp::resample::Resampler;
//!
//! let second: Vec<f32> = (0..8_000).map(|i| (i as f32 * 0.1).sin()).collect();
//! let mut resampled = Vec::new();
//! let mut resampler = Resampler::new(8_000, 16_000)?;
//! resampler.push(&second, &mut resampled)?; // block by block
//! resampler.finish(&mut resampled)?;
//! assert_eq!(resampled.len(), 16_000);
//! # Ok::<(), anyhow::Error>(())
//! ```
//! FFTs are generic code that each crate compiles for itself, once for each type: whatever needs one
//! is here, in double precision.

pub mod filter;
pub mod fourier;
pub mod mel;
pub mod resample;
pub mod runaway;
pub mod spectrum;

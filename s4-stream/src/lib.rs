//! Trained models stepped sample by sample, without libtorch.
//!
//! A [`Model`] reads a run's `config.toml` and safetensors and computes what the recurrence of a
//! SaShiMi, of a plain stack of S4 blocks, of WaveNet or of SampleRNN computes, in float32: no
//! tensors, no allocation in the loop, SIMD chosen at run time, threads over the sequences of a
//! batch. This is what audio is generated with.
//!
//! ```no_run
//! use std::path::Path;
//!
//! let run = Path::new("runs/sc09/small-001");
//! let checkpoint = run.join("checkpoints/best.safetensors");
//! let model = s4_stream::Model::load(&run.join("config.toml"), &checkpoint)?;
//! let mut engine = model.engine(2)?;
//! let mut codes = [128, 128];
//! for _ in 0..16_000 {
//!     let logits = engine.step(&codes)?; // (2, K), row by row
//!     for (code, logits) in codes.iter_mut().zip(logits.chunks_exact(model.outputs())) {
//!         let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
//!         *code = best.unwrap_or(0) as u32;
//!     }
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A classifier that follows a signal classifies, after each vector of values, the signal so far:
//!
//! ```no_run
//! # let (config, checkpoint) = (std::path::Path::new(""), std::path::Path::new(""));
//! let model = s4_stream::Model::load_classifier(config, checkpoint)?;
//! let mut engine = model.engine(1)?;
//! for value in [0.1, 0.4, -0.2] {
//!     let logits = engine.step_values(&[value])?; // of the classes
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A beginning that has gone through the model elsewhere, by convolution, continues from the state
//! that it left: [`Engine::load_state`].
//!
//! A single sequence is as fast as its weights are read. [`Model::int16`] keeps them in half as many
//! bytes.
//!
//! Read in this order: `model` and `engine` (the outside), `settings` (what can be stepped),
//! `network` (what is stepped), `backbone` and below it `stage` (the hourglass), `wavenet` and
//! `samplernn`, `layer` (their parts), `ssm` (from parameters to recurrences), `simd` and `math`
//! (below all that).
//!
//! The coarser resolutions are computed only when a group of samples is complete, at every fourth or
//! sixteenth sample, say: such samples take longer than the others.

mod adaptive;
mod backbone;
mod decoder;
mod encoder;
mod engine;
mod lags;
mod layer;
mod logistics;
mod math;
mod model;
mod network;
mod past;
mod pooling;
mod precision;
mod samplernn;
mod settings;
mod simd;
mod slot;
mod ssm;
mod stage;
mod state_tensors;
mod wavenet;
mod weights;

pub use engine::Engine;
pub use model::Model;
pub use precision::Precision;

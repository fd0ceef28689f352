//! Trained models stepped sample by sample, without libtorch.
//!
//! Reads a run's `config.toml` and safetensors and computes what the recurrence of a SaShiMi
//! ([`Model`]) or of a plain stack of S4 blocks ([`Stack`]) computes, in float32: no tensors, no
//! allocation in the loop, SIMD chosen at run time, threads over the sequences of a batch. This is
//! what audio is generated with.
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
//!     let scores = engine.step(&codes)?; // (2, K), row by row
//!     for (code, scores) in codes.iter_mut().zip(scores.chunks_exact(model.levels())) {
//!         let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
//!         *code = best.unwrap_or(0) as u16;
//!     }
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A classifier that follows a signal says after each vector of values what it takes the signal so
//! far for:
//!
//! ```no_run
//! # let (config, checkpoint) = (std::path::Path::new(""), std::path::Path::new(""));
//! let stack = s4_stream::Stack::load(config, checkpoint)?;
//! let mut engine = stack.engine(1)?;
//! for value in [0.1, 0.4, -0.2] {
//!     let scores = engine.step_values(&[value])?; // of the classes
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A beginning that has gone through the model elsewhere, by convolution, is handed over as a state
//! and goes on from there: [`Engine::load_state`].
//!
//! A single sequence is as fast as its weights are read. [`Model::int16`] keeps them in half as many
//! bytes.
//!
//! Read in this order: `model`, `stack` and `engine` (the outside), `network` (what is stepped),
//! `stage` (the hourglass), `layer` (its parts), `ssm` (from parameters to recurrences), `simd` and
//! `math` (below all that).
//!
//! The coarser resolutions are computed at every fourth or sixteenth sample, say, as they become
//! due: such samples take longer than the others.

mod config;
mod encoder;
mod engine;
mod handover;
mod layer;
mod math;
mod model;
mod network;
mod pooling;
mod precision;
mod simd;
mod ssm;
mod stack;
mod stage;
mod weights;

pub use engine::Engine;
pub use model::Model;
pub use precision::Precision;
pub use stack::Stack;

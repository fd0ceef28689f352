//! SaShiMi (Goel et al. 2022): raw audio modelled sample by sample with S4.
//!
//! ```no_run
//! use sashimi::experiment::Experiment;
//! use generation::sampling::Sampling;
//! use generation::{self, Generator, stream};
//! use sashimi::objective::NextCode;
//! use tch::Device;
//! use training::objective::Objective;
//! use training::run::Run;
//!
//! let run: Run<Experiment> = Run::open("audio/piano-small-001")?;
//! let model = NextCode::new(&run.experiment, Device::Cpu)?;
//! run.load_weights(model.params())?;
//! let engine = stream::model(&run.experiment, &run.experiment.model, model.params())?;
//! let quantiser = run.experiment.data.quantiser()?;
//! let begun = generation::after(model.model(), engine.as_ref(), &[quantiser.zero().into()], 1)?;
//! let mut generator = Generator::new(begun, Sampling::default(), 0, 0..1)?;
//! let mut samples = Vec::new();
//! for _ in 0..run.experiment.data.sample_rate()? {
//!     samples.push(quantiser.decode(generator.next_codes()?[0] as u16));
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//! [`experiment`] is what one run is made of, [`import`] the one that a checkpoint of the official code is
//! of; [`data`] a folder of audio as sequences of codes;
//! [`objective`] the loss of a network that predicts the next code; `generation` makes new audio of it, [`denoise`] out of noise;
//! `baseline` what simple predictors reach; [`cli`] the command line.

mod baseline;
pub mod cli;
pub mod data;
pub mod denoise;
pub mod experiment;
pub mod import;
pub mod metrics;
pub mod objective;
mod preview;

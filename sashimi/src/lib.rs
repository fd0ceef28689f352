//! SaShiMi (Goel et al. 2022): raw audio modelled sample by sample with S4.
//!
//! ```no_run
//! use sashimi::experiment::Experiment;
//! use sashimi::generate::sampling::Sampling;
//! use sashimi::generate::{self, Generator, stream};
//! use sashimi::objective::NextCode;
//! use tch::Device;
//! use training::objective::Objective;
//! use training::run::Run;
//!
//! let run: Run<Experiment> = Run::open("audio/piano-small-001")?;
//! let model = NextCode::new(&run.experiment, Device::Cpu)?;
//! run.load_weights(model.params())?;
//! let engine = stream::model(&run.experiment, model.params())?;
//! let quantiser = run.experiment.data.quantiser()?;
//! let begun = generate::after(model.model(), engine.as_ref(), &[quantiser.zero()], 1)?;
//! let mut generator = Generator::new(begun, Sampling::default(), 0, 0..1)?;
//! let mut samples = Vec::new();
//! for _ in 0..run.experiment.data.sample_rate()? {
//!     samples.push(quantiser.decode(generator.next_codes()?[0]));
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//! [`experiment`] is what one run is made of, [`import`] the one that a checkpoint of the official code is
//! of; [`data`] a folder of audio as sequences of codes;
//! [`objective`] the loss of a network that predicts the next code; [`generate`] new audio;
//! `baseline` what simple predictors reach; [`cli`] the command line.

mod baseline;
pub mod cli;
pub mod data;
pub mod experiment;
pub mod generate;
pub mod import;
pub mod metrics;
pub mod objective;
mod preview;

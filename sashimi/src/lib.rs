//! SaShiMi (Goel et al. 2022): raw audio modelled sample by sample with S4.
//!
//! [`experiment`] is what one run is made of; [`data`] a folder of audio as sequences of codes;
//! [`objective`] the loss of a network that predicts the next code; [`generate`] new audio;
//! `baseline` what simple predictors reach; `plot` draws; [`cli`] the command line.

mod baseline;
pub mod cli;
pub mod data;
pub mod experiment;
pub mod generate;
pub mod objective;
mod plot;
mod preview;

//! Steps by the streaming engine, on the CPU: many times faster than by libtorch.

use anyhow::Result;
use s4_core::params::ParamStore;
use s4_stream::{Engine, Model};
use tch::Device;
use training::config;

use super::Scores;
use crate::experiment::Experiment;

/// The engine's model with the weights of `params`; none where they are not on the CPU.
///
/// # Errors
/// If the engine does not know a part of the model; the message says which.
pub fn model(experiment: &Experiment, params: &ParamStore) -> Result<Option<Model>> {
    if params.device() != Device::Cpu {
        return Ok(None);
    }
    let weights = params.state_dict().to_safetensors(&[])?;
    Model::new(&config::to_toml(experiment)?, &weights).map(Some)
}

/// `batch` sequences that begin with `codes` (at least one), and the scores of what follows,
/// (B, K) row by row.
///
/// # Errors
/// If a code is none of the model's.
pub fn after(model: &Model, codes: &[u16], batch: usize) -> Result<(Engine, Vec<f32>)> {
    let mut one = model.engine(1)?;
    let mut scores = Vec::new();
    for &code in codes {
        scores.clear();
        scores.extend_from_slice(one.step(&[code])?);
    }
    Ok((one.repeat(batch)?, scores.repeat(batch)))
}

impl Scores for Engine {
    fn advance(&mut self, codes: &[u16]) -> Result<Vec<f32>> {
        Ok(self.step(codes)?.to_vec())
    }
}

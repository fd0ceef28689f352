//! A run that was not trained here: weights from elsewhere, with the settings that they are of.

use std::path::Path;

use anyhow::Result;
use program::files;
use s4_core::state_dict::StateDict;
use tch::Device;

use crate::checkpoint::{Checkpoint, Meta, TrainState};
use crate::record::{Data, Record, Session};
use crate::run_dir::{self, RunDir};
use crate::schedule::{Schedule, ScheduleState};

/// What a run is made of.
#[derive(Debug)]
pub struct Imported {
    /// Where the weights came from, in words.
    pub origin: String,
    /// The resolved configuration, as TOML.
    pub config: String,
    /// The run's seed, for what trains it further.
    pub seed: u64,
    /// The weights, under the names of the network.
    pub weights: StateDict,
    /// Optimiser steps made elsewhere.
    pub step: u64,
}

impl Imported {
    /// Makes the folder `path` a run whose best weights these are; there are no last ones, as nothing is
    /// known of an optimiser.
    ///
    /// # Errors
    /// If there is a run already, or it cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let Self { origin, config, seed, weights, step } = self;
        let dir = RunDir::create(path)?;
        let schedule = ScheduleState::new(Schedule::Constant {}, step.max(1), 1)?;
        let state = TrainState { step, ..TrainState::new(1, schedule) };
        let checkpoint = Checkpoint {
            meta: Meta::new(state, seed, config.clone()),
            model: weights,
            ema: None,
            optimizer: StateDict::new(),
            meters: StateDict::new(),
            carried: StateDict::new(),
        };
        files::write(&run_dir::best_checkpoint(path), &checkpoint.to_bytes()?)?;
        // What makes it a run comes last.
        dir.write_config(&config)?;
        let data = Data { origin, ..Data::default() };
        Record::begin(path, Session::begin(Device::Cpu, 1, data, Vec::new(), step));
        Record::end(path, step, "imported");
        Ok(())
    }
}

/// The weights of the run in `path`, if it was imported. Those of a run that was trained have been
/// evaluated: a run that ended before its first checkpoint begins anew in spite of them.
///
/// # Errors
/// If they are damaged.
pub(crate) fn weights(path: &Path) -> Result<Option<Checkpoint>> {
    let best = run_dir::best_checkpoint(path);
    if !best.exists() {
        return Ok(None);
    }
    Ok(Some(Checkpoint::load(&best)?).filter(|best| best.meta.state.best.is_none()))
}

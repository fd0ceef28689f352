//! One file that holds all a run needs to go on: weights, optimiser, position, configuration.
//!
//! A safetensors file with tensors `model.*` (official names), `optim.*` and `meters.*`, where
//! weights are averaged also `ema.*` (as `model.*`), where a state is carried along streams also
//! `carried.*`, and one JSON string in its metadata. Any
//! safetensors reader can open it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use distributed::World;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapt;
use crate::checksum;
use crate::run_dir;
use crate::schedule::ScheduleState;
use program::config;
use program::files;
use program::names::pasted;

/// Version of the file's layout and of [`Meta`].
const FORMAT: u32 = 2;
/// Key of the JSON string in the file's metadata.
const META: &str = "checkpoint";

/// Where a run stands, apart from its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Optimiser steps made.
    pub step: u64,
    /// Training batches used, through all epochs.
    pub batches: u64,
    /// Training samples used, as the objective counts them.
    pub samples: u64,
    /// Training batches in an epoch; the order of the data depends on it.
    pub batches_per_epoch: u64,
    /// The learning rate schedule.
    pub schedule: ScheduleState,
    /// Times that the run went back to a checkpoint after diverging.
    pub rollbacks: u32,
    /// The step after which the validation split was evaluated last.
    pub evaluated_at: Option<u64>,
    /// The best value of the selecting metric and its step.
    pub best: Option<(f64, u64)>,
    /// Evaluations since then.
    pub evaluations_since_best: u64,
    /// The best values and their steps, where `train.keep_best` asks for more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<(f64, u64)>,
    /// Seconds spent on training steps, through all resumptions.
    pub seconds: f64,
}

impl TrainState {
    /// Where a run begins.
    pub fn new(batches_per_epoch: u64, schedule: ScheduleState) -> Self {
        Self {
            step: 0,
            batches: 0,
            samples: 0,
            batches_per_epoch,
            schedule,
            rollbacks: 0,
            evaluated_at: None,
            best: None,
            evaluations_since_best: 0,
            kept: Vec::new(),
            seconds: 0.0,
        }
    }
}

/// The description of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Version of the layout.
    pub format: u32,
    /// Where the run stood.
    pub state: TrainState,
    /// The run's seed.
    pub seed: u64,
    /// How seeds are derived from it ([`program::seed::SCHEME`]).
    pub seed_scheme: String,
    /// The resolved configuration, as TOML.
    pub config: String,
}

impl Meta {
    /// The description of a checkpoint in the current format.
    pub fn new(state: TrainState, seed: u64, config: String) -> Self {
        let seed_scheme = program::seed::SCHEME.to_owned();
        Self { format: FORMAT, state, seed, seed_scheme, config }
    }
}

/// The state of a run.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its description.
    pub meta: Meta,
    /// Parameters and buffers under their official names. In the last checkpoint of a run as they
    /// are trained; in the best one as they were evaluated, averaged where the run averages.
    pub model: StateDict,
    /// The same with averaged parameters, in the last checkpoint of a run that averages.
    pub ema: Option<StateDict>,
    /// State of the optimiser.
    pub optimizer: StateDict,
    /// Sums of loss and metrics since they were last logged.
    pub meters: StateDict,
    /// What the model carries to the next batch of its streams.
    pub carried: StateDict,
}

impl Checkpoint {
    /// The bytes of the file.
    ///
    /// # Errors
    /// If a tensor is of a kind that is not saved.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let parts = [
            ("model", &self.model),
            ("optim", &self.optimizer),
            ("meters", &self.meters),
            ("carried", &self.carried),
        ];
        let ema = self.ema.as_ref().map(|ema| ("ema", ema));
        let mut all = StateDict::new();
        for (prefix, dict) in parts.into_iter().chain(ema) {
            for (name, tensor) in dict.iter() {
                all.insert(format!("{prefix}.{name}"), tensor.shallow_clone());
            }
        }
        checksum::to_safetensors(&all, &[(META, &serde_json::to_string(&self.meta)?)])
    }

    /// Reads `path`; tensors arrive on the CPU.
    ///
    /// # Errors
    /// If there is no such file, it is damaged, or not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_among(path, &World::alone())
    }

    /// As [`Self::load`] by several processes: the first one reads it for all.
    ///
    /// # Errors
    /// As [`Self::load`], or if a process is lost.
    pub(crate) fn load_among(path: &Path, world: &World) -> Result<Self> {
        let bytes = world.from_first(|| read(path))?;
        Self::from_bytes(&bytes).with_context(|| format!("checkpoint {}", path.display()))
    }

    /// Reads the best weights of the run in `run`, or its last ones where there are no best yet.
    ///
    /// # Errors
    /// If the run has neither, or as [`Self::load`].
    pub fn load_best(run: &Path) -> Result<Self> {
        let (best, last) = (run_dir::best_checkpoint(run), run_dir::last_checkpoint(run));
        ensure!(
            best.exists() || last.exists(),
            "{} has no checkpoint yet: the run was stopped before it wrote one; train on with \
             --resume {}",
            run.display(),
            pasted(run)
        );
        if best.exists() {
            return Self::load(&best);
        }
        let checkpoint = Self::load(&last)?;
        ensure!(
            checkpoint.meta.state.best.is_none(),
            "the run's best weights are gone: there is no {}; to take its last ones, name {}",
            best.display(),
            last.display()
        );
        Ok(checkpoint)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let all = tensors(bytes)?;
        let Some(json) = metadata(bytes)? else {
            bail!("it holds weights only, no training state; it can be evaluated, not resumed");
        };
        // Read loosely first: another version may hold other things.
        let format = serde_json::from_str::<Value>(&json)
            .ok()
            .and_then(|value| value.get("format")?.as_u64())
            .context("its description is damaged")?;
        if format != u64::from(FORMAT) {
            bail!(
                "it has format {format}, and this program reads format {FORMAT}; use the version \
                 that wrote it"
            );
        }
        let meta: Meta = serde_json::from_str(&json).context("its description is damaged")?;
        Ok(Self {
            meta,
            model: all.under("model"),
            ema: averaged(&all),
            optimizer: all.under("optim"),
            meters: all.under("meters"),
            carried: all.under("carried"),
        })
    }

    /// The weights to evaluate or generate with: averaged where the run averages.
    pub fn weights(&self) -> &StateDict {
        self.ema.as_ref().unwrap_or(&self.model)
    }

    /// [`Self::weights`] as those of a plain model: what an adapted run took over from its base is put
    /// in its place, and low-rank changes are added to the weights that they are of.
    ///
    /// # Errors
    /// If the base is gone or has other weights now.
    pub fn whole(&self) -> Result<StateDict> {
        adapt::whole(&self.meta.config, self.weights())
    }

    /// As [`Self::weights`], without the rest.
    pub fn into_weights(self) -> StateDict {
        self.ema.unwrap_or(self.model)
    }

    /// Copies [`Self::whole`] into `params`, for a model that is used and not trained further.
    ///
    /// # Errors
    /// If they belong to another model; the message names what differs between the checkpoint's
    /// configuration and `config` (TOML), the one that `params` was built from.
    pub fn restore_weights(&self, params: &ParamStore, config: &str) -> Result<()> {
        self.restore(&self.whole()?, params, config)
    }

    /// Copies the weights as they are trained into `params`, for a model whose training goes on.
    pub(crate) fn restore_model(&self, params: &ParamStore, config: &str) -> Result<()> {
        self.restore(&self.model, params, config)
    }

    fn restore(&self, weights: &StateDict, params: &ParamStore, config: &str) -> Result<()> {
        params.load_state_dict(weights).with_context(|| {
            let mut message = "this checkpoint belongs to another model".to_owned();
            for (key, there, here) in config::differences(&self.meta.config, config) {
                let or_absent = |value: Option<String>| value.unwrap_or("absent".to_owned());
                let (there, here) = (or_absent(there), or_absent(here));
                let _ = write!(message, "\n  {key} is {there} there and {here} here");
            }
            message
        })
    }
}

/// Writes weights alone, under their official names.
///
/// # Errors
/// If the file cannot be written.
pub fn export_weights(path: &Path, weights: &StateDict) -> Result<()> {
    files::write(path, &checksum::to_safetensors(weights, &[])?)
}

/// Reads weights from a checkpoint ([`Checkpoint::weights`]) or from a file of weights alone.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_weights(path: &Path) -> Result<StateDict> {
    let bytes = read(path)?;
    let context = || format!("weights {}", path.display());
    let all = tensors(&bytes).with_context(context)?;
    let is_checkpoint = metadata(&bytes).with_context(context)?.is_some();
    if !is_checkpoint {
        return Ok(all);
    }
    Ok(averaged(&all).unwrap_or_else(|| all.under("model")))
}

/// The tensors in the bytes of a file.
fn tensors(bytes: &[u8]) -> Result<StateDict> {
    StateDict::from_safetensors(bytes)
        .and_then(|tensors| checksum::verify(bytes).map(|()| tensors))
        .context("it is damaged (cut short?); use another one of the run, or a copy")
}

/// The averaged weights among the tensors of a checkpoint, if there are any.
fn averaged(all: &StateDict) -> Option<StateDict> {
    Some(all.under("ema")).filter(|ema| !ema.is_empty())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let named = || format!("cannot read checkpoint {}", path.display());
    // A pipe would be waited for.
    ensure!(fs::metadata(path).with_context(named)?.is_file(), "{}: it is no file", named());
    fs::read(path).with_context(named)
}

/// The description in a file's metadata, if it is a checkpoint's.
fn metadata(bytes: &[u8]) -> Result<Option<String>> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    Ok(header.metadata().as_ref().and_then(|strings| strings.get(META).cloned()))
}

#[cfg(test)]
mod tests {
    use s4_core::params::Hyper;
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::schedule::Schedule;

    fn store(width: i64) -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let value = Tensor::ones([width], (Kind::Float, Device::Cpu));
        let _ = store.root().parameter("w", &value, Hyper::GLOBAL).unwrap();
        let _ = store.root().buffer("count", &Tensor::from(5i64)).unwrap();
        store
    }

    fn checkpoint() -> Checkpoint {
        let state = TrainState {
            step: 12,
            batches: 24,
            samples: 96,
            batches_per_epoch: 10,
            schedule: ScheduleState::new(Schedule::Constant {}, 50, 5).unwrap(),
            rollbacks: 1,
            evaluated_at: Some(10),
            // Not a short decimal: it must come back bit for bit.
            best: Some((0.1 + 0.2, 10)),
            kept: Vec::new(),
            evaluations_since_best: 0,
            seconds: 1.5,
        };
        let config = "[model]\nwidth = 3\n".to_owned();
        let dict = |name: &str, tensor| StateDict::from_iter([(name.to_owned(), tensor)]);
        Checkpoint {
            meta: Meta::new(state, 7, config),
            model: store(3).state_dict(),
            ema: None,
            optimizer: dict("w.step", Tensor::from(12i64)),
            meters: dict("loss", Tensor::from(1.0f64 / 3.0)),
            carried: StateDict::new(),
        }
    }

    #[test]
    fn everything_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let saved = checkpoint();
        files::write(&path, &saved.to_bytes().unwrap()).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.meta, saved.meta);
        assert_eq!(loaded.meters.get("loss").unwrap().double_value(&[]), 1.0 / 3.0);
        assert_eq!(loaded.optimizer.get("w.step").unwrap().int64_value(&[]), 12);
        loaded.restore_model(&store(3), "").unwrap();
        assert_eq!(load_weights(&path).unwrap().names().collect::<Vec<_>>(), ["count", "w"]);
        assert!(loaded.ema.is_none());
    }

    #[test]
    fn averaged_weights_are_what_is_evaluated_and_not_what_is_trained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let average = store(3);
        let _ = average.get("w").unwrap().detach().fill_(0.5);
        let saved = Checkpoint { ema: Some(average.state_dict()), ..checkpoint() };
        files::write(&path, &saved.to_bytes().unwrap()).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        let value = |weights: &StateDict| weights.get("w").unwrap().double_value(&[0]);
        assert_eq!((value(&loaded.model), value(loaded.weights())), (1.0, 0.5));
        assert_eq!(value(&load_weights(&path).unwrap()), 0.5);
        let params = store(3);
        loaded.restore_weights(&params, "").unwrap();
        assert_eq!(value(&params.state_dict()), 0.5);
        loaded.restore_model(&params, "").unwrap();
        assert_eq!(value(&params.state_dict()), 1.0);
    }

    #[test]
    fn the_best_checkpoint_comes_before_the_last() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join("checkpoints")).unwrap();
        let message = Checkpoint::load_best(run.path()).unwrap_err().to_string();
        assert!(message.contains("no checkpoint yet") && message.contains("--resume"), "{message}");
        for (step, path) in
            [(12, run_dir::last_checkpoint(run.path())), (10, run_dir::best_checkpoint(run.path()))]
        {
            let mut saved = checkpoint();
            (saved.meta.state.step, saved.meta.state.best) = (step, None);
            files::write(&path, &saved.to_bytes().unwrap()).unwrap();
            assert_eq!(Checkpoint::load_best(run.path()).unwrap().meta.state.step, step);
        }
        // Once there were best weights, others do not take their place.
        fs::remove_file(run_dir::best_checkpoint(run.path())).unwrap();
        let mut saved = checkpoint();
        saved.meta.state.best = Some((0.5, 10));
        files::write(&run_dir::last_checkpoint(run.path()), &saved.to_bytes().unwrap()).unwrap();
        let message = Checkpoint::load_best(run.path()).unwrap_err().to_string();
        assert!(message.contains("are gone") && message.contains("last.safetensors"), "{message}");
    }

    #[test]
    fn another_model_is_refused_with_the_settings_that_differ() {
        let error = checkpoint().restore_model(&store(4), "[model]\nwidth = 4\n").unwrap_err();
        let message = format!("{error:#}");
        assert!(message.contains("model.width is 3 there and 4 here"), "{message}");
        assert!(message.contains("w has shape [3], expected [4]"), "{message}");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let bytes = checkpoint().to_bytes().unwrap();
        for length in [0, 4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let message = format!("{:#}", Checkpoint::load(&path).unwrap_err());
            assert!(message.contains("last.safetensors: it is damaged"), "{message}");
        }
        let message = format!("{:#}", Checkpoint::load(&folder.path().join("no")).unwrap_err());
        assert!(message.contains("cannot read checkpoint"), "{message}");
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        let mut bytes = checkpoint().to_bytes().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let message = format!("{:#}", Checkpoint::from_bytes(&bytes).unwrap_err());
        assert!(message.contains("damaged") && message.contains("checksum differs"), "{message}");
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let mut other = checkpoint();
        other.meta.format = 99;
        let error = Checkpoint::from_bytes(&other.to_bytes().unwrap()).unwrap_err();
        assert!(error.to_string().contains("format 99"), "{error:#}");
    }

    #[test]
    fn weights_alone_can_be_loaded_but_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        export_weights(&path, &store(3).state_dict()).unwrap();
        store(3).load_state_dict(&load_weights(&path).unwrap()).unwrap();
        let message = format!("{:#}", Checkpoint::load(&path).unwrap_err());
        assert!(message.contains("weights only"), "{message}");
    }
}

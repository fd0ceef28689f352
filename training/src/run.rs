//! A run and the settings it was made with, opened to be evaluated, generated from or compared.
//!
//! ```no_run
//! # use anyhow::Result;
//! # use s4_core::params::ParamStore;
//! # use training::run::{Experiment, Run};
//! # fn show<E: Experiment>(build: impl Fn(&E) -> Result<ParamStore>) -> Result<()> {
//! let run: Run<E> = Run::open("path-x/small-001")?;
//! let params = build(&run.experiment)?;
//! let step = run.load_weights(&params)?;
//! # Ok(())
//! # }
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use program::config::{self, Config, Loaded};
use s4_core::params::ParamStore;
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::record::Record;
use crate::run_dir;

/// All that a run follows from: what a program's configuration files hold.
pub trait Experiment: Config + Serialize {
    /// The program whose runs have these settings; `None`: whichever opens them.
    const PROGRAM: Option<&str> = None;

    /// Spells out what is absent, after `set` (full keys) were changed by the user; as it is,
    /// nothing. Returns a line on what has no effect, if anything has none.
    ///
    /// # Errors
    /// If the user set what has no effect.
    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
        let _ = set;
        Ok(None)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending key, its value and what is allowed.
    fn validate(&self) -> Result<()>;

    /// The experiment of a TOML file, changed by `overrides` (`key.path=value`).
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key, or contradicts itself.
    fn read(file: &Path, overrides: &[String]) -> Result<Loaded<Self>> {
        let loaded: Loaded<Self> = config::load(file, overrides)?;
        settled(loaded).with_context(|| file.display().to_string())
    }

    /// The experiment of a TOML `text` that is built into the program as `name`.
    ///
    /// # Errors
    /// If an override is wrong.
    fn parse(name: &str, text: &str, overrides: &[String]) -> Result<Loaded<Self>> {
        settled(config::parse(name, text, overrides)?)
    }
}

fn settled<E: Experiment>(mut loaded: Loaded<E>) -> Result<Loaded<E>> {
    let set: Vec<&str> = loaded.keys.iter().map(String::as_str).collect();
    if let Some(line) = loaded.value.settle(&set)? {
        loaded.changes.push(line);
    }
    loaded.value.validate()?;
    Ok(loaded)
}

/// The settings of the run in the folder `path`, changed by `overrides`.
///
/// # Errors
/// If they cannot be read; a run of another program is called that.
pub(crate) fn settings<E: Experiment>(path: &Path, overrides: &[String]) -> Result<Loaded<E>> {
    let read = E::read(&run_dir::config_file(path), overrides);
    read.map_err(|error| match (Record::program(path), E::PROGRAM) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            anyhow!("{} is a run of {theirs}: use that program", path.display())
        }
        _ => error,
    })
}

/// The program that trained the run that `name` means ([`Run::open`]), if there is such a run and that is
/// known.
pub fn program(name: &str) -> Option<String> {
    let folders = [PathBuf::from(name), run_dir::root().join(name)];
    folders.iter().find_map(|path| {
        let run = if path.is_file() { run_dir::of_checkpoint(path)? } else { path };
        Record::program(run)
    })
}

/// A run on disk.
#[derive(Debug)]
pub struct Run<E> {
    /// Its folder.
    pub path: PathBuf,
    /// What it was trained with. A caller may change where the data is; the model must stay.
    pub experiment: E,
    /// Which of its checkpoints is meant; the best one where none is.
    checkpoint: Option<PathBuf>,
}

impl<E: Experiment> Run<E> {
    /// The run that `name` means: a folder, `task/name` below [`run_dir::root`], or a file in the
    /// `checkpoints` of a run.
    ///
    /// # Errors
    /// If there is none, or its configuration cannot be read.
    pub fn open(name: &str) -> Result<Self> {
        let candidates = [PathBuf::from(name), run_dir::root().join(name)];
        let Some(file) = candidates.into_iter().find(|path| path.is_file()) else {
            return Self::read(&Self::find(name)?);
        };
        let run = run_dir::of_checkpoint(&file).with_context(|| {
            format!(
                "{name} is not in the checkpoints/ of a run, whose config.toml says what model it is of; \
                 name a run, or one of its checkpoints"
            )
        })?;
        let run = Self::read(run)?;
        Ok(Self { checkpoint: Some(file), ..run })
    }

    /// Where the run is that `name` means.
    ///
    /// # Errors
    /// If there is none; the nearest of this program's is suggested.
    pub fn find(name: &str) -> Result<PathBuf> {
        run_dir::find_among(run_dir::root(), name, |path| Self::read(path).is_ok())
    }

    /// The run in the folder `path`.
    ///
    /// # Errors
    /// If its configuration cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let experiment = settings(path, &[])?.value;
        Ok(Self { path: path.to_owned(), experiment, checkpoint: None })
    }

    /// The checkpoint that was named: else the best, or the last where there are no best yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        match &self.checkpoint {
            Some(file) => Checkpoint::load(file),
            None => Checkpoint::load_best(&self.path),
        }
    }

    /// Copies the weights of [`Self::checkpoint`] into `params`. Returns the step after which they were
    /// saved.
    ///
    /// # Errors
    /// If there is no checkpoint, or `params` are of another model.
    pub fn load_weights(&self, params: &ParamStore) -> Result<u64> {
        let checkpoint = self.checkpoint()?;
        checkpoint.restore_weights(params, &config::to_toml(&self.experiment)?)?;
        Ok(checkpoint.meta.state.step)
    }
}

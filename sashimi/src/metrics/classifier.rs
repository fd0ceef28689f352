//! A classifier that was trained by `lra-bench`, opened from its run alone: features and
//! probabilities of sound files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::{Batch, Example, Sequences};
use datasets::inputs::Inputs;
use datasets::shape::Target;
use datasets::tasks;
use models::Network;
use program::config::{Aliases, Config};
use program::exit::describe;
use program::interrupt;
use program::progress::Progress;
use rayon::prelude::*;
use s4_config::NetworkConfig;
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use toml::Table;
use training::run::{self, Run};
use training::train_config::TrainConfig;

use super::probabilities::Probabilities;

/// The settings of a run of `lra-bench`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Experiment {
    task: String,
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    data: Table,
    model: NetworkConfig,
    train: TrainConfig,
}

impl Config for Experiment {
    const ALIASES: &[Aliases] = &[s4_config::ALIASES];
}

impl run::Experiment for Experiment {
    const PROGRAM: Option<&str> = Some("lra-bench");

    fn validate(&self) -> Result<()> {
        self.model.validate()
    }
}

/// A trained classifier of sound.
pub struct Classifier {
    store: ParamStore,
    network: Network,
    inputs: Inputs,
    /// Sounds in a batch.
    batch: usize,
}

/// What a classifier makes of n sounds.
#[derive(Debug)]
pub struct Heard {
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// (n, d), float64.
    pub features: Tensor,
    /// (n, C).
    pub probabilities: Probabilities,
}

impl Classifier {
    /// The classifier of the run that `name` means.
    ///
    /// # Errors
    /// If there is none, or it classifies something else than sound.
    pub fn open(name: &str, device: Device) -> Result<Self> {
        let run: Run<Experiment> = Run::open(name).with_context(|| {
            format!("the classifier {name}; it is a run of lra-bench on a task of sound")
        })?;
        let Experiment { task, data, model, train } = &run.experiment;
        let inputs = tasks::find(task)?.inputs(data)?;
        ensure!(
            (inputs.takes)(Path::new("a.wav")) && matches!(inputs.shape.target, Target::Classes(_)),
            "{name} is a run on `{task}`, which does not classify sound; train one, e.g. with \
             `lra-bench train --config configs/lra/digits-classifier.toml`"
        );
        let mut store = ParamStore::new(device, train.precision.kind(device)?);
        let network = Network::new(&mut store.root(), model, inputs.shape.network())?;
        run.load_weights(&store)?;
        Ok(Self { store, network, inputs, batch: train.eval_batch_size() })
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        self.inputs.shape.target.class_names()
    }

    /// What it makes of `files`, each brought to its sampling rate. Those that cannot be read are
    /// added to `skipped` with the reason. `None` if the user interrupted.
    ///
    /// # Errors
    /// If none can be read.
    pub fn hear(
        &self,
        files: &[PathBuf],
        skipped: &mut Vec<(PathBuf, String)>,
        progress: &Progress,
    ) -> Result<Option<Heard>> {
        let _guard = tch::no_grad_guard();
        let read = self.inputs.file.as_ref().context("sounds are read from files")?;
        let (mut heard, mut features, mut logits) = (Vec::new(), Vec::new(), Vec::new());
        for (number, group) in files.chunks(self.batch).enumerate() {
            if interrupt::requested() {
                return Ok(None);
            }
            let sequences: Vec<_> = group.par_iter().map(|path| read(path)).collect();
            let mut examples = Vec::new();
            for (path, sequences) in group.iter().zip(sequences) {
                match sequences {
                    Ok(sequences) => {
                        examples.push(Example { sequences, label: 0.into() });
                        heard.push(path.clone());
                    }
                    Err(error) => skipped.push((path.clone(), describe(&error))),
                }
            }
            if !examples.is_empty() {
                let (theirs, outputs) = self.outputs(&examples)?;
                features.push(theirs);
                logits.push(outputs);
            }
            let done = (number * self.batch + group.len()) as u64;
            progress.count(done, files.len() as u64, "files");
        }
        ensure!(
            !heard.is_empty(),
            "none of the {} files can be read; the first: {}",
            files.len(),
            skipped.last().map_or("", |(_, reason)| reason)
        );
        let probabilities = Probabilities::from_logits(&Tensor::cat(&logits, 0))?;
        Ok(Some(Heard { files: heard, features: Tensor::cat(&features, 0), probabilities }))
    }

    /// Features and logits.
    fn outputs(&self, examples: &[Example]) -> Result<(Tensor, Tensor)> {
        let batch = Batch::of(examples, self.inputs.padding)?;
        let Sequences::Values { values, features } = &batch.sequences else {
            bail!("sounds are values");
        };
        let (device, kind) = (self.store.device(), self.store.kind());
        let shape = [-1, batch.length as i64, *features as i64];
        let x = Tensor::from_slice(values).view(shape).to_device(device).to_kind(kind);
        let lengths = batch.lengths.map(|lengths| Tensor::from_slice(&lengths).to_device(device));
        let (features, logits) = self.network.features(&x, &Pass::eval().with_lengths(lengths))?;
        let host = |x: Tensor| x.to_device(Device::Cpu).to_kind(Kind::Double);
        Ok((host(features), host(logits)))
    }
}

//! What a base knows of its own task after it was adapted to another.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use loader::Dataset;
use program::files;
use s4_core::state_dict::StateDict;
use serde::{Deserialize, Serialize};
use tch::Device;
use training::adapt::is_base;
use training::checkpoint::Checkpoint;
use training::evaluate::{EvalOptions, evaluate};
use training::objective::Objective;
use training::run::Run;

use crate::experiment::Experiment;
use crate::objective::Supervised;
use crate::pretrain::masks::{Draw, MaskedSplit};
use crate::pretrain::objective::Pretraining;

/// Examples of the base's validation split that are looked at.
const MOST: usize = 500;
const FILE: &str = "forgetting.json";

/// The loss of the base's own head on the base's own validation data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forgetting {
    /// On the base as it was.
    pub before: f64,
    /// On the adapted encoder and backbone.
    pub after: f64,
}

impl Forgetting {
    /// What was found for the run in `folder`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string()).map(Some)
    }
}

/// Measures it for the run in `folder`, which was adapted from `base`, and keeps it there; `None` if the
/// base is no run of this program, or the user interrupted.
///
/// # Errors
/// If the base's data cannot be read.
pub fn forgetting(base: &str, folder: &Path, device: Device) -> Result<Option<Forgetting>> {
    let Ok(mut run) = Run::<Experiment>::open(base) else { return Ok(None) };
    let splits = run.experiment.open(false)?;
    let few = splits.val.subset(0..splits.val.len().min(MOST))?;
    let adapted = Checkpoint::load_best(folder)?.whole()?;
    let own = run.checkpoint()?.whole()?;
    let (shape, seed) = (&splits.shape, run.experiment.train.seed);
    let found = match &run.experiment.pretrain {
        Some(config) => {
            let data = MaskedSplit::new(&few, config, Draw::PerExample, seed);
            let model = Pretraining::new(&run.experiment, shape, device)?;
            both(model, &(Arc::new(data) as Arc<_>), &own, &adapted, &run.experiment)?
        }
        None => {
            let model = Supervised::new(&run.experiment, shape, device)?;
            both(model, &(Arc::new(few) as Arc<_>), &own, &adapted, &run.experiment)?
        }
    };
    if let Some(found) = found {
        files::write(&folder.join(FILE), serde_json::to_string(&found)?.as_bytes())?;
    }
    Ok(found)
}

fn both<O: Objective>(
    mut model: O,
    data: &Arc<dyn Dataset<Batch = O::Batch>>,
    own: &StateDict,
    adapted: &StateDict,
    experiment: &Experiment,
) -> Result<Option<Forgetting>> {
    let options = EvalOptions::of(&experiment.train);
    let mut loss = |weights: &StateDict| -> Result<Option<f64>> {
        model.params().load_state_dict(weights)?;
        let evaluated = evaluate(&mut model, data.clone(), options, |_, _| {})?;
        Ok(evaluated.map(|evaluated| evaluated.evaluation.loss))
    };
    let Some(before) = loss(own)? else { return Ok(None) };
    let changed = own.iter().map(|(name, tensor)| {
        let new = adapted.get(name).filter(|_| is_base(name));
        (name.to_owned(), new.unwrap_or(tensor).shallow_clone())
    });
    let Some(after) = loss(&changed.collect())? else { return Ok(None) };
    Ok(Some(Forgetting { before, after }))
}

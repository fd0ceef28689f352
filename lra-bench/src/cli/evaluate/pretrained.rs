//! Runs of pretraining: their own objective, with the masks that every evaluation has.
//!
//! JSON: `objective` says what is asked; where tokens or grey values are, `accuracy` is the share that is right.

use std::sync::Arc;

use anyhow::{Context, Result};
use datasets::metric::Metric;
use datasets::tasks::Splits;
use program::exit::{Exit, usage};
use serde_json::{Map, json};
use training::args::{EvalSplit, EvaluateArgs};
use training::evaluate::{EvalOptions, evaluate_with_progress};
use training::objective::Objective;
use training::run::Run;

use super::{Args, Found, interrupted, tell};
use crate::experiment::Experiment;
use crate::pretrain::masks::{Draw, MaskedSplit};
use crate::pretrain::objective::Pretraining;

pub(super) fn run(args: &Args, mut run: Run<Experiment>) -> Result<Exit> {
    let of_a_task = [
        ("--rate", args.rate != 1.0),
        ("--every", args.every.is_some()),
        ("--predictions", args.predictions.is_some()),
    ];
    if let Some((flag, _)) = of_a_task.iter().find(|(_, given)| *given) {
        return Err(usage(format!(
            "{flag} is about models of a task, and this is a run of pretraining: leave it out"
        )));
    }
    let EvaluateArgs { split, device, data, no_progress, .. } = &args.evaluate;
    let Splits { shape, findings, val, test, .. } = run.experiment.open(!no_progress)?;
    findings.tell(data.strict)?;
    let part = match split {
        EvalSplit::Test => test,
        EvalSplit::Val => val,
    };
    let config = run.experiment.pretrain.as_ref().context("a run of pretraining has [pretrain]")?;
    let masked = MaskedSplit::new(&part, config, Draw::PerExample, run.experiment.train.seed);
    let mut model = Pretraining::new(&run.experiment, &shape, device.choose()?.announce())?;
    let step = run.load_weights(model.params())?;
    let options = EvalOptions::of(&run.experiment.train);
    let Some(evaluated) =
        evaluate_with_progress(&mut model, Arc::new(masked), options, !no_progress)?
    else {
        return Ok(interrupted());
    };
    let evaluation = evaluated.evaluation;
    let mut json = Map::from_iter([("objective".to_owned(), json!(config.objective))]);
    json.extend(evaluation.metrics.iter().map(|(name, value)| (name.clone(), json!(value))));
    let headline = match evaluation.get(Metric::ACCURACY.name) {
        Some(accuracy) => format!("accuracy {}", Metric::ACCURACY.show(accuracy)),
        None => format!("mean absolute error {:.4}", evaluation.loss),
    };
    let found = Found {
        headline,
        details: format!("{config}\n"),
        json,
        of: "positions",
        predictions: Vec::new(),
    };
    tell(args, &run.experiment.task, step, &evaluation, None, &found)?;
    Ok(Exit::Done)
}

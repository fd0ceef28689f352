//! One run: new, or the continuation of one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use datasets::batch::Batch;
use datasets::tasks;
use program::config;
use program::exit::{Exit, usage};
use program::output::note;
use s4_core::conv::plan;
use tch::Device;
use training::device::Chosen;
use training::record::Data;
use training::run::Experiment as _;
use training::run_dir::{self, RunDir};
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use super::args::Args;
use crate::experiment::Experiment;
use crate::objective::Classification;
use crate::preview::Preview;

/// Trains what `experiment` says in `dir`, to the end or until the user interrupts.
pub(super) fn train(
    args: &Args,
    mut experiment: Experiment,
    dir: RunDir,
    device: &Chosen,
) -> Result<Outcome> {
    let Opened { objective, splits, origin } = open(args, &mut experiment, device)?;
    let setup = RunSetup {
        dir,
        config: config::to_toml(&experiment)?,
        data: Data::new(&origin, &splits, Batch::bytes)?,
        progress: !args.train.no_progress,
    };
    Trainer::new(experiment.train, objective, splits, setup)?.run()
}

/// Says what training of `experiment` would take.
pub(super) fn dry_run(args: &Args, mut experiment: Experiment, device: &Chosen) -> Result<Exit> {
    let Opened { mut objective, splits, .. } = open(args, &mut experiment, device)?;
    training::dry_run::dry_run(&experiment.train, &mut objective, &splits)?;
    Ok(Exit::Done)
}

/// A fresh model and its data.
struct Opened {
    objective: Classification,
    splits: Splits<Batch>,
    origin: String,
}

fn open(args: &Args, experiment: &mut Experiment, device: &Chosen) -> Result<Opened> {
    let tasks::Splits { shape, medium, origin, findings, train, val, test, .. } =
        experiment.open(!args.train.no_progress)?;
    note(format_args!("data: {origin}"));
    findings.tell(args.train.data.strict)?;
    let device = device.announce();
    let preview = Preview::new(medium, shape.target.class_names(), &val)?;
    let objective = Classification::new(experiment, shape.network(), device)?.with_preview(preview);
    if experiment.model.backbone().is_ssm() {
        let length = train.batch(&[0])?.length as i64;
        note(format_args!("convolution: {}", plan::summary(&objective.model().explain(length))));
    }
    let splits =
        Splits { train: Arc::new(train), val: Some(Arc::new(val)), test: Some(Arc::new(test)) };
    Ok(Opened { objective, splits, origin })
}

/// The settings of the run in `path` with what the flags change, and these changes.
pub(super) fn continued(args: &Args, path: &Path) -> Result<(Experiment, Vec<String>)> {
    let loaded = Experiment::read(&run_dir::config_file(path), &args.train.overrides)?;
    let mut experiment = loaded.value;
    args.apply(&mut experiment)?;
    Ok((experiment, loaded.changes))
}

/// The settings of a run that does not exist yet, and what its name begins with.
pub(super) fn new_experiment(args: &Args, device: Device) -> Result<(Experiment, String)> {
    if args.task.is_none() && args.train.config.is_none() {
        return Err(usage(
            "nothing to do: name a task with --task (`lra-bench tasks` lists them), a file with \
             --config, or a run with --resume; --help has the rest",
        ));
    }
    let mut train = args.train.clone();
    if let (Some(task), Some(_)) = (&args.task, &train.config) {
        train.overrides.insert(0, format!("task={task}"));
    }
    let (mut experiment, stem): (Experiment, _) = train.experiment(device, |name, set| {
        let task = tasks::find(args.task.as_deref().unwrap_or_default())?;
        Ok((Experiment::preset(task, name.parse()?, set)?, name.to_owned()))
    })?;
    args.apply(&mut experiment)?;
    Ok((experiment, stem))
}

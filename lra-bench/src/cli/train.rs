//! `train`: new runs, one or several, or the continuation of what there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::batch::Batch;
use datasets::shape::Target;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, usage};
use program::output::{note, say_all};
use s4_core::conv::plan;
use tch::Device;
use training::adapt::Adapt;
use training::args::TrainArgs;
use training::command::{self, NewRun, Opened, Program};
use training::device::Chosen;
use training::record::Data;
use training::run::Experiment as _;
use training::train_config::TrainConfig;
use training::trainer;

use crate::base;
use crate::experiment::Experiment;
use crate::objective::Supervised;
use crate::preview::Preview;
use crate::report::Report;
use crate::report::table::{Style, render};

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// What to train on; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    task: Option<String>,
    /// Folder with the task's files in their official layout
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What of the run that --init-from names is trained, beside a new head: full, probe (the head
    /// alone), lp-ft[:STEPS] (the head first), lora[:RANK[:ALPHA]], bias, groups:dt,A,B,C,D,norm. The
    /// network is that run's
    #[arg(long, value_name = "WAY", requires = "init_from", conflicts_with = "resume")]
    adapt: Option<Adapt>,
    /// Build the network of this run, untrained, in place of the preset's
    #[arg(long, value_name = "RUN", conflicts_with_all = ["adapt", "resume"])]
    network_of: Option<String>,
    /// Train on this share of the examples, of each class alike
    #[arg(long, value_name = "SHARE", conflicts_with = "resume")]
    fraction: Option<f64>,
    #[command(flatten)]
    train: TrainArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    command::train(args, &args.train)
}

impl Args {
    /// What is not about data.
    pub(super) fn training(&self) -> &TrainArgs {
        &self.train
    }
}

/// The settings of a run of `task` that does not exist yet.
pub(super) fn new_run(
    task: Option<&str>,
    args: &TrainArgs,
    device: Device,
) -> Result<NewRun<Experiment>> {
    if task.is_none() && args.config.is_none() {
        return Err(usage(
            "nothing to do: name a task with --task (`lra-bench tasks` lists them), a file with \
             --config, or a run with --resume; --help has the rest",
        ));
    }
    let mut args = args.clone();
    if let (Some(task), Some(_)) = (task, &args.config) {
        args.overrides.insert(0, format!("task={task}"));
    }
    let (loaded, stem) = args.experiment(device, |name, set| {
        let task = tasks::find(task.unwrap_or_default())?;
        Ok((Experiment::preset(task, name.parse()?, set)?, name.to_owned()))
    })?;
    let (experiment, changes): (Experiment, _) = (loaded.value, loaded.changes);
    Ok(NewRun { task: experiment.task.clone(), experiment, stem, changes })
}

/// Where data is, and what is kept of it.
pub(super) fn place(data: Option<&Path>, cache: Option<&Path>, experiment: &mut Experiment) {
    if let Some(data) = data {
        experiment.set_data_dir(data);
    }
    if let Some(cache) = cache {
        experiment.set_cache(cache);
    }
}

impl Program for Args {
    type Experiment = Experiment;
    type Objective = Supervised;

    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Experiment>> {
        let mut run = new_run(self.task.as_deref(), args, device)?;
        let from = self.adapt.as_ref().and(args.init_from.as_deref());
        if let Some(from) = from.or(self.network_of.as_deref()) {
            run.experiment = base::with_network_of(from, &run.experiment, &args.overrides)?;
            run.changes.push(format!("model: that of {from}"));
            if self.adapt.as_ref().is_some_and(Adapt::learns_states) {
                run.experiment.model.learned_state = true;
            }
        }
        Ok(run)
    }

    fn settings(experiment: &mut Experiment) -> &mut TrainConfig {
        &mut experiment.train
    }

    fn apply(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        if experiment.pretrain.is_some() {
            return Err(usage(
                "these are settings of pretraining: go on with `lra-bench pretrain`, in place of `train`",
            ));
        }
        place(self.data.as_deref(), args.data.cache.as_deref(), experiment);
        args.apply(&mut experiment.train);
        if let Some(adapt) = &self.adapt {
            experiment.train.adapt = Some(adapt.clone());
        }
        if let Some(share) = self.fraction {
            experiment.data.insert("fraction".to_owned(), share.into());
        }
        experiment.validate()
    }

    fn open(
        &self,
        args: &TrainArgs,
        experiment: &mut Experiment,
        device: &Chosen,
    ) -> Result<Opened<Supervised>> {
        let Splits { shape, medium, origin, findings, train, val, test, .. } =
            experiment.open(!args.no_progress)?;
        note(format_args!("data: {origin}"));
        findings.tell(args.data.strict)?;
        let device = device.announce();
        let mut objective = Supervised::new(experiment, &shape, device)?;
        if !matches!(shape.target, Target::PerPosition { .. } | Target::LastTokens { .. }) {
            objective = objective.with_preview(Preview::new(medium, &val)?);
        }
        if experiment.model.backbone().is_ssm() && !train.is_stream() {
            let length = train.batch(&[0])?.length as i64;
            let plan = plan::summary(&objective.model().explain(length));
            note(format_args!("convolution: {plan}"));
        }
        let splits = trainer::Splits {
            train: Arc::new(train),
            val: Some(Arc::new(val)),
            test: Some(Arc::new(test)),
        };
        let data = Data::new(&origin, &splits, Batch::bytes)?;
        Ok(Opened { objective, splits, data })
    }

    fn check(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        experiment.open(!args.no_progress)?.findings.refuse(args.data.strict)
    }

    fn compare(&self, runs: &[PathBuf]) -> Result<()> {
        say_all(render(&Report::of(runs)?, Style::Terminal))
    }
}

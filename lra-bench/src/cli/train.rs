//! `train`: new runs, one or several, or the continuation of what there is.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::batch::Batch;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, usage};
use program::output::{note, say_all};
use s4_core::conv::plan;
use tch::Device;
use training::args::TrainArgs;
use training::command::{self, NewRun, Opened, Program};
use training::device::Chosen;
use training::record::Data;
use training::run::Experiment as _;
use training::train_config::TrainConfig;
use training::trainer;

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
    #[command(flatten)]
    train: TrainArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    command::train(args, &args.train)
}

impl Program for Args {
    type Experiment = Experiment;
    type Objective = Supervised;

    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Experiment>> {
        if self.task.is_none() && args.config.is_none() {
            return Err(usage(
                "nothing to do: name a task with --task (`lra-bench tasks` lists them), a file with \
                 --config, or a run with --resume; --help has the rest",
            ));
        }
        let mut args = args.clone();
        if let (Some(task), Some(_)) = (&self.task, &args.config) {
            args.overrides.insert(0, format!("task={task}"));
        }
        let (loaded, stem) = args.experiment(device, |name, set| {
            let task = tasks::find(self.task.as_deref().unwrap_or_default())?;
            Ok((Experiment::preset(task, name.parse()?, set)?, name.to_owned()))
        })?;
        let (experiment, changes): (Experiment, _) = (loaded.value, loaded.changes);
        Ok(NewRun { task: experiment.task.clone(), experiment, stem, changes })
    }

    fn settings(experiment: &mut Experiment) -> &mut TrainConfig {
        &mut experiment.train
    }

    fn apply(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        if let Some(data) = &self.data {
            experiment.set_data_dir(data);
        }
        if let Some(cache) = &args.data.cache {
            experiment.set_cache(cache);
        }
        args.apply(&mut experiment.train);
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
        let preview = Preview::new(medium, &val)?;
        let objective = Supervised::new(experiment, &shape, device)?.with_preview(preview);
        if experiment.model.backbone().is_ssm() {
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

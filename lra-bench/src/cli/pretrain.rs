//! `pretrain`: runs that others start from.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, usage};
use program::output::{note, say_all};
use tch::Device;
use training::args::TrainArgs;
use training::command::{self, NewRun, Opened, Program};
use training::device::Chosen;
use training::record::Data;
use training::run::Experiment as _;
use training::train_config::TrainConfig;
use training::trainer;

use super::train::{new_run, place};
use crate::experiment::Experiment;
use crate::pretrain::masks::{Draw, MaskedSplit};
use crate::pretrain::objective::Pretraining;
use crate::pretrain::{Question, Source};
use crate::report::Report;
use crate::report::table::{Style, render};

/// Arguments of `pretrain`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Whose sequences; several, as smnist,fashion-mnist, are mixed
    #[arg(
        long = "task",
        value_name = "NAME,...",
        value_delimiter = ',',
        conflicts_with = "resume"
    )]
    tasks: Vec<String>,
    /// What is asked of them: masked (positions that are hidden) or causal (the next position)
    /// [default: what the backbone allows]
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    objective: Option<Question>,
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
    type Objective = Pretraining;

    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Experiment>> {
        let mut run = new_run(self.tasks.first().map(String::as_str), args, device)?;
        let config = run.experiment.pretrain.get_or_insert_default();
        for name in self.tasks.iter().skip(1) {
            let task = tasks::find(name)?;
            if run.experiment.task == *name || config.with.iter().any(|source| source.task == *name)
            {
                return Err(usage(format!("--task has {name} twice")));
            }
            // As it is read for a run of its own.
            let preset = Experiment::preset(task, run.stem.parse()?, &[])?.value;
            config.with.push(Source { task: name.clone(), data: preset.data });
        }
        run.experiment.train.best = None;
        // What is asked for is in the series.
        run.experiment.model.forecast = None;
        run.stem = format!("pretrain-{}", run.stem);
        Ok(run)
    }

    fn settings(experiment: &mut Experiment) -> &mut TrainConfig {
        &mut experiment.train
    }

    fn apply(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        place(self.data.as_deref(), args.data.cache.as_deref(), experiment);
        let Some(config) = &mut experiment.pretrain else {
            return Err(usage(
                "this is no run of pretraining: go on with `lra-bench train --resume`",
            ));
        };
        for source in &mut config.with {
            let mut other = source.clone().alone();
            place(self.data.as_deref(), args.data.cache.as_deref(), &mut other);
            source.data = other.data;
        }
        if let Some(objective) = self.objective {
            config.objective = Some(objective);
        }
        config.settle(&experiment.model)?;
        args.apply(&mut experiment.train);
        experiment.validate()
    }

    fn open(
        &self,
        args: &TrainArgs,
        experiment: &mut Experiment,
        device: &Chosen,
    ) -> Result<Opened<Pretraining>> {
        let Splits { shape, origin, findings, train, val, test, .. } =
            experiment.open(!args.no_progress)?;
        note(format_args!("data: {origin}, without labels"));
        findings.tell(args.data.strict)?;
        let objective = Pretraining::new(experiment, &shape, device.announce())?;
        let config = experiment.pretrain.as_ref().cloned().unwrap_or_default();
        note(format_args!("pretraining: {config}"));
        let seed = experiment.train.seed;
        let masked = |split, draw| Arc::new(MaskedSplit::new(split, &config, draw, seed));
        let splits = trainer::Splits {
            train: masked(&train, Draw::PerBatch),
            val: Some(masked(&val, Draw::PerExample)),
            test: Some(masked(&test, Draw::PerExample)),
        };
        let data = Data::new(&origin, &splits, |masked| masked.batch.bytes())?;
        Ok(Opened { objective, splits, data })
    }

    fn check(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        experiment.open(!args.no_progress)?.findings.refuse(args.data.strict)
    }

    fn compare(&self, runs: &[PathBuf]) -> Result<()> {
        say_all(render(&Report::of(runs)?, Style::Terminal))
    }
}

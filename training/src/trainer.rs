//! The training loop.
//!
//! ```text
//! after each step:  evaluate if due -> save if due -> end? -> interrupted? -> next step
//! ```
//!
//! With `train.ema`, evaluations and the best checkpoint use averaged weights; in between the model
//! has those that are trained.
//!
//! What is due follows from the saved state, and all randomness from (seed, position): a run that
//! was killed anywhere and resumed makes the same steps as one that was not.

mod clock;
mod evaluation;
mod feed;
mod record;
mod report;
mod save;
mod step;
mod together;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Error, Result, anyhow, ensure};
use distributed::World;
use distributed::buckets::Buckets;

use crate::adapt::{Adapt, Adapting};
use crate::checkpoint::TrainState;
use crate::ema::Ema;
use crate::evaluate::Evaluation;
use crate::guard::{Decision, Divergence, Guard};
use crate::imported;
use crate::meters::Meters;
use crate::objective::Objective;
use crate::optim::Optimizer;
use crate::record::{Data, Record, Session};
use crate::run_dir::{self, RunDir};
use crate::schedule::{Schedule, ScheduleState};
use crate::summary::Summary;
use crate::train_config::TrainConfig;
use loader::Dataset;
use loader::prefetch::Prefetch;
use loader::sampler::{self, Sampler};
use program::exit::{Exit, describe};
use program::interrupt;
use program::names::pasted;
use program::output::{log_to, note};

use clock::Clock;
use feed::Feed;
use record::Recordings;
use report::Report;
pub(crate) use report::figures;

/// The data of a run.
pub struct Splits<B> {
    /// What is learned from.
    pub train: Arc<dyn Dataset<Batch = B>>,
    /// What chooses the best weights. Without it the last ones count.
    pub val: Option<Arc<dyn Dataset<Batch = B>>>,
    /// What the best weights are tested on once, at the end.
    pub test: Option<Arc<dyn Dataset<Batch = B>>>,
}

impl<B: Send + 'static> fmt::Debug for Splits<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |split: &Option<Arc<dyn Dataset<Batch = B>>>| split.as_ref().map(|s| s.len());
        f.debug_struct("Splits")
            .field("train", &self.train.len())
            .field("val", &len(&self.val))
            .field("test", &len(&self.test))
            .finish()
    }
}

/// Where a run is kept and how it is shown.
#[derive(Debug)]
pub struct RunSetup {
    /// Its folder. If that was opened with [`RunDir::resume`], training goes on from the last
    /// checkpoint.
    pub dir: RunDir,
    /// The complete configuration as TOML ([`program::config::to_toml`]), from which the model was
    /// built. Saved as `config.toml` and in every checkpoint.
    pub config: String,
    /// What is trained on, for the run's record.
    pub data: Data,
    /// Whether to show a bar, where there is a terminal.
    pub progress: bool,
    /// The processes that train together, of which this is one; [`World::alone`] as a rule. The first
    /// one writes.
    pub world: World,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Training came to its end. The model has the best weights.
    Finished(Box<Summary>),
    /// The user interrupted; everything is saved.
    Interrupted {
        /// Steps made.
        step: u64,
        /// The run to resume.
        run: PathBuf,
    },
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Finished(_) => Exit::Done,
            Outcome::Interrupted { step, run } => Exit::Interrupted { step, run },
        }
    }
}

/// One run of training.
pub struct Trainer<O: Objective> {
    world: World,
    /// Of several processes, unless what is trained changes from step to step.
    buckets: Option<Buckets>,
    config: TrainConfig,
    objective: O,
    splits: Splits<O::Batch>,
    run: RunDir,
    config_toml: String,
    /// What is not as it was in the checkpoint.
    changes: Vec<String>,
    optimizer: Optimizer,
    adapting: Option<Adapting>,
    ema: Option<Ema>,
    guard: Guard,
    recordings: Recordings<O::OnDevice>,
    sampler: Arc<dyn Sampler>,
    steps_per_epoch: u64,
    last_step: u64,
    state: TrainState,
    meters: Meters,
    clock: Clock,
    report: Report,
    val: Option<Evaluation>,
    /// The step of the newest checkpoint and when it was written.
    saved: Option<(u64, Instant)>,
}

impl<O: Objective> Trainer<O> {
    /// A new run of `objective`, or the continuation of the one in `setup.dir`. The caller seeds
    /// libtorch before it builds the model: [`seed_model`](crate::seed::seed_model).
    ///
    /// # Errors
    /// If a setting is out of range, there is too little data, or the run cannot be resumed.
    pub fn new(
        config: TrainConfig,
        mut objective: O,
        splits: Splits<O::Batch>,
        setup: RunSetup,
    ) -> Result<Self> {
        config.validate()?;
        if splits.val.is_none() {
            ensure!(config.patience.is_none(), "train.patience needs a validation split");
            let plateau = matches!(config.schedule, Schedule::Plateau(_));
            ensure!(!plateau, "the plateau schedule needs a validation split");
        }
        let RunSetup { dir: run, config: config_toml, data, progress, world } = setup;
        let TrainConfig { batch_size, accumulate, seed, .. } = config;
        together::check(&world, &config, &config_toml, &data)?;
        let sampler = sampler::for_training(&*splits.train, batch_size, accumulate, seed)?;
        let batches_per_epoch = sampler.batches_per_epoch();
        let steps_per_epoch = batches_per_epoch / config.accumulate as u64;
        let last_step = config.last_step(steps_per_epoch);
        let adapting = config.adapt.as_ref().map(|adapt| {
            let init = config.init.as_ref().context("train.adapt needs train.init")?;
            Adapting::begin(adapt, init, objective.params_mut(), last_step, seed)
        });
        let adapting = adapting.transpose()?;
        // What the first process begins with, all begin with.
        world.first_does(|| {
            let starts = !(run.is_resumed() && run_dir::last_checkpoint(run.path()).exists());
            let imported =
                if starts && run.is_resumed() { imported::weights(run.path())? } else { None };
            let is_fresh = starts && imported.is_none();
            if let Some(checkpoint) = imported {
                checkpoint.restore_model(objective.params(), &config_toml)?;
                let run = run.path().display();
                note(format_args!("{run} has weights alone: trained from them on"));
            } else if starts
                && adapting.is_none()
                && let Some(init) = &config.init
            {
                note(init.load_into(objective.params())?);
            }
            if is_fresh && let Some(val) = &splits.val {
                let head = config.adapt.as_ref().is_some_and(Adapt::begins_with_head);
                let (train, batch_size) = (&*splits.train, config.eval_batch_size());
                objective.solve(train, &**val, head, batch_size, progress)?;
            }
            Ok(())
        })?;
        together::share(&world, objective.params())?;
        let mut optimizer =
            Optimizer::with_groups(objective.params(), config.optimizer.clone(), &config.groups)?;
        let mut ema = config.ema.map(|decay| Ema::new(objective.params(), decay)).transpose()?;

        let schedule = ScheduleState::new(config.schedule.clone(), last_step, steps_per_epoch)?;
        let mut state = TrainState::new(batches_per_epoch, schedule);
        let mut meters = Meters::default();
        let mut saved = None;
        let mut changes = Vec::new();
        if run.is_resumed()
            && let Some(resumed) = save::Resumed::load(
                (&run, &world),
                &config_toml,
                &mut objective,
                &mut optimizer,
                ema.as_mut(),
                &state,
                config.accumulate,
            )?
        {
            (state, meters, changes) = (resumed.state, resumed.meters, resumed.changes);
            saved = Some((state.step, Instant::now()));
        }
        if let Some(adapting) = &adapting {
            adapting.fold()?;
        }
        run.write_config(&config_toml)?;
        let device = objective.params().device();
        let mut report = Report::silent(run.path(), device, last_step);
        world.first_does(|| {
            // A run is worth more than its log.
            if let Err(error) = log_to(&run.path().join("train.log")) {
                note(format_args!("warning: there is no log: {}", describe(&error)));
            }
            report = Report::new(run.path(), device, &state, last_step, progress)?;
            let session =
                Session::begin(device, world.processes(), data, changes.clone(), state.step);
            Record::begin(run.path(), session);
            Ok(())
        })?;
        // Gradients of several batches are added up, and what is adapted may change from step to step,
        // which a recording does not see; nor does it see what other processes say.
        let is_recorded =
            config.cuda_graph && config.accumulate == 1 && adapting.is_none() && world.is_alone();
        let recordings = Recordings::new(is_recorded && device.is_cuda());
        let buckets =
            if adapting.is_none() { together::buckets(&world, objective.params())? } else { None };
        Ok(Self {
            world,
            buckets,
            clock: Clock::after(state.seconds),
            config,
            objective,
            splits,
            run,
            config_toml,
            changes,
            optimizer,
            adapting,
            ema,
            // Read when the trainer says so: at reports and before saving.
            guard: Guard::new(usize::MAX)?,
            recordings,
            sampler,
            steps_per_epoch,
            last_step,
            state,
            meters,
            report,
            val: None,
            saved,
        })
    }

    /// Trains to the end or until the user interrupts.
    ///
    /// # Errors
    /// If training diverges, data cannot be read, or a checkpoint cannot be written; the previous
    /// checkpoint is intact then.
    pub fn run(&mut self) -> Result<Outcome> {
        let outcome = self.train();
        self.report.finish();
        let words = match &outcome {
            Ok(Outcome::Finished(_)) => "finished".to_owned(),
            Ok(Outcome::Interrupted { .. }) => "interrupted".to_owned(),
            Err(error) => describe(error),
        };
        if self.world.is_first() {
            Record::end(self.run.path(), self.state.step, &words);
        }
        outcome
    }

    /// The model.
    pub fn objective(&self) -> &O {
        &self.objective
    }

    fn train(&mut self) -> Result<Outcome> {
        if let Some(summary) = self.finished_before()? {
            self.report.line(&format!(
                "{} is finished, after step {}: nothing to do. More --epochs or --max-steps go on",
                self.run.path().display(),
                self.state.step
            ));
            return Ok(Outcome::Finished(Box::new(summary)));
        }
        self.introduce()?;
        let mut batches = self.batches()?;
        loop {
            let failure = self.wait_for_data(&mut batches);
            let evaluate = self.evaluation_is_due();
            // All processes do the same at the same step.
            let asked = [interrupt::requested(), self.is_time_to_save(), failure.is_some()];
            let [interrupted, is_time, failed] = self.world.any(asked)?;
            if evaluate || interrupted || self.checkpoint_is_due(is_time) {
                self.clock.stop();
                // Neither a best nor a last checkpoint is made of NaN.
                if let Some(divergence) = self.guard.read(self.objective.params())? {
                    self.roll_back(divergence)?;
                    batches = self.batches()?;
                    continue;
                }
            }
            if interrupted {
                return self.interrupted();
            }
            if failed && let Some(error) = self.world.failure(failure)? {
                self.clock.stop();
                let error = self.out_of_memory(error);
                return self.saved(&error);
            }
            if evaluate {
                match self.evaluate_val() {
                    Ok(true) => {}
                    Ok(false) => return self.interrupted(),
                    // Before it has changed the run's state.
                    Err(error) if self.evaluation_is_due() => return self.saved(&error),
                    Err(error) => return Err(error),
                }
            }
            if self.checkpoint_is_due(is_time) {
                self.save_last()?;
            }
            if self.is_at_end() {
                return self.test();
            }
            self.clock.start();
            if let Some(divergence) = self.train_step(&mut batches)? {
                self.roll_back(divergence)?;
                batches = self.batches()?;
            }
        }
    }

    /// Waits for the data of the next step, if there is to be one; why it cannot be had.
    fn wait_for_data(&mut self, batches: &mut Feed<O>) -> Option<Error> {
        if self.is_at_end() {
            return None;
        }
        if self.saved.is_some() {
            self.clock.start();
        }
        batches.wait_for(self.config.accumulate).err()
    }

    /// What came of the run, if it was at its end before and nothing was changed since.
    fn finished_before(&self) -> Result<Option<Summary>> {
        if !self.run.is_resumed() || !self.is_at_end() || !self.changes.is_empty() {
            return Ok(None);
        }
        let read = || Ok(serde_json::to_vec(&Summary::read(self.run.path())?)?);
        let summary: Option<Summary> = serde_json::from_slice(&self.world.from_first(read)?)?;
        Ok(summary.filter(|summary| summary.finished && summary.step == self.state.step))
    }

    fn introduce(&mut self) -> Result<()> {
        let params = self.objective.params();
        let parameters = params.num_parameters();
        if let Some(line) = self.config.precision.prepare(params.device())? {
            self.report.line(line);
        }
        if let Some(mismatch) = self.config.schedule.mismatch(self.last_step, self.steps_per_epoch)
        {
            self.report.line(&format!("warning: {mismatch}"));
        }
        self.report.line(&format!("{}", self.optimizer));
        if let Some(line) = together::describe(&self.world, &self.config) {
            self.report.line(&line);
        }
        self.report.line(&format!(
            "{parameters} parameters, {} training samples, {} steps an epoch, {} in all; run {}",
            self.splits.train.len(),
            self.steps_per_epoch,
            self.last_step,
            self.run.path().display()
        ));
        let step = self.state.step;
        if step == 0 || !self.changes.is_empty() {
            let best = self.config.best().metric;
            self.report.configuration(step, &self.config_toml, &self.changes, parameters, &best);
        }
        if step > 0 {
            self.report.line(&format!("resumed after step {step}"));
        }
        Ok(())
    }

    /// Batches from the current position on.
    fn batches(&self) -> Result<Feed<O>> {
        let sampler = self.sampler.clone();
        let data = together::part(&self.world, self.splits.train.clone());
        let from = self.state.batches;
        Ok(Feed::new(Prefetch::new(data, sampler, from, self.config.workers)?))
    }

    fn interrupted(&mut self) -> Result<Outcome> {
        self.save_last()?;
        Ok(self.outcome_interrupted())
    }

    /// Ends a run that cannot go on between two steps: saves it, and says how to go on.
    fn saved(&mut self, error: &Error) -> Result<Outcome> {
        if interrupt::requested() {
            return self.interrupted();
        }
        if let Some(divergence) = self.guard.read(self.objective.params())? {
            return Err(divergence.into());
        }
        self.save_last().with_context(|| describe(error))?;
        Err(self.to_be_resumed(error))
    }

    /// `error`, which ended a run that is saved, and how to go on.
    fn to_be_resumed(&self, error: &Error) -> Error {
        anyhow!(
            "{}. Step {} is saved: once that is mended, go on with --resume {}",
            describe(error),
            self.state.step,
            pasted(self.run.path())
        )
    }

    fn outcome_interrupted(&self) -> Outcome {
        Outcome::Interrupted { step: self.state.step, run: self.run.path().to_owned() }
    }

    /// Goes back to the last checkpoint with a lower learning rate, or gives up.
    fn roll_back(&mut self, divergence: Divergence) -> Result<()> {
        let rollbacks = self.state.rollbacks;
        let Decision::RollBack { lr_scale } = self.config.on_divergence.decide(rollbacks) else {
            return Err(divergence.into());
        };
        self.report.line(&format!("{divergence}"));
        self.load_last()?;
        self.state.rollbacks = rollbacks + 1;
        self.guard.reset();
        self.report.rolled_back(self.state.step + 1);
        self.report.line(&format!(
            "back at step {} with {lr_scale} of the learning rate",
            self.state.step
        ));
        Ok(())
    }
}

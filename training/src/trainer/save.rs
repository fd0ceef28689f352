//! Saving a run's state and getting it back.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use distributed::World;
use loader::part::rows;
use s4_core::state_dict::StateDict;

use super::Trainer;
use crate::adapt::Adapting;
use crate::checkpoint::{Checkpoint, Meta, TrainState};
use crate::ema::Ema;
use crate::meters::Meters;
use crate::objective::Objective;
use crate::optim::Optimizer;
use crate::run_dir::{self, RunDir};
use crate::schedule::ScheduleState;
use program::config;
use program::files;
use program::output::note;
use program::seed;

/// What a resumed run starts from, apart from the tensors of model and optimiser.
pub(super) struct Resumed {
    pub(super) state: TrainState,
    pub(super) meters: Meters,
    /// Settings that are not as they were in the checkpoint.
    pub(super) changes: Vec<String>,
}

impl Resumed {
    /// Loads the last checkpoint of `run`; `fresh` is the state of a new run under the current
    /// configuration. All processes load it together. `None` if the run was killed before its first checkpoint.
    pub(super) fn load<O: Objective>(
        (run, world): (&RunDir, &World),
        config_toml: &str,
        objective: &mut O,
        optimizer: &mut Optimizer,
        ema: Option<&mut Ema>,
        fresh: &TrainState,
        accumulate: usize,
    ) -> Result<Option<Self>> {
        let path = run_dir::last_checkpoint(run.path());
        if world.from_first(|| Ok(vec![u8::from(path.exists())]))? == [0] {
            note(format_args!(
                "{} has no checkpoint yet: starting from step 0",
                run.path().display()
            ));
            return Ok(None);
        }
        let checkpoint = Checkpoint::load_among(&path, world)?;
        let changes = differences(&checkpoint.meta.config, config_toml);
        for change in &changes {
            note(format_args!("changed since the checkpoint: {change}"));
        }
        if checkpoint.meta.seed_scheme != seed::SCHEME {
            note(format_args!(
                "warning: the checkpoint is of a version that drew random numbers in another way \
                 ({}); the run goes on, but does not repeat what it would have been",
                checkpoint.meta.seed_scheme
            ));
        }
        if ema.is_some() && checkpoint.ema.is_none() {
            note("the checkpoint has no averaged weights: the average starts from its weights");
        }
        let meters = restore(&checkpoint, objective, optimizer, ema, config_toml, world)
            .with_context(|| format!("cannot resume from {}", path.display()))?;
        let mut state = checkpoint.meta.state;
        state.schedule = ScheduleState::resume(&state.schedule, &fresh.schedule);
        if state.batches_per_epoch != fresh.batches_per_epoch {
            state.batches = rescale(&state, fresh.batches_per_epoch, accumulate as u64);
            state.batches_per_epoch = fresh.batches_per_epoch;
            objective.carry(StateDict::new())?;
            note(format_args!(
                "warning: data or batch size changed; the run goes on from the same share of the \
                 epoch, but does not repeat what it would have been"
            ));
        }
        Ok(Some(Self { state, meters, changes }))
    }
}

/// The batch number at the same share of an epoch of another length, at the start of a step.
fn rescale(state: &TrainState, batches_per_epoch: u64, accumulate: u64) -> u64 {
    let epoch = state.batches / state.batches_per_epoch;
    let within = state.batches % state.batches_per_epoch;
    let within = within * batches_per_epoch / state.batches_per_epoch;
    epoch * batches_per_epoch + within / accumulate * accumulate
}

fn differences(saved: &str, now: &str) -> Vec<String> {
    let show = |value: Option<String>| value.unwrap_or_else(|| "unset".to_owned());
    let all = config::differences(saved, now).into_iter();
    all.map(|(key, old, new)| format!("{key}: {} -> {}", show(old), show(new))).collect()
}

fn restore<O: Objective>(
    checkpoint: &Checkpoint,
    objective: &mut O,
    optimizer: &mut Optimizer,
    ema: Option<&mut Ema>,
    config_toml: &str,
    world: &World,
) -> Result<Meters> {
    checkpoint.restore_model(objective.params(), config_toml)?;
    optimizer.load_state_dict(&checkpoint.optimizer)?;
    match (ema, &checkpoint.ema) {
        (Some(ema), Some(saved)) => ema.load_state_dict(saved, objective.params())?,
        (Some(ema), None) => ema.restart()?,
        (None, _) => {}
    }
    let device = objective.params().device();
    objective.carry(own_rows(&checkpoint.carried, world)?.to_device(device))?;
    // They are the sums of all processes, and are summed again.
    if !world.is_first() {
        return Ok(Meters::default());
    }
    Meters::from_state_dict(&checkpoint.meters, device)
}

/// Of what is carried along the rows of a batch, those of this process.
fn own_rows(carried: &StateDict, world: &World) -> Result<StateDict> {
    let own = carried.iter().map(|(name, tensor)| {
        let rows = rows(tensor.size()[0] as usize, world.rank(), world.size());
        Ok((name.to_owned(), tensor.f_narrow(0, rows.start as i64, rows.len() as i64)?))
    });
    own.collect()
}

/// What all processes carry along their rows.
fn all_rows(carried: &StateDict, world: &World) -> Result<StateDict> {
    carried.iter().map(|(name, own)| Ok((name.to_owned(), world.gather_rows(own)?))).collect()
}

impl<O: Objective> Trainer<O> {
    /// Whether the last checkpoint is a while ago.
    pub(super) fn is_time_to_save(&self) -> bool {
        let most = self.config.checkpoint_seconds;
        let since = self.saved.map(|(_, when)| when.elapsed().as_secs_f64());
        most.zip(since).is_some_and(|(most, since)| since >= most)
    }

    /// Whether a checkpoint is due, if it `is_time` for one.
    pub(super) fn checkpoint_is_due(&self, is_time: bool) -> bool {
        let step = self.state.step;
        // The first one is made before the first step, so that there is always one to go back to.
        let Some((saved_at, _)) = self.saved else { return true };
        saved_at != step
            && (self.config.checkpoint_every.is_due(step, self.steps_per_epoch)
                || self.is_at_end()
                || is_time)
    }

    pub(super) fn save_last(&mut self) -> Result<()> {
        let params = self.objective.params();
        let ema = self.ema.as_ref().map(|ema| ema.state_dict(params)).transpose()?;
        self.write(&run_dir::last_checkpoint(self.run.path()), ema)?;
        self.saved = Some((self.state.step, Instant::now()));
        Ok(())
    }

    /// Saves the weights that were just evaluated.
    pub(super) fn save_best(&mut self) -> Result<()> {
        self.write(&run_dir::best_checkpoint(self.run.path()), None)
    }

    /// Saves the weights that were just evaluated as some of the best, and removes those that are no longer.
    pub(super) fn save_kept(&mut self) -> Result<()> {
        let run = self.run.path().to_owned();
        self.write(&run_dir::kept_checkpoint(&run, self.state.step), None)?;
        let kept = &self.state.kept;
        let kept: Vec<_> =
            kept.iter().map(|&(_, step)| run_dir::kept_checkpoint(&run, step)).collect();
        self.world.first_does(|| {
            let all = run_dir::kept_checkpoints(&run);
            all.iter().filter(|path| !kept.contains(path)).try_for_each(|path| files::remove(path))
        })
    }

    fn write(&mut self, path: &Path, ema: Option<StateDict>) -> Result<()> {
        self.state.seconds = self.clock.total();
        self.meters.collect(&self.world)?;
        let carried = all_rows(&self.objective.carried(), &self.world)?;
        let checkpoint = Checkpoint {
            meta: Meta::new(self.state.clone(), self.config.seed, self.config_toml.clone()),
            model: self.objective.params().state_dict(),
            ema,
            optimizer: self.optimizer.state_dict(),
            meters: self.meters.state_dict(),
            carried,
        };
        self.world.first_does(|| {
            self.run.check()?;
            files::write(path, &checkpoint.to_bytes()?).with_context(|| {
                format!("step {} cannot be saved; older checkpoints are intact", self.state.step)
            })
        })
    }

    /// Puts everything back to the last checkpoint.
    pub(super) fn load_last(&mut self) -> Result<()> {
        let path = run_dir::last_checkpoint(self.run.path());
        let checkpoint = Checkpoint::load_among(&path, &self.world)?;
        self.meters = restore(
            &checkpoint,
            &mut self.objective,
            &mut self.optimizer,
            self.ema.as_mut(),
            &self.config_toml,
            &self.world,
        )?;
        self.state = checkpoint.meta.state;
        self.adapting.as_ref().map_or(Ok(()), Adapting::fold)
    }

    /// Gives the model the best weights; without an evaluation, the last ones or their average.
    pub(super) fn load_best(&self) -> Result<()> {
        if self.state.best.is_none() {
            self.ema.as_ref().map_or(Ok(()), Ema::copy_to_model)?;
            return self.adapting.as_ref().map_or(Ok(()), Adapting::fold);
        }
        let path = run_dir::best_checkpoint(self.run.path());
        let checkpoint = Checkpoint::load_among(&path, &self.world)?;
        checkpoint.restore_model(self.objective.params(), &self.config_toml)?;
        self.adapting.as_ref().map_or(Ok(()), Adapting::fold)
    }
}

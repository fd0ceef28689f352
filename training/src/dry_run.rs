//! `train --dry-run` and `--profile`: what a run would be, and what it would take, from a few steps that
//! are thrown away.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::HumanDuration;
use loader::{Dataset, sampler};
use program::output::{note, say_all};
use program::panics;
use s4_core::dispatched::{self, Cost};
use tch::Device;

use crate::memory;
use crate::objective::Objective;
use crate::optim::Optimizer;
use crate::train_config::TrainConfig;
use crate::trainer::Splits;

/// Steps that are timed, after one that is not.
const STEPS: u64 = 3;

/// Operations that a profile names.
const NAMED: usize = 20;

/// Makes a few steps of the run that `config` describes, and tells its size, length, time and memory;
/// with `profile`, prints what takes the time too. The model is of no use afterwards.
///
/// # Errors
/// If the run could not begin: a setting is out of range, there is too little data, or no memory.
pub fn dry_run<O: Objective>(
    config: &TrainConfig,
    objective: &mut O,
    splits: &Splits<O::Batch>,
    profile: bool,
) -> Result<()> {
    config.validate()?;
    let TrainConfig { batch_size, accumulate, seed, .. } = *config;
    let device = objective.params().device();
    if let Some(line) = config.precision.prepare(device)? {
        note(line);
    }
    let sampler = sampler::for_training(&*splits.train, batch_size, accumulate, seed)?;
    let steps_per_epoch = sampler.batches_per_epoch() / accumulate as u64;
    let last_step = config.last_step(steps_per_epoch);
    if let Some(mismatch) = config.schedule.mismatch(last_step, steps_per_epoch) {
        note(format_args!("warning: {mismatch}"));
    }
    if let Some(init) = &config.init {
        note(init.load_into(objective.params())?);
    }
    let mut optimizer =
        Optimizer::with_groups(objective.params(), config.optimizer.clone(), &config.groups)?;
    note(&optimizer);
    let mut step = |number: u64| -> Result<()> {
        objective.params().zero_grad();
        for number in number * accumulate as u64..(number + 1) * accumulate as u64 {
            let indices = sampler.batch(number).context("the training data ended")?;
            let batch = objective.upload(&splits.train.batch(&indices)?)?;
            let output = panics::as_errors("the model", || {
                objective.train_step(&batch, &|loss| Ok(loss.f_backward()?))
            })?;
            f64::try_from(&output.loss)?; // Waits for the device.
        }
        optimizer.step(0.0)
    };
    step(0)?;
    let begin = Instant::now();
    (1..=STEPS).try_for_each(&mut step)?;
    let seconds = begin.elapsed().as_secs_f64() / STEPS as f64;
    if profile {
        say_all(self::profile(device, || (1..=STEPS).try_for_each(&mut step))?)?;
    }
    let [val, test] = [&splits.val, &splits.test].map(|x| x.as_deref().map_or(0, Dataset::len));
    note(format_args!(
        "{} parameters; {} samples to train on, {val} to validate, {test} to test",
        objective.params().num_parameters(),
        splits.train.len()
    ));
    let whole = Duration::try_from_secs_f64(seconds * last_step as f64).unwrap_or(Duration::MAX);
    note(format_args!(
        "{steps_per_epoch} steps an epoch, {last_step} in all; {:.1} ms a step over {STEPS} steps with \
         their data: about {}, evaluations not counted",
        1e3 * seconds,
        HumanDuration(whole)
    ));
    if let Some(mib) = memory::peak_mib(device) {
        note(format_args!("{mib:.0} MiB at the peak"));
    }
    note("nothing was trained, and no run was made");
    Ok(())
}

/// A table of the operations that [`STEPS`] steps consist of, the longest first.
fn profile(device: Device, steps: impl FnOnce() -> Result<()>) -> Result<String> {
    let begin = Instant::now();
    let (done, dispatched) = dispatched::time(device, steps)?;
    done?;
    let whole = begin.elapsed().as_secs_f64();
    let all = dispatched.by_time();
    let seconds = |of: &[(&str, Cost)]| of.iter().map(|(_, cost)| cost.seconds).sum::<f64>();
    let (named, others) = all.split_at(NAMED.min(all.len()));
    let mut table = format!("{:>9}  {:>6}  {:>10}  operation\n", "ms a step", "share", "calls");
    let mut line = |seconds: f64, count: Option<u64>, name: &str| {
        let (a_step, share) = (1e3 * seconds / STEPS as f64, 100.0 * seconds / whole);
        let calls = count.map_or_else(String::new, |n| format!("{:.1}", n as f64 / STEPS as f64));
        table += &format!("{a_step:9.2}  {share:5.1}%  {calls:>10}  {name}\n");
    };
    for (name, cost) in named {
        line(cost.seconds, Some(cost.calls), name);
    }
    if !others.is_empty() {
        let calls = others.iter().map(|(_, cost)| cost.calls).sum();
        line(seconds(others), Some(calls), &format!("{} others", others.len()));
    }
    line((whole - seconds(&all)).max(0.0), None, "between operations: data, and calls of them");
    line(whole, None, "together");
    Ok(table)
}

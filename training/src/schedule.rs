//! Learning rate schedules: a factor, by which every group's base rate is multiplied.
//!
//! Factors for update number `t` (from 0), with `w` warm-up and `n` total steps:
//!
//! ```text
//! constant          1
//! constant_warmup   min(1, t/w)
//! linear_warmup     t/w  up to w,  then (n - t)/(n - w)
//! cosine_warmup     t/w  up to w,  then (1 + cos π(t - w)/(n - w)) / 2
//! cosine            f + (1 - f)(1 + cos π k/T) / 2      k steps or epochs, f the final factor
//! plateau           1, times `factor` whenever the metric stops improving
//! ```
//!
//! The first update of a warm-up has factor 0, as in the official code (which uses the schedules of
//! Hugging Face transformers). A schedule without an end of its own (`n`, `T`) ends with the run. Past
//! their end all schedules stay where they ended; PyTorch's cosine would climb again.

use std::f64::consts::PI;

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// What a config file says: `schedule = { name = "cosine_warmup", warmup_steps = 1000 }`. Unknown
/// settings are refused.
// Variants without settings have braces: serde would let a unit variant swallow unknown settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The base rate throughout.
    Constant {},
    /// Linear warm-up, then the base rate.
    ConstantWarmup {
        /// Updates until the base rate is reached, at least 1.
        warmup_steps: u64,
    },
    /// Linear warm-up, then linearly down to 0.
    LinearWarmup {
        /// Updates until the base rate is reached; 0 for no warm-up.
        warmup_steps: u64,
        /// Updates until 0 is reached, above `warmup_steps`; those of the run where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_steps: Option<u64>,
    },
    /// Linear warm-up, then half a cosine down to 0: most of the S4 papers' runs.
    CosineWarmup {
        /// Updates until the base rate is reached; 0 for no warm-up.
        warmup_steps: u64,
        /// Updates until 0 is reached, above `warmup_steps`; those of the run where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_steps: Option<u64>,
    },
    /// Half a cosine without warm-up: PyTorch's `CosineAnnealingLR`, counted in epochs by the
    /// official `example.py`.
    Cosine {
        /// Length in `per` (PyTorch's `T_max`), at least 1; that of the run where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// What `total` counts, and how often the rate changes.
        #[serde(default)]
        per: Period,
        /// Factor at the end, in [0, 1].
        #[serde(default)]
        final_factor: f64,
    },
    /// Lower the rate when a metric stops improving: PyTorch's `ReduceLROnPlateau`.
    Plateau(PlateauConfig),
}

/// A unit of training time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One pass over the training data.
    #[default]
    Epoch,
    /// One optimiser update.
    Step,
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Lower is better: a loss.
    #[default]
    Min,
    /// Higher is better: an accuracy.
    Max,
}

/// Whether a threshold is a share of the best value or an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMode {
    /// Better by `threshold * best`.
    #[default]
    Rel,
    /// Better by `threshold`.
    Abs,
}

/// Settings of [`Schedule::Plateau`], with PyTorch's defaults.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlateauConfig {
    /// What a reduction multiplies the rate by, in (0, 1).
    #[default(0.1)]
    pub factor: f64,
    /// Observations without improvement that are put up with; the next one reduces.
    #[default(10)]
    pub patience: u64,
    /// Which way the metric improves.
    pub mode: Goal,
    /// How much better counts as better, at least 0.
    #[default(1e-4)]
    pub threshold: f64,
    /// What the threshold means.
    pub threshold_mode: ThresholdMode,
    /// Observations after a reduction that are not counted against it.
    pub cooldown: u64,
    /// The factor never falls below this, in [0, 1].
    pub min_factor: f64,
}

impl Schedule {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range, and the range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Schedule::Constant {} => {}
            Schedule::ConstantWarmup { warmup_steps } => {
                ensure!(*warmup_steps > 0, "schedule.warmup_steps is 0; it must be at least 1");
            }
            Schedule::LinearWarmup { warmup_steps, total_steps }
            | Schedule::CosineWarmup { warmup_steps, total_steps } => {
                let total = total_steps.unwrap_or(u64::MAX);
                ensure!(
                    total > *warmup_steps,
                    "schedule.total_steps is {total}; it must be above warmup_steps ({warmup_steps})"
                );
            }
            Schedule::Cosine { total, final_factor, .. } => {
                ensure!(*total != Some(0), "schedule.total is 0; it must be at least 1");
                ensure!(
                    (0.0..=1.0).contains(final_factor),
                    "schedule.final_factor is {final_factor}; it must be in [0, 1]"
                );
            }
            Schedule::Plateau(config) => {
                let PlateauConfig { factor, threshold, min_factor, .. } = config;
                ensure!(
                    *factor > 0.0 && *factor < 1.0,
                    "schedule.factor is {factor}; it must be above 0 and below 1"
                );
                ensure!(
                    threshold.is_finite() && *threshold >= 0.0,
                    "schedule.threshold is {threshold}; it must be at least 0"
                );
                ensure!(
                    (0.0..=1.0).contains(min_factor),
                    "schedule.min_factor is {min_factor}; it must be in [0, 1]"
                );
            }
        }
        Ok(())
    }

    /// The same with an end: where it has none of its own, that of a run of `last_step` updates.
    fn ending(mut self, last_step: u64, steps_per_epoch: u64) -> Self {
        match &mut self {
            Schedule::LinearWarmup { total_steps, .. }
            | Schedule::CosineWarmup { total_steps, .. } => {
                total_steps.get_or_insert(last_step);
            }
            Schedule::Cosine { total, per, .. } => {
                total.get_or_insert(per.of(last_step, steps_per_epoch));
            }
            Schedule::Constant {} | Schedule::ConstantWarmup { .. } | Schedule::Plateau(_) => {}
        }
        self
    }

    /// What a run of `last_step` updates would hardly want of this schedule: a warm-up that lasts as
    /// long as the run, an end long before that of the run, or one that the run does not come to.
    pub fn mismatch(&self, last_step: u64, steps_per_epoch: u64) -> Option<String> {
        let (warmup, end) = match *self {
            Schedule::Constant {} | Schedule::Plateau(_) => return None,
            Schedule::ConstantWarmup { warmup_steps } => (warmup_steps, None),
            Schedule::LinearWarmup { warmup_steps, total_steps }
            | Schedule::CosineWarmup { warmup_steps, total_steps } => (warmup_steps, total_steps),
            Schedule::Cosine { total, per, .. } => {
                let steps = |total: u64| match per {
                    Period::Step => total,
                    Period::Epoch => total.saturating_mul(steps_per_epoch),
                };
                (0, total.map(steps))
            }
        };
        if warmup >= last_step && warmup > 0 {
            return Some(format!(
                "the learning rate warms up for {warmup} steps, but the run has {last_step} \
                 (train.schedule.warmup_steps)"
            ));
        }
        let end = end?;
        // A hundredth at the end, or a tenth of the way down, is hardly seen.
        if end < last_step - last_step / 100 {
            return Some(format!(
                "the schedule ends at step {end}, the run at step {last_step}: what comes between is \
                 trained at the schedule's last rate (leave the schedule's end out to end it with the \
                 run)"
            ));
        }
        (end > last_step.saturating_add(last_step / 10)).then(|| {
            format!(
                "the run ends at step {last_step}, the schedule at step {end}: the learning rate does \
                 not come down to its end (leave the schedule's end out to end it with the run)"
            )
        })
    }
}

impl Period {
    /// How many of these a run of `steps` updates has begun.
    fn of(self, steps: u64, steps_per_epoch: u64) -> u64 {
        match self {
            Period::Step => steps,
            Period::Epoch => steps.div_ceil(steps_per_epoch),
        }
        .max(1)
    }
}

/// A schedule in progress. It is saved with a checkpoint: a plateau remembers what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    schedule: Schedule,
    steps_per_epoch: u64,
    plateau: Plateau,
}

/// What a plateau schedule remembers.
#[derive(Debug, Clone, Copy, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plateau {
    /// The product of all reductions.
    #[default(1.0)]
    factor: f64,
    /// The best value so far, none before the first (JSON has no infinity).
    best: Option<f64>,
    /// Observations since then.
    bad: u64,
    /// Observations of the cooldown that are left.
    cooldown_left: u64,
}

impl ScheduleState {
    /// The schedule at its beginning, for a run of `last_step` optimiser updates, `steps_per_epoch`
    /// (at least 1) of them in one pass over the training data.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(schedule: Schedule, last_step: u64, steps_per_epoch: u64) -> Result<Self> {
        schedule.validate()?;
        ensure!(steps_per_epoch > 0, "an epoch has no optimiser step: too few training examples?");
        let schedule = schedule.ending(last_step, steps_per_epoch);
        Ok(Self { schedule, steps_per_epoch, plateau: Plateau::default() })
    }

    /// A saved state under the settings of the resumed run, as in `fresh`, which may have been changed
    /// on purpose (more steps, a smaller batch): they win, and what a plateau saw is kept.
    pub fn resume(saved: &Self, fresh: &Self) -> Self {
        let mut state = fresh.clone();
        if let (Schedule::Plateau(_), Schedule::Plateau(_)) = (&saved.schedule, &state.schedule) {
            state.plateau = saved.plateau;
        }
        state
    }

    /// The schedule it follows.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The factor for update number `step`, counted from 0: in [0, 1].
    pub fn factor(&self, step: u64) -> f64 {
        match self.schedule {
            Schedule::Constant {} => 1.0,
            Schedule::ConstantWarmup { warmup_steps } => warmup(step, warmup_steps).unwrap_or(1.0),
            Schedule::LinearWarmup { warmup_steps, total_steps } => warmup(step, warmup_steps)
                .unwrap_or_else(|| 1.0 - progress(step, warmup_steps, total_steps)),
            Schedule::CosineWarmup { warmup_steps, total_steps } => warmup(step, warmup_steps)
                .unwrap_or_else(|| half_cosine(progress(step, warmup_steps, total_steps))),
            Schedule::Cosine { total, per, final_factor } => {
                let now = match per {
                    Period::Step => step,
                    Period::Epoch => step / self.steps_per_epoch,
                };
                final_factor + (1.0 - final_factor) * half_cosine(progress(now, 0, total))
            }
            Schedule::Plateau(_) => self.plateau.factor,
        }
    }

    /// Shows a plateau schedule the value of its metric, once for each validation; other schedules
    /// ignore it. Returns the new factor where the rate was lowered. A NaN is no improvement.
    pub fn observe(&mut self, metric: f64) -> Option<f64> {
        let Schedule::Plateau(config) = &self.schedule else {
            return None;
        };
        let memory = &mut self.plateau;
        if is_better(metric, memory.best, config) {
            memory.best = Some(metric);
            memory.bad = 0;
        } else {
            memory.bad += 1;
        }
        if memory.cooldown_left > 0 {
            memory.cooldown_left -= 1;
            memory.bad = 0;
        }
        if memory.bad <= config.patience {
            return None;
        }
        memory.bad = 0;
        memory.cooldown_left = config.cooldown;
        let lowered = (memory.factor * config.factor).max(config.min_factor);
        let changed = lowered < memory.factor;
        memory.factor = memory.factor.min(lowered);
        changed.then_some(memory.factor)
    }
}

/// The factor within a warm-up, none after it.
fn warmup(step: u64, warmup_steps: u64) -> Option<f64> {
    (step < warmup_steps).then(|| step as f64 / warmup_steps as f64)
}

/// How far `now` is from `start` to `end`, in [0, 1].
fn progress(now: u64, start: u64, end: Option<u64>) -> f64 {
    let length = end.unwrap_or(u64::MAX).saturating_sub(start).max(1);
    (now.saturating_sub(start) as f64 / length as f64).min(1.0)
}

fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (PI * progress).cos())
}

fn is_better(metric: f64, best: Option<f64>, config: &PlateauConfig) -> bool {
    let Some(best) = best else {
        return metric.is_finite();
    };
    let margin = match config.threshold_mode {
        ThresholdMode::Rel => best * config.threshold,
        ThresholdMode::Abs => config.threshold,
    };
    match config.mode {
        Goal::Min => metric < best - margin,
        Goal::Max => metric > best + margin,
    }
}

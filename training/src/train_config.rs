//! The `[train]` section of a config file.

use anyhow::{Context, Result, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use crate::adapt::Adapt;
use crate::guard::OnDivergence;
use crate::init::InitConfig;
use crate::optim::{GroupConfig, OptimizerConfig};
use crate::precision::Precision;
use crate::schedule::{Goal, Schedule};

/// How a model is trained. Settings that are left out have the defaults of
/// [`TrainConfig::default`]; unknown ones are refused.
///
/// A step is one update of the optimiser, from `accumulate` batches.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training split. Of `epochs` and `steps` at least one is given; training
    /// ends at what comes first.
    pub epochs: Option<u64>,
    /// Optimiser steps.
    pub steps: Option<u64>,
    /// Samples in a batch. Samples at the end of an epoch that do not fill a step are left out.
    #[default(32)]
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step: a batch that does not fit into memory
    /// can be split (batch norm then sees the parts).
    #[default(1)]
    pub accumulate: usize,
    /// Samples in an evaluation batch; `batch_size` where it is missing.
    pub eval_batch_size: Option<usize>,
    /// Parts that every batch is divided into and calculated by, one after the other, whatever the
    /// number of processes, which divides it: 1, 2 and 4 processes then come to the same bits with 4.
    /// On a CPU alone, and slowly: to prove it. Where it is missing, each process has one part.
    pub shards: Option<usize>,
    /// `float32`, `tf32` or `bf16`: what matrix products are computed in; the latter two are for
    /// GPUs. `float64`, on a CPU: everything in float64.
    pub precision: Precision,
    /// On a GPU, whether steps are recorded as a CUDA graph and launched as a whole, where their work
    /// is the same from step to step and there is memory for it (twice that of a step).
    #[default(true)]
    pub cuda_graph: bool,
    /// Order of the data, dropout and initial values follow from it.
    pub seed: u64,
    /// Threads that build batches ahead; 0 builds them in the training thread.
    #[default(2)]
    pub workers: usize,
    /// Steps between two readings of the loss. Each waits for the device once, and looks for
    /// divergence.
    #[default(50)]
    pub log_every: u64,
    /// When to evaluate: a number of steps, or "epoch".
    #[default(Every::Epoch)]
    pub eval_every: Every,
    /// When to save: a number of steps, or "epoch".
    #[default(Every::Epoch)]
    pub checkpoint_every: Every,
    /// Also save when this many seconds have passed since the last time; never where it is
    /// missing.
    #[default(Some(600.0))]
    pub checkpoint_seconds: Option<f64>,
    /// Decay of the weights' exponential moving average, above 0 and below 1 (0.999). Evaluations
    /// and the best checkpoint use the average; training does not. No average where it is missing.
    pub ema: Option<f64>,
    /// Stop after this many evaluations without a new best; never where it is missing.
    pub patience: Option<u64>,
    /// What makes a checkpoint the best; what the program says, or else the lowest loss, where it is
    /// missing.
    pub best: Option<Best>,
    /// Checkpoints that are kept beside the last one: the best, and where this is above 1 so many of
    /// the best, as `checkpoints/step-N.safetensors`.
    #[default(1)]
    pub keep_best: usize,
    /// Initial weights from another run or a file, at the beginning of a run.
    pub init: Option<InitConfig>,
    /// What of a base (`train.init`) is adapted: `full`, `probe` (the head alone), `lp-ft` (the head first,
    /// then everything) or `lp-ft:STEPS`, `lora`, `lora:RANK` or `lora:RANK:ALPHA` (low-rank changes of
    /// linear maps), `bias`, or `groups:` with some of `dt`, `A`, `B`, `C`, `D`, `norm`. The head is new in
    /// each, and trained.
    #[schemars(with = "Option<String>")]
    pub adapt: Option<Adapt>,
    /// Learning rates and weight decays by name, and what is not trained; of several groups that
    /// match a name the last one counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupConfig>,
    /// What to do when the loss or a gradient is NaN or infinite.
    pub on_divergence: OnDivergence,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course.
    #[default(Schedule::Constant {})]
    pub schedule: Schedule,
}

impl TrainConfig {
    /// What makes a checkpoint the best.
    pub fn best(&self) -> Best {
        self.best.clone().unwrap_or_default()
    }

    /// Checks ranges and contradictions.
    ///
    /// # Errors
    /// Names the setting, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        if self.epochs.is_none() && self.steps.is_none() {
            bail!("neither train.epochs nor train.steps is given; set at least one");
        }
        let counts = [
            ("epochs", self.epochs.unwrap_or(1)),
            ("steps", self.steps.unwrap_or(1)),
            ("batch_size", self.batch_size as u64),
            ("accumulate", self.accumulate as u64),
            ("eval_batch_size", self.eval_batch_size() as u64),
            ("log_every", self.log_every),
            ("keep_best", self.keep_best as u64),
            ("shards", self.shards.unwrap_or(1) as u64),
        ];
        for (name, value) in counts {
            ensure!(value > 0, "train.{name} is 0; it must be at least 1");
        }
        for (name, every) in
            [("eval_every", self.eval_every), ("checkpoint_every", self.checkpoint_every)]
        {
            ensure!(every != Every::Steps(0), "train.{name} is 0; use steps or \"epoch\"");
        }
        if let Some(seconds) = self.checkpoint_seconds {
            ensure!(seconds > 0.0, "train.checkpoint_seconds is {seconds}; it must be above 0");
        }
        if let Some(decay) = self.ema {
            ensure!(
                decay > 0.0 && decay < 1.0,
                "train.ema is {decay}; it must be above 0 and below 1 (leave it out to not average)"
            );
        }
        ensure!(
            i64::try_from(self.seed).is_ok(),
            "train.seed is {}; a config file holds at most {}",
            self.seed,
            i64::MAX
        );
        let best = self.best();
        ensure!(
            best.name().is_some(),
            "train.best.metric is \"{}\"; it must be of the validation split, as val/loss",
            best.metric
        );
        if let Schedule::Plateau(plateau) = &self.schedule {
            ensure!(
                plateau.mode == best.mode,
                "train.schedule.mode and train.best.mode differ, but both are about {}",
                best.metric
            );
        }
        if let Some(adapt) = &self.adapt {
            ensure!(
                self.init.is_some(),
                "train.adapt is \"{adapt}\", but there is nothing to adapt: name a pretrained run with \
                 --init-from (train.init.from)"
            );
        }
        self.optimizer.validate().context("train.optimizer")?;
        self.groups.iter().try_for_each(GroupConfig::validate)?;
        self.schedule.validate().context("train")?;
        self.on_divergence.validate().context("train")
    }

    /// Samples in an evaluation batch.
    pub fn eval_batch_size(&self) -> usize {
        self.eval_batch_size.unwrap_or(self.batch_size)
    }

    /// The step at which training ends.
    pub fn last_step(&self, steps_per_epoch: u64) -> u64 {
        let by_epochs = self.epochs.map(|epochs| epochs.saturating_mul(steps_per_epoch));
        by_epochs.into_iter().chain(self.steps).min().unwrap_or(0)
    }
}

/// How often something happens: `eval_every = 500` or `eval_every = "epoch"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Value", into = "Value")]
#[schemars(extend("type" = ["integer", "string"]))]
pub enum Every {
    /// At the end of each epoch.
    Epoch,
    /// Each time after this many steps.
    Steps(u64),
}

impl Every {
    /// After how many steps it happens each time.
    pub fn steps(self, steps_per_epoch: u64) -> u64 {
        match self {
            Every::Epoch => steps_per_epoch,
            Every::Steps(steps) => steps,
        }
    }

    /// Whether it happens after step `step` (counted from 1).
    pub fn is_due(self, step: u64, steps_per_epoch: u64) -> bool {
        step > 0 && step.is_multiple_of(self.steps(steps_per_epoch))
    }
}

impl TryFrom<Value> for Every {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match (value.as_str(), value.as_u64()) {
            (Some("epoch"), _) => return Ok(Every::Epoch),
            (_, Some(steps)) => return Ok(Every::Steps(steps)),
            _ => {}
        }
        let found = if value.is_string() { "string " } else { "" };
        Err(format!("invalid value: {found}{value}, expected a number of steps or \"epoch\""))
    }
}

impl From<Every> for Value {
    fn from(every: Every) -> Self {
        match every {
            Every::Epoch => "epoch".into(),
            Every::Steps(steps) => steps.into(),
        }
    }
}

/// What makes a checkpoint the best one; a plateau schedule watches it, too.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Best {
    /// A figure of the validation split by its TensorBoard tag.
    #[default("val/loss".to_owned())]
    pub metric: String,
    /// Which way it improves.
    pub mode: Goal,
}

impl Best {
    /// The metric without `val/`.
    pub fn name(&self) -> Option<&str> {
        self.metric.strip_prefix("val/")
    }

    /// Whether `new` beats `old`. What is not finite beats nothing.
    pub fn improves(&self, new: f64, old: Option<f64>) -> bool {
        new.is_finite()
            && match (old, self.mode) {
                (None, _) => true,
                (Some(old), Goal::Max) => new > old,
                (Some(old), Goal::Min) => new < old,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::PlateauConfig;

    #[test]
    fn settings_round_trip_through_toml() {
        let config = TrainConfig { epochs: Some(3), ema: Some(0.999), ..TrainConfig::default() };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config, "{text}");
    }

    impl program::config::Config for TrainConfig {}

    #[test]
    fn a_wrong_override_is_named_with_what_it_may_be() {
        let given = ["eval_every=sometimes".to_owned()];
        let error = program::config::parse::<TrainConfig>("a.toml", "", &given).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--set eval_every=sometimes: `eval_every`: invalid value: string \"sometimes\", \
             expected a number of steps or \"epoch\""
        );
    }

    #[test]
    fn every_is_a_number_or_epoch() {
        let config: TrainConfig =
            toml::from_str("eval_every = 5\ncheckpoint_every = \"epoch\"").unwrap();
        assert_eq!(config.eval_every, Every::Steps(5));
        assert_eq!(config.checkpoint_every, Every::Epoch);
        for wrong in ["-1", "\"step\"", "1.5"] {
            let error = toml::from_str::<TrainConfig>(&format!("eval_every = {wrong}"));
            let message = error.unwrap_err().to_string();
            assert!(message.contains("a number of steps or \"epoch\""), "{message}");
        }
        assert!(Every::Epoch.is_due(20, 10) && !Every::Epoch.is_due(15, 10));
        assert!(Every::Steps(15).is_due(15, 10) && !Every::Steps(15).is_due(0, 10));
    }

    #[test]
    fn training_ends_at_what_comes_first() {
        let mut config = TrainConfig { epochs: Some(3), ..TrainConfig::default() };
        assert_eq!(config.last_step(10), 30);
        config.steps = Some(12);
        assert_eq!(config.last_step(10), 12);
        assert_eq!(config.last_step(2), 6);
    }

    #[test]
    fn contradictions_are_named() {
        let good = TrainConfig { steps: Some(1), ..TrainConfig::default() };
        good.validate().unwrap();
        let wrong = [
            (TrainConfig { steps: None, ..good.clone() }, "epochs"),
            (TrainConfig { batch_size: 0, ..good.clone() }, "train.batch_size"),
            (TrainConfig { shards: Some(0), ..good.clone() }, "train.shards"),
            (TrainConfig { eval_every: Every::Steps(0), ..good.clone() }, "train.eval_every"),
            (TrainConfig { checkpoint_seconds: Some(0.0), ..good.clone() }, "checkpoint_seconds"),
            (TrainConfig { ema: Some(1.0), ..good.clone() }, "train.ema"),
            (TrainConfig { ema: Some(0.0), ..good.clone() }, "train.ema"),
            (TrainConfig { ema: Some(f64::NAN), ..good.clone() }, "train.ema"),
            (TrainConfig { seed: u64::MAX, ..good.clone() }, "train.seed"),
            (
                TrainConfig {
                    best: Some(Best { metric: "accuracy".to_owned(), mode: Goal::Max }),
                    ..good.clone()
                },
                "train.best.metric",
            ),
            (
                TrainConfig {
                    best: Some(Best { metric: "val/accuracy".to_owned(), mode: Goal::Max }),
                    schedule: Schedule::Plateau(PlateauConfig::default()),
                    ..good
                },
                "train.schedule.mode",
            ),
        ];
        for (config, name) in wrong {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn nan_is_never_the_best() {
        let best = Best { metric: "val/accuracy".to_owned(), mode: Goal::Max };
        assert!(!best.improves(f64::NAN, None) && !best.improves(f64::NAN, Some(0.1)));
        assert!(best.improves(0.2, Some(0.1)) && !best.improves(0.1, Some(0.1)));
        let lowest = Best::default();
        assert!(lowest.improves(0.1, Some(0.2)) && !lowest.improves(0.2, Some(0.1)));
    }
}

//! What forecasts are to beat: the last value, the value a season before, and a ridge regression of all
//! steps on the known ones; and what the end of signals is to: their projection. They are scored as models
//! are, by the same code on the same windows.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::Batch;
use datasets::shape::{Past, Quantity, Series};
use datasets::split::Split;
use s4_core::params::ParamStore;
use strum::{Display, EnumIter};
use tch::{Device, Kind, Tensor};
use training::evaluate::{EvalOptions, Evaluated, evaluate_with_progress};
use training::objective::{Objective, Phase, StepOutput};

use super::legs;
use super::ridge::{Ridge, Solved};
use crate::device_batch::DeviceBatch;
use crate::metrics::series::{Scored, score};

/// Windows that are read at a time.
const BATCH: usize = 256;

/// A baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Baseline {
    /// The last known value, repeated.
    Last,
    /// The last known season, repeated: yesterday's hours.
    Season,
    /// A linear map ([`Ridge`]).
    Ridge,
}

/// A baseline of a series, ready to be evaluated.
#[derive(Debug)]
pub struct Naive {
    series: Series,
    how: How,
    /// What was chosen, for a table.
    pub choice: Option<String>,
    store: ParamStore,
}

/// What is said of a window.
#[derive(Debug)]
enum How {
    Last(Past),
    Season(Past),
    /// The map (L + 1, S), the last row that of the constant.
    Ridge(Past, Tensor),
    /// The map (L, S).
    Projection(Tensor),
}

impl Naive {
    /// The baseline of a series, which learns from `train` and chooses by `val` where it does and no
    /// penalty is given.
    ///
    /// # Errors
    /// If the season is longer than what is known, a window cannot be read, or the user interrupts.
    pub fn new(
        baseline: Baseline,
        series: &Series,
        train: &Split,
        val: &Split,
        how: Ridge,
        progress: bool,
    ) -> Result<Self> {
        let past = series.past.context("baselines continue a known series")?;
        let (way, choice) = match baseline {
            Baseline::Last => (How::Last(past), None),
            Baseline::Season => {
                let Past { context, season, .. } = past;
                ensure!(
                    season <= context,
                    "a season has {season} steps, but only {context} are known (data.context)"
                );
                (How::Season(past), Some(format!("{season} steps")))
            }
            Baseline::Ridge => {
                let Solved { map, penalty } = how.solve(series, train, val, progress)?;
                (How::Ridge(past, map.to_kind(Kind::Float)), Some(format!("penalty {penalty}")))
            }
        };
        Ok(Self::by(way, series, choice))
    }

    /// The last steps of the signals of `split`, as their projection on `states` Legendre polynomials.
    ///
    /// # Errors
    /// If a signal cannot be read, or there is no polynomial, or more than samples.
    pub fn projection(series: &Series, split: &Split, states: i64) -> Result<Self> {
        let length = split.batch(&[0])?.length as i64;
        let map = legs::projection(length, states, series.steps as i64)?.to_kind(Kind::Float);
        Ok(Self::by(How::Projection(map), series, Some(format!("{states} states"))))
    }

    fn by(how: How, series: &Series, choice: Option<String>) -> Self {
        let (series, store) = (series.clone(), ParamStore::new(Device::Cpu, Kind::Float));
        Self { series, how, choice, store }
    }

    /// What it comes to on `split`; `None` if the user interrupted.
    ///
    /// # Errors
    /// If a window cannot be read.
    pub fn evaluate(&mut self, split: &Split, progress: bool) -> Result<Option<Evaluated>> {
        let options = EvalOptions { batch_size: BATCH, workers: 1, seed: 0 };
        evaluate_with_progress(self, Arc::new(split.clone()), options, progress)
    }

    /// Forecasts (B, S, T) of windows x (B, L + S, features), or of signals x (B, L, 1) their last steps.
    fn forecast(&self, x: &Tensor) -> Result<Tensor> {
        let steps = self.series.steps as i64;
        let targets = self.series.quantities.len() as i64;
        let known = |past: &Past| {
            let (context, channels) = (past.context as i64, past.channels as i64);
            x.narrow(1, 0, context).narrow(2, channels - targets, targets)
        };
        Ok(match &self.how {
            How::Last(past) => {
                let last = known(past).narrow(1, past.context as i64 - 1, 1);
                last.expand([-1, steps, -1], false)
            }
            How::Season(past) => {
                let (context, season) = (past.context as i64, past.season as i64);
                let times = (steps + season - 1) / season;
                let one = known(past).narrow(1, context - season, season);
                one.repeat([1, times, 1]).narrow(1, 0, steps)
            }
            How::Ridge(past, map) => {
                let (context, known) = (past.context as i64, known(past));
                let last = known.narrow(1, context - 1, 1);
                let moved = (&known - &last).transpose(1, 2); // (B, T, L)
                let (weight, constant) = (map.narrow(0, 0, context), map.narrow(0, context, 1));
                (moved.matmul(&weight) + constant).transpose(1, 2) + last
            }
            How::Projection(map) => {
                // Labels are standardised, signals are not.
                let [Quantity { mean, std, .. }] = self.series.quantities[..] else {
                    bail!("a projection is of one signal");
                };
                let end = x.squeeze_dim(2).matmul(map).unsqueeze(2);
                (end - mean) / std
            }
        })
    }
}

impl Objective for Naive {
    type Batch = Batch;
    type OnDevice = DeviceBatch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, batch: &Batch) -> Result<DeviceBatch> {
        DeviceBatch::upload(batch, &self.series.quantities, Device::Cpu, Kind::Float)
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        ensure!(phase == Phase::Eval, "a baseline is not trained");
        let point = Series { quantiles: Vec::new(), ..self.series.clone() };
        let Scored { loss, metrics, rows } =
            score(&point, &self.forecast(&batch.x)?, &batch.labels)?;
        Ok(StepOutput { loss, metrics, samples: batch.asked, outputs: Some(rows) })
    }
}

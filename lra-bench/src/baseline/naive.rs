//! What forecasts are to beat: the last value, the value a season before, and a ridge regression of all
//! steps on the known ones; and what the end of signals is to: their projection. They are scored as models
//! are, by the same code on the same windows.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::Batch;
use datasets::shape::{Past, Quantity, Series};
use datasets::split::Split;
use program::interrupt;
use program::progress::Progress;
use s4_core::params::ParamStore;
use strum::{Display, EnumIter};
use tch::{Device, Kind, Tensor};
use training::evaluate::{EvalOptions, Evaluated, evaluate_with_progress};
use training::objective::{Objective, Phase, StepOutput};

use super::legs;
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
    /// A linear map and a constant from the known values of a column, each less the last one, to the steps,
    /// each less the last known value: one for all columns, by least squares with a penalty.
    Ridge,
}

/// How ridge regression is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ridge {
    /// On the sum of the map's squares; that which is best on the validation windows where it is missing.
    pub penalty: Option<f64>,
    /// Without a constant: it is the drift of the training rows, which need not go on.
    pub no_constant: bool,
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
    /// penalty is given; `None` if the user interrupted.
    ///
    /// # Errors
    /// If the season is longer than what is known, or a window cannot be read.
    pub fn new(
        baseline: Baseline,
        series: &Series,
        train: &Split,
        val: &Split,
        how: Ridge,
        progress: bool,
    ) -> Result<Option<Self>> {
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
                let Some(mut sums) = Sums::of(series, past, train, progress)? else {
                    return Ok(None);
                };
                if how.no_constant {
                    sums.leave_constant_out();
                }
                let (chosen, penalty) = match how.penalty {
                    Some(penalty) => (sums.solve(penalty)?, penalty),
                    None => {
                        let Some(judge) = Sums::of(series, past, val, progress)? else {
                            return Ok(None);
                        };
                        ridge(&sums, &judge)?
                    }
                };
                (How::Ridge(past, chosen.to_kind(Kind::Float)), Some(format!("penalty {penalty}")))
            }
        };
        Ok(Some(Self::by(way, series, choice)))
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

/// What least squares need of windows: of rows z (known values less the last, and 1) and y (steps less
/// the last), Σ zᵀz, Σ zᵀy, Σ y², in float64.
struct Sums {
    zz: Tensor,
    zy: Tensor,
    yy: f64,
    /// Numbers in all y.
    count: f64,
}

impl Sums {
    fn of(series: &Series, past: Past, split: &Split, progress: bool) -> Result<Option<Self>> {
        let (steps, targets) = (series.steps as i64, series.quantities.len() as i64);
        let context = past.context as i64;
        let double = (Kind::Double, Device::Cpu);
        let mut sums = Self {
            zz: Tensor::zeros([context + 1, context + 1], double),
            zy: Tensor::zeros([context + 1, steps], double),
            yy: 0.0,
            count: 0.0,
        };
        let indices: Vec<usize> = (0..split.len()).collect();
        let bar = Progress::new(progress, 0, split.len() as u64);
        for chunk in indices.chunks(BATCH) {
            if interrupt::requested() {
                return Ok(None);
            }
            let (kind, device) = double;
            let batch = split.batch(chunk)?;
            let batch = DeviceBatch::upload(&batch, &series.quantities, device, kind)?;
            let channels = past.channels as i64;
            let known = batch.x.narrow(1, 0, context).narrow(2, channels - targets, targets);
            let last = known.narrow(1, context - 1, 1);
            let truth = batch.labels.view([-1, steps, targets]);
            let rows = |of: &Tensor, width: i64| {
                (of - &last).transpose(1, 2).reshape([-1, width]) // (B·T, width)
            };
            let (z, y) = (rows(&known, context), rows(&truth, steps));
            let z = Tensor::cat(&[&z, &Tensor::ones([z.size()[0], 1], double)], 1);
            sums.zz += z.tr().matmul(&z);
            sums.zy += z.tr().matmul(&y);
            sums.yy += y.square().sum(Kind::Double).double_value(&[]);
            sums.count += y.numel() as f64;
            bar.count(chunk[chunk.len() - 1] as u64 + 1, split.len() as u64, "windows read");
        }
        bar.finish();
        Ok(Some(sums))
    }

    /// As if the constant were no part of z: the map has 0 for it.
    fn leave_constant_out(&mut self) {
        let last = self.zz.size()[0] - 1;
        for side in [0, 1] {
            let _ = self.zz.narrow(side, last, 1).zero_();
        }
        let _ = self.zz.narrow(0, last, 1).narrow(1, last, 1).fill_(1.0);
        let _ = self.zy.narrow(0, last, 1).zero_();
    }

    /// The map with this penalty on the sum of its squares, but not on the constant's.
    fn solve(&self, penalty: f64) -> Result<Tensor> {
        let size = self.zz.size()[0];
        let weights = Tensor::full([size], penalty, (Kind::Double, Device::Cpu));
        let _ = weights.narrow(0, size - 1, 1).fill_(0.0);
        let system = &self.zz + Tensor::diag_embed(&weights, 0, 0, 1);
        Ok(Tensor::f_linalg_solve(&system, &self.zy, true)?)
    }

    /// The mean squared error of a map.
    fn error(&self, map: &Tensor) -> f64 {
        let crossed = (map * &self.zy).sum(Kind::Double).double_value(&[]);
        let squares = (map * self.zz.matmul(map)).sum(Kind::Double).double_value(&[]);
        (self.yy - 2.0 * crossed + squares) / self.count
    }
}

/// The map with the penalty that is best on `judge`, and the penalty.
fn ridge(sums: &Sums, judge: &Sums) -> Result<(Tensor, f64)> {
    const PENALTIES: [f64; 9] = [0.1, 1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4];
    let mut best: Option<(f64, Tensor, f64)> = None;
    for penalty in PENALTIES {
        let map = sums.solve(penalty)?;
        let error = judge.error(&map);
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, map, penalty));
        }
    }
    match best {
        Some((_, map, penalty)) => Ok((map, penalty)),
        None => bail!("no ridge regression could be solved"),
    }
}

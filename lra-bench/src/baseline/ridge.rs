//! Ridge regression of a series' next steps on the known ones.

use anyhow::{Context, Result};
use datasets::batch::Batch;
use datasets::shape::{Past, Series};
use loader::Dataset;
use program::interrupt;
use program::progress::Progress;
use tch::{Device, Kind, Tensor};

use crate::device_batch::DeviceBatch;

/// Numbers that are read at a time: 128 MiB.
const NUMBERS: usize = 1 << 24;

/// Windows of a series.
type Windows<'d> = dyn Dataset<Batch = Batch> + 'd;

/// A linear map and a constant from the known values of a column, each less the last one, to the steps,
/// each less the last known value: one for all columns, by least squares with a penalty (NLinear of Zeng
/// et al. 2023, solved).
#[derive(Debug, Clone, Copy, Default)]
pub struct Ridge {
    /// On the sum of the map's squares; that which is best on the validation windows where it is missing.
    pub penalty: Option<f64>,
    /// Without a constant: it is the drift of the training rows, which need not go on.
    pub no_constant: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Solved {
    /// (L + 1, S), the last row that of the constant. Float64.
    pub map: Tensor,
    /// The penalty it was found with.
    pub penalty: f64,
}

impl Ridge {
    /// The map of `train`.
    ///
    /// # Errors
    /// If the series continues nothing, a window cannot be read, or the user interrupts.
    pub fn solve(
        &self,
        series: &Series,
        train: &Windows<'_>,
        val: &Windows<'_>,
        progress: bool,
    ) -> Result<Solved> {
        let past = series.past.context("a regression continues a known series")?;
        let mut sums = Sums::of(series, past, train, progress)?;
        if self.no_constant {
            sums.leave_constant_out();
        }
        if let Some(penalty) = self.penalty {
            return Ok(Solved { map: sums.solve(penalty)?, penalty });
        }
        best(&sums, &Sums::of(series, past, val, progress)?)
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
    fn of(series: &Series, past: Past, split: &Windows<'_>, progress: bool) -> Result<Self> {
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
        let numbers = series.quantities.len() * (past.context + series.steps);
        let bar = Progress::new(progress, 0, split.len() as u64);
        for chunk in indices.chunks((NUMBERS / numbers).clamp(1, 256)) {
            interrupt::check()?;
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
        Ok(sums)
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

/// The map with the penalty that is best on `judge`.
fn best(sums: &Sums, judge: &Sums) -> Result<Solved> {
    const PENALTIES: [f64; 9] = [0.1, 1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4];
    let mut best: Option<(f64, Solved)> = None;
    for penalty in PENALTIES {
        let map = sums.solve(penalty)?;
        let error = judge.error(&map);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, Solved { map, penalty }));
        }
    }
    let (_, best) = best.context("no ridge regression could be solved")?;
    Ok(best)
}

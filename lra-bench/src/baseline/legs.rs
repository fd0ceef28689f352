//! What N numbers of a whole signal can say of its end: its projection on the first N Legendre polynomials, which
//! is what the states of HiPPO-LegS hold at best (Gu et al. 2020).

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use datasets::batch::Batch;
use datasets::shape::{Quantity, Series};
use datasets::split::Split;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Tensor};
use training::evaluate::{EvalOptions, Evaluated, evaluate_with_progress};
use training::objective::{Objective, Phase, StepOutput};

use crate::device_batch::DeviceBatch;
use crate::metrics::series::{Scored, score};

/// Signals that are read at a time.
const BATCH: usize = 256;

/// The least-squares projection of a signal on Legendre polynomials, at its last steps.
#[derive(Debug)]
pub struct Projection {
    series: Series,
    states: i64,
    /// (L, S), of the length of the last signal.
    map: Option<Tensor>,
    store: ParamStore,
}

impl Projection {
    /// On `states` polynomials; `series` asks for the last steps of signals.
    ///
    /// # Errors
    /// If there is no polynomial.
    pub fn new(series: &Series, states: i64) -> Result<Self> {
        ensure!(states > 0, "a projection needs 1 polynomial or more, got {states}");
        let (series, store) = (series.clone(), ParamStore::new(Device::Cpu, Kind::Double));
        Ok(Self { series, states, map: None, store })
    }

    /// What it comes to on `split`; `None` if the user interrupted.
    ///
    /// # Errors
    /// If a signal cannot be read, or has fewer samples than there are polynomials.
    pub fn evaluate(&mut self, split: &Split, progress: bool) -> Result<Option<Evaluated>> {
        let options = EvalOptions { batch_size: BATCH, workers: 1, seed: 0 };
        evaluate_with_progress(self, Arc::new(split.clone()), options, progress)
    }
}

impl Objective for Projection {
    type Batch = Batch;
    type OnDevice = DeviceBatch;

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.store
    }

    fn upload(&self, batch: &Batch) -> Result<DeviceBatch> {
        DeviceBatch::upload(batch, &self.series.quantities, Device::Cpu, Kind::Double)
    }

    fn step(&mut self, batch: &DeviceBatch, phase: Phase) -> Result<StepOutput> {
        ensure!(phase == Phase::Eval, "a baseline is not trained");
        let signals = batch.x.squeeze_dim(2); // (B, L)
        let length = signals.size()[1];
        if self.map.as_ref().is_none_or(|map| map.size()[0] != length) {
            self.map = Some(map(length, self.states, self.series.steps as i64)?);
        }
        let end = self.map.iter().fold(signals, |x, map| x.matmul(map)).unsqueeze(2);
        // Labels are standardised, signals are not.
        let [Quantity { mean, std, .. }] = self.series.quantities[..] else {
            bail!("a projection is of one signal");
        };
        let end = (end - mean) / std;
        let Scored { loss, metrics, rows } = score(&self.series, &end, &batch.labels)?;
        Ok(StepOutput { loss, metrics, samples: batch.asked, outputs: Some(rows) })
    }
}

/// The map (L, S) from L samples of a signal to its projection at the last S of them.
fn map(length: i64, states: i64, steps: i64) -> Result<Tensor> {
    ensure!(
        states <= length,
        "{states} polynomials (model.layer.ssm.d_state) are more than the {length} samples of a signal"
    );
    let (basis, _) = Tensor::f_linalg_qr(&legendre(length, states), "reduced")?;
    Ok(basis.matmul(&basis.narrow(0, length - steps, steps).tr()))
}

/// The first `count` Legendre polynomials (L, N), at the middles of `length` parts of [-1, 1], by Bonnet's
/// recursion (n + 1) Pₙ₊₁ = (2n + 1) x Pₙ - n Pₙ₋₁.
fn legendre(length: i64, count: i64) -> Tensor {
    let x: Tensor =
        (Tensor::arange(length, (Kind::Double, Device::Cpu)) + 0.5) * (2.0 / length as f64) - 1.0;
    let mut all = vec![x.ones_like(), x.shallow_clone()];
    for n in 1..count {
        let n = n as f64;
        let [.., before, last] = &all[..] else { break };
        let next = (&x * last * (2.0 * n + 1.0) - before * n) / (n + 1.0);
        all.push(next);
    }
    all.truncate(count as usize);
    Tensor::stack(&all, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a polynomial is kept as it is; of another the part that no polynomial has is lost.
    #[test]
    fn polynomials_of_low_degree_are_kept() {
        let (length, steps) = (200, 30);
        let map = map(length, 5, steps).unwrap();
        let of = |degree: i64| legendre(length, degree + 1).select(1, degree);
        for degree in 0..5 {
            let end = of(degree).unsqueeze(0).matmul(&map).squeeze_dim(0);
            let error = (end - of(degree).narrow(0, length - steps, steps)).abs().max();
            assert!(error.double_value(&[]) < 1e-10, "degree {degree}");
        }
        let lost = of(6).unsqueeze(0).matmul(&map).abs().max().double_value(&[]);
        assert!(lost < 0.1, "{lost}");
        // P₂ = (3x² - 1) / 2.
        let x = of(1);
        assert!(of(2).allclose(&((x.square() * 3.0 - 1.0) / 2.0), 1e-12, 1e-12, false));
        assert!(super::map(10, 11, 2).is_err());
    }
}

//! How far series are from what came, step by step, on the scale of standardised values.
//!
//! B series, S steps, T quantities, Q quantiles or 1.

use anyhow::{Result, ensure};
use datasets::shape::Series;
use tch::{Kind, Tensor};

use super::gather::host;

/// What came of a batch.
#[derive(Debug)]
pub struct Scored {
    /// The mean squared error, or with quantiles the mean pinball loss.
    pub loss: Tensor,
    /// Sums over the series: `mse` and `mae`, and with quantiles `pinball` and `coverage`.
    pub metrics: Vec<(&'static str, Tensor)>,
    /// Of each series its errors: (B, 2T + 2S), squared and absolute of each quantity, then of each step.
    pub rows: Tensor,
}

/// Scores `said` (B, S, T·Q) by what came, `truth` (B, S·T), both standardised.
///
/// # Errors
/// If they are not of this series.
pub fn score(series: &Series, said: &Tensor, truth: &Tensor) -> Result<Scored> {
    let (steps, targets) = (series.steps as i64, series.quantities.len() as i64);
    let levels = series.levels() as i64;
    let batch = truth.size()[0];
    ensure!(
        said.size() == [batch, steps, targets * levels] && truth.size() == [batch, steps * targets],
        "expected series of {steps} steps of {targets} values, got {:?} and {:?}",
        said.size(),
        truth.size()
    );
    let said = said.view([batch, steps, targets, levels]);
    let truth = truth.view([batch, steps, targets]);
    let forecast = said.select(3, series.point() as i64);
    let errors = &forecast - &truth;
    let (squares, sizes) = (errors.square(), errors.abs());
    let (over_steps, over_targets) = ([1i64], [2i64]);
    let mean = |of: &Tensor, over: &[i64]| of.mean_dim(over, false, None);
    let sum_of_means = |of: &Tensor| mean(of, &[1, 2]).sum(None::<Kind>).detach();
    let mut metrics = vec![("mse", sum_of_means(&squares)), ("mae", sum_of_means(&sizes))];
    let loss = if series.quantiles.is_empty() {
        squares.mean(None::<Kind>)
    } else {
        let quantiles = Tensor::f_from_slice(&series.quantiles)?;
        let quantiles = quantiles.to_kind(said.kind()).to_device(said.device());
        let below = truth.unsqueeze(3) - &said; // by how much a level is below what came
        let pinball = (&below * &quantiles).maximum(&(&below * (quantiles - 1.0)));
        let is_inside = truth.ge_tensor(&said.select(3, 0)) * truth.le_tensor(&said.select(3, -1));
        metrics.push(("pinball", sum_of_means(&mean(&pinball, &[3]))));
        metrics.push(("coverage", sum_of_means(&is_inside.to_kind(said.kind()))));
        pinball.mean(None::<Kind>)
    };
    let rows = [
        mean(&squares, &over_steps),
        mean(&sizes, &over_steps),
        mean(&squares, &over_targets),
        mean(&sizes, &over_targets),
    ];
    Ok(Scored { loss, metrics, rows: Tensor::f_cat(&rows, 1)?.detach() })
}

/// The mean squared and absolute errors of something.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Error {
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error.
    pub mae: f64,
}

/// The errors of a whole split.
#[derive(Debug, Clone, PartialEq)]
pub struct Errors {
    /// Of each series.
    pub each: Vec<Error>,
    /// Of each quantity.
    pub quantities: Vec<Error>,
    /// Of each step.
    pub steps: Vec<Error>,
}

impl Errors {
    /// From the rows of [`score`] of all series. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(series: &Series, rows: &Tensor) -> Result<Self> {
        let (steps, targets) = (series.steps, series.quantities.len());
        let rows = host(rows)?;
        let count = rows.len().max(1) as f64;
        let column = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / count;
        let error = |first: usize, size: usize, at: usize| Error {
            mse: column(first + at),
            mae: column(first + size + at),
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let of_row = |row: &Vec<f64>| Error {
            mse: mean(&row[..targets]),
            mae: mean(&row[targets..2 * targets]),
        };
        Ok(Self {
            each: rows.iter().map(of_row).collect(),
            quantities: (0..targets).map(|at| error(0, targets, at)).collect(),
            steps: (0..steps).map(|at| error(2 * targets, steps, at)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use datasets::shape::Quantity;
    use tch::Device;

    use super::*;

    fn series(quantiles: &[f64]) -> Series {
        let quantities = ["a", "b"].map(|name| Quantity::plain(name.to_owned())).to_vec();
        Series { quantities, steps: 2, past: None, quantiles: quantiles.to_vec() }
    }

    fn number(tensor: &Tensor) -> f64 {
        tensor.double_value(&[])
    }

    #[test]
    fn errors_are_those_of_quantities_steps_and_series() {
        // Errors of a: 1, 2 and 0, 0; of b: 0, 3 and 0, 4.
        let truth = Tensor::zeros([2, 4], (Kind::Float, Device::Cpu));
        let said = Tensor::from_slice(&[1f32, 0.0, -2.0, 3.0, 0.0, 0.0, 0.0, -4.0]);
        let series = series(&[]);
        let Scored { loss, metrics, rows } = score(&series, &said.view([2, 2, 2]), &truth).unwrap();
        assert_eq!(number(&loss), 30.0 / 8.0);
        let sums: Vec<_> = metrics.iter().map(|(name, sum)| (*name, number(sum))).collect();
        assert_eq!(sums, [("mse", 14.0 / 4.0 + 16.0 / 4.0), ("mae", 6.0 / 4.0 + 1.0)]);
        let errors = Errors::read(&series, &rows).unwrap();
        let of = |mse, mae| Error { mse, mae };
        assert_eq!(errors.each, [of(3.5, 1.5), of(4.0, 1.0)]);
        assert_eq!(errors.quantities, [of(1.25, 0.75), of(6.25, 1.75)]);
        assert_eq!(errors.steps, [of(0.25, 0.25), of(7.25, 2.25)]);
        assert!(score(&series, &said.view([2, 4, 1]), &truth).is_err());
    }

    #[test]
    fn quantiles_are_judged_by_the_pinball_loss_and_cover_what_is_between_them() {
        let truth = Tensor::from_slice(&[0f32, 0.0, 1.0, 5.0]).view([1, 4]);
        // Each value is said to be in -1, 0, 2.
        let said = Tensor::from_slice(&[-1f32, 0.0, 2.0]).repeat([4]).view([1, 2, 6]);
        let Scored { loss, metrics, .. } = score(&series(&[0.1, 0.5, 0.8]), &said, &truth).unwrap();
        let of = |truth: f64| {
            let pinball = |level: f64, quantile: f64| {
                let below = truth - level;
                (quantile * below).max((quantile - 1.0) * below)
            };
            (pinball(-1.0, 0.1) + pinball(0.0, 0.5) + pinball(2.0, 0.8)) / 3.0
        };
        let expected = (2.0 * of(0.0) + of(1.0) + of(5.0)) / 4.0;
        assert!((number(&loss) - expected).abs() < 1e-6);
        let sums: Vec<_> = metrics.iter().map(|(name, sum)| (*name, number(sum))).collect();
        assert_eq!(sums[0], ("mse", 26.0 / 4.0));
        assert!((sums[2].1 - expected).abs() < 1e-6);
        assert_eq!(sums[3], ("coverage", 0.75));
    }
}

//! How far values are from their targets.

use datasets::shape::Quantity;
use serde::Serialize;

/// What the model said of the quantities of one example, in their own units.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Which example of the split it is.
    pub index: usize,
    /// What is right, as exactly as the model's kind of numbers has it.
    pub targets: Vec<f64>,
    /// What the model says.
    pub values: Vec<f64>,
}

/// The errors of one quantity over some examples, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Coefficient of determination: 1 less the share of the targets' variance that is left. 1 is
    /// perfect, 0 as good as always saying their mean; `None` where all targets are the same.
    pub r2: Option<f64>,
}

impl Errors {
    /// The errors of pairs of target and value, of which there is one at least.
    pub fn of(pairs: &[(f64, f64)]) -> Self {
        let count = pairs.len() as f64;
        let mean_of = |of: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().map(|&(target, value)| of(target, value)).sum::<f64>() / count
        };
        let mean = mean_of(&|target, _| target);
        let (squares, variance) = (
            mean_of(&|target, value| (value - target).powi(2)),
            mean_of(&|target, _| (target - mean).powi(2)),
        );
        let differ = pairs.iter().any(|&(target, _)| target != pairs[0].0);
        Self {
            mae: mean_of(&|target, value| (value - target).abs()),
            rmse: squares.sqrt(),
            r2: differ.then(|| 1.0 - squares / variance),
        }
    }

    /// The errors of each of the quantities.
    pub fn of_each(quantities: &[Quantity], estimates: &[Estimate]) -> Vec<Self> {
        let pairs = |column: usize| -> Vec<(f64, f64)> {
            estimates.iter().map(|one| (one.targets[column], one.values[column])).collect()
        };
        (0..quantities.len()).map(|column| Self::of(&pairs(column))).collect()
    }

    /// The means of the errors of several quantities, each of equal weight.
    pub fn mean(each: &[Self]) -> Self {
        let count = each.len() as f64;
        Self {
            mae: each.iter().map(|errors| errors.mae).sum::<f64>() / count,
            rmse: each.iter().map(|errors| errors.rmse).sum::<f64>() / count,
            r2: each.iter().map(|errors| errors.r2).sum::<Option<f64>>().map(|sum| sum / count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_the_whole_split() {
        let errors = Errors::of(&[(1.0, 2.0), (2.0, 2.0), (3.0, 1.0), (6.0, 6.0)]);
        assert_eq!((errors.mae, errors.rmse), (0.75, 1.25f64.sqrt()));
        // Squares 5 of 14 about the mean 3.
        assert!((errors.r2.unwrap() - (1.0 - 5.0 / 14.0)).abs() < 1e-12, "{errors:?}");
        let mean = Errors::of(&[(1.0, 3.0), (5.0, 3.0)]);
        assert_eq!((mean.rmse, mean.r2), (2.0, Some(0.0)));
        let same = Errors::of(&[(0.1, 0.1); 3]);
        assert_eq!((same.mae, same.r2), (0.0, None));
        let both = Errors::mean(&[mean, same]);
        assert_eq!((both.mae, both.rmse, both.r2), (1.0, 1.0, None));
    }
}

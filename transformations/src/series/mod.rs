//! Changes of series. Deviations and means are those of one series and one feature.

use crate::content::Series;

pub(crate) mod drift;
pub(crate) mod missing;
pub(crate) mod noise;
pub(crate) mod quantised;
pub(crate) mod scale;
pub(crate) mod spikes;

/// Of one feature over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

/// Those of each feature.
pub(crate) fn moments(series: &Series) -> Vec<Moments> {
    let features = series.features.max(1);
    let times = (series.values.len() / features).max(1) as f64;
    let of = |feature: usize| series.values.iter().skip(feature).step_by(features);
    (0..features)
        .map(|feature| {
            let mean = of(feature).map(|&value| f64::from(value)).sum::<f64>() / times;
            let squares = of(feature).map(|&value| (f64::from(value) - mean).powi(2));
            Moments { mean, std: (squares.sum::<f64>() / times).sqrt() }
        })
        .collect()
}

/// The series with `change(value, time, feature)` in the place of each value.
fn mapped(series: &Series, mut change: impl FnMut(f64, usize, usize) -> f64) -> Series {
    let features = series.features.max(1);
    let values = series
        .values
        .iter()
        .enumerate()
        .map(|(index, &value)| change(value.into(), index / features, index % features) as f32);
    Series { values: values.collect(), features: series.features }
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::change::Change;
    use crate::{Severity, seed};

    /// A thousand times of two features, with a deviation of 1 and of 10.
    pub(super) fn waves() -> Series {
        let values = (0..1000).flat_map(|time| {
            let wave = 2f32.sqrt() * (std::f32::consts::TAU * time as f32 / 50.0).sin();
            [wave, 10.0 * wave + 3.0]
        });
        Series { values: values.collect(), features: 2 }
    }

    /// What is added to each feature of [`waves`] at each severity.
    pub(super) fn added(change: &Change<Series>) -> [[Vec<f64>; 2]; 5] {
        let random = &mut seed::generator(change.name, &[]);
        Severity::ALL.map(|severity| {
            let (before, after) = (waves(), (change.change)(&waves(), severity, random, &[]));
            let after = after.unwrap().values;
            let added = |feature: usize| {
                let pairs = before.values.iter().zip(&after).skip(feature).step_by(2);
                pairs.map(|(a, b)| f64::from(*b) - f64::from(*a)).collect()
            };
            [added(0), added(1)]
        })
    }

    #[test]
    fn moments_are_of_one_feature() {
        let [first, second] = moments(&waves())[..] else { panic!() };
        assert!(first.mean.abs() < 1e-3 && (first.std - 1.0).abs() < 1e-3);
        assert!((second.mean - 3.0).abs() < 1e-3 && (second.std - 10.0).abs() < 1e-2);
    }
}

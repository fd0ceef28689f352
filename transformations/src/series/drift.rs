//! An instrument that drifts.

use rand::Rng;

use super::{mapped, moments};
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

/// At the end, in deviations.
const DEVIATIONS: [f64; 5] = [0.1, 0.2, 0.5, 1.0, 2.0];

pub(crate) const DRIFT: Change<Series> = Change {
    name: "drift",
    about: "each feature drifting up or down, evenly",
    effect: Effect::Invariant,
    strength: |severity| format!("±{} deviations", severity.of(DEVIATIONS)),
    change: |series, severity, random, _| {
        let last = (series.values.len() / series.features.max(1)).saturating_sub(1).max(1) as f64;
        let slopes: Vec<f64> = moments(series)
            .iter()
            .map(|moments| {
                let sign = if random.random() { 1.0 } else { -1.0 };
                sign * severity.of(DEVIATIONS) * moments.std / last
            })
            .collect();
        Ok(mapped(series, |value, time, feature| value + slopes[feature] * time as f64))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::added;
    use super::*;

    #[test]
    fn drift_ends_where_it_should() {
        for (features, deviation) in added(&DRIFT).iter().zip(DEVIATIONS) {
            for (drift, std) in features.iter().zip([1.0, 10.0]) {
                let (middle, end) = (drift[500].abs() / std, drift[999].abs() / std);
                assert!((end / deviation - 1.0).abs() < 0.01 && (end / middle - 2.0).abs() < 0.01);
            }
        }
    }
}

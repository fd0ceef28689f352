//! Outliers.

use std::collections::HashSet;

use rand::Rng;
use rand::seq::index;

use super::{mapped, moments};
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

/// Share of the times, at least one.
const SHARE: f64 = 0.01;
const DEVIATIONS: [f64; 5] = [2.0, 3.0, 5.0, 7.0, 10.0];

pub(crate) const SPIKES: Change<Series> = Change {
    name: "spikes",
    about: "1% of the times with all features thrown up or down",
    effect: Effect::Invariant,
    strength: |severity| format!("{} deviations", severity.of(DEVIATIONS)),
    change: |series, severity, random, _| {
        let moments = moments(series);
        let times = series.values.len() / series.features.max(1);
        let count = (SHARE * times as f64).ceil() as usize;
        let spikes: HashSet<usize> = index::sample(random, times, count).into_iter().collect();
        Ok(mapped(series, |value, time, feature| {
            if !spikes.contains(&time) {
                return value;
            }
            let by = severity.of(DEVIATIONS) * moments[feature].std;
            if random.random() { value + by } else { value - by }
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::added;
    use super::*;

    #[test]
    fn one_in_a_hundred_is_thrown_off() {
        for (features, deviations) in added(&SPIKES).iter().zip(DEVIATIONS) {
            for (spikes, std) in features.iter().zip([1.0, 10.0]) {
                let spikes: Vec<_> = spikes.iter().filter(|by| by.abs() > 1e-3).collect();
                assert_eq!(spikes.len(), 10);
                assert!(spikes.iter().all(|by| (by.abs() / std / deviations - 1.0).abs() < 0.01));
            }
        }
    }
}

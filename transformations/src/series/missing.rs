//! Values that were not measured.

use rand::Rng;

use super::{mapped, moments};
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

const SHARE: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];
/// Spans that are missing, one in each part of the series.
const SPANS: usize = 4;

pub(crate) const MISSING: Change<Series> = Change {
    name: "missing-values",
    about: "4 spans of all features set to their means",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the times", 100.0 * severity.of(SHARE)),
    change: |series, severity, random, _| {
        let times = series.values.len() / series.features.max(1);
        let mut missing = vec![false; times];
        for part in missing.chunks_mut(times.div_ceil(SPANS).max(1)) {
            let span = (severity.of(SHARE) * part.len() as f64).ceil() as usize;
            let from = random.random_range(0..=part.len() - span);
            part[from..from + span].fill(true);
        }
        let moments = moments(series);
        Ok(mapped(series, |value, time, feature| {
            if missing.get(time) == Some(&true) { moments[feature].mean } else { value }
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{added, waves};
    use super::*;

    #[test]
    fn spans_are_as_long_as_they_should_be() {
        let means = [0.0, 3.0];
        for (features, share) in added(&MISSING).iter().zip(SHARE) {
            for feature in 0..2 {
                let values = waves().values.into_iter().skip(feature).step_by(2);
                let gone = values.zip(&features[feature]).filter(|(value, added)| {
                    (f64::from(*value) + *added - means[feature]).abs() < 1e-3
                });
                // Waves cross their mean twice in 50 times.
                let gone = gone.count() as f64 / 1000.0;
                assert!((share..=share + 0.045).contains(&gone), "{gone}, expected {share}");
            }
        }
    }
}

//! Another amplitude.

use rand::Rng;

use super::{mapped, moments};
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

const BY: [f64; 5] = [0.05, 0.1, 0.2, 0.3, 0.5];

pub(crate) const SCALE: Change<Series> = Change {
    name: "rescaled",
    about: "stretched or shrunk about each feature's mean, all features alike",
    effect: Effect::Invariant,
    strength: |severity| format!("±{}%", 100.0 * severity.of(BY)),
    change: |series, severity, random, _| {
        let by = if random.random() { severity.of(BY) } else { -severity.of(BY) };
        let moments = moments(series);
        Ok(mapped(series, |value, _, feature| value + by * (value - moments[feature].mean)))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{added, waves};
    use super::*;

    #[test]
    fn values_move_away_from_the_mean_or_towards_it() {
        for (features, by) in added(&SCALE).iter().zip(BY) {
            for (feature, mean) in [0.0, 3.0].into_iter().enumerate() {
                let value = f64::from(waves().values[2 * 10 + feature]) - mean;
                assert!(((features[feature][10] / value).abs() - by).abs() < 1e-3);
            }
        }
    }
}

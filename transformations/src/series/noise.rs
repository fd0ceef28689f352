//! Noise of the instrument.

use rand::Rng;
use rand_distr::StandardNormal;

use super::{mapped, moments};
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

const DEVIATIONS: [f64; 5] = [0.05, 0.1, 0.2, 0.4, 0.8];

pub(crate) const NOISE: Change<Series> = Change {
    name: "sensor-noise",
    about: "Gaussian noise, relative to each feature's deviation",
    effect: Effect::Invariant,
    strength: |severity| format!("sd {} of the deviation", severity.of(DEVIATIONS)),
    change: |series, severity, random, _| {
        let moments = moments(series);
        Ok(mapped(series, |value, _, feature| {
            let noise: f64 = random.sample(StandardNormal);
            value + severity.of(DEVIATIONS) * moments[feature].std * noise
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::added;
    use super::*;

    #[test]
    fn noise_has_the_deviation_that_was_asked_for() {
        for (features, deviation) in added(&NOISE).iter().zip(DEVIATIONS) {
            for (noise, std) in features.iter().zip([1.0, 10.0]) {
                let squares: f64 = noise.iter().map(|x| x * x).sum();
                let found = (squares / noise.len() as f64).sqrt() / std;
                assert!((found / deviation - 1.0).abs() < 0.1, "{found}, expected {deviation}");
            }
        }
    }
}

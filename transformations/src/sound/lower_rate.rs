//! A lower sampling rate.

use super::resampled;
use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

/// Shares of the rate.
const SHARES: [f64; 5] = [0.9, 0.75, 0.5, 0.35, 0.25];

/// The highest frequencies are lost, and what is left comes faster, unless the model is told.
pub(crate) const LOWER_RATE: Change<Sound> = Change {
    name: "lower-rate",
    about: "at a lower sampling rate, resampled",
    effect: Effect::Invariant,
    strength: |severity| format!("{} of the rate", severity.of(SHARES)),
    change: |sound, severity, _, _| {
        let rate = (f64::from(sound.rate) * severity.of(SHARES)).round() as u32;
        Ok(Sound { rate, ..sound.of(resampled(&sound.samples, sound.rate, rate)?) })
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;
    use crate::{Severity, seed};

    #[test]
    fn it_sounds_the_same_at_a_lower_rate() {
        let random = &mut seed::generator("lower", &[]);
        for (severity, rate) in [(1, 14_400), (3, 8_000), (5, 4_000)] {
            let severity = Severity::new(severity).unwrap();
            let lower = (LOWER_RATE.change)(&tone(16_000, 440.0, 1.0), severity, random, &[]);
            let (lower, wanted) = (lower.unwrap(), tone(rate, 440.0, 1.0));
            assert_eq!((lower.rate, lower.samples.len()), (rate, rate as usize));
            let inside = rate as usize / 16..rate as usize * 15 / 16;
            assert!(inside.clone().all(|i| (lower.samples[i] - wanted.samples[i]).abs() < 1e-3));
        }
        let low = (LOWER_RATE.change)(&tone(1_000, 44.0, 1.0), Severity::ALL[2], random, &[]);
        assert!(low.unwrap_err().to_string().contains("500 Hz"));
    }
}

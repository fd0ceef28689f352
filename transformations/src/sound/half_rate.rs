//! Half the sampling rate.

use super::resampled;
use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

pub(crate) const HALF_RATE: Change<Sound> = Change {
    name: "half-rate",
    about: "at half the sampling rate, resampled; the same at every severity",
    effect: Effect::Invariant,
    strength: |_| "half the rate".to_owned(),
    change: |sound, _, _, _| {
        let rate = sound.rate / 2;
        Ok(Sound { rate, ..sound.of(resampled(&sound.samples, sound.rate, rate)?) })
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;
    use crate::{Severity, seed};

    #[test]
    fn it_sounds_the_same_at_half_the_rate() {
        let random = &mut seed::generator("half", &[]);
        let half = (HALF_RATE.change)(&tone(16_000, 440.0, 1.0), Severity::ALL[0], random, &[]);
        let (half, wanted) = (half.unwrap(), tone(8_000, 440.0, 1.0));
        assert_eq!((half.rate, half.samples.len()), (8_000, 8_000));
        assert!((500..7_500).all(|i| (half.samples[i] - wanted.samples[i]).abs() < 1e-3));
        let low = (HALF_RATE.change)(&tone(1_000, 44.0, 1.0), Severity::ALL[0], random, &[]);
        assert!(low.unwrap_err().to_string().contains("500 Hz"));
    }
}

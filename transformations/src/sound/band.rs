//! Frequencies that are missing.

use dsp::filter::{high_pass, low_pass};

use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

/// Cut-offs in Hz. What a recording's rate does not reach leaves it unchanged.
const LOW: [u32; 5] = [4_000, 3_400, 2_000, 1_000, 500];
const HIGH: [u32; 5] = [100, 200, 300, 500, 1_000];

pub(crate) const LOW_PASS: Change<Sound> = Change {
    name: "low-pass",
    about: "muffled: without high frequencies",
    effect: Effect::Invariant,
    strength: |severity| format!("{} Hz", severity.of(LOW)),
    change: |sound, severity, _, _| {
        Ok(sound.of(low_pass(&sound.samples, sound.rate, severity.of(LOW).into())))
    },
};

pub(crate) const HIGH_PASS: Change<Sound> = Change {
    name: "high-pass",
    about: "thin: without low frequencies",
    effect: Effect::Invariant,
    strength: |severity| format!("{} Hz", severity.of(HIGH)),
    change: |sound, severity, _, _| {
        Ok(sound.of(high_pass(&sound.samples, sound.rate, severity.of(HIGH).into())))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;
    use crate::content::Content;
    use crate::{Severity, Transformation, Unchanged, seed};

    /// Gain of a tone in dB.
    fn gain(change: &Change<Sound>, rate: u32, frequency: f64, severity: Severity) -> Option<f64> {
        let sound = tone(rate, frequency, 1.0);
        let random = &mut seed::generator("band", &[]);
        match change.apply(&sound.clone().into(), &0.into(), severity, random, &[]) {
            Ok(changed) => {
                let Content::Sound(changed) = changed.content else { panic!() };
                Some(10.0 * (changed.power() / sound.power()).log10())
            }
            Err(error) => {
                assert!(error.is::<Unchanged>(), "{error}");
                None
            }
        }
    }

    #[test]
    fn tones_are_kept_or_removed() {
        for severity in Severity::ALL {
            let (low, high) = (f64::from(severity.of(LOW)), f64::from(severity.of(HIGH)));
            let gains = [
                (gain(&LOW_PASS, 16_000, low - 200.0, severity).unwrap(), true),
                (gain(&LOW_PASS, 16_000, low + 200.0, severity).unwrap(), false),
                (gain(&HIGH_PASS, 16_000, high + 200.0, severity).unwrap(), true),
                (gain(&HIGH_PASS, 16_000, high - 90.0, severity).unwrap(), false),
            ];
            for (gain, kept) in gains {
                assert!(
                    if kept { gain.abs() < 0.5 } else { gain < -15.0 },
                    "{severity}: {gain} dB"
                );
            }
        }
    }

    #[test]
    fn what_a_rate_does_not_reach_changes_nothing() {
        let [first, second, ..] = Severity::ALL;
        assert_eq!(gain(&LOW_PASS, 8_000, 440.0, first), None);
        assert!(gain(&LOW_PASS, 8_000, 440.0, second).is_some());
    }
}

//! Another level.

use super::amplitude;
use crate::change::Change;
use crate::content::Sound;
use crate::{Effect, Severity};

const QUIETER_BY: [f64; 5] = [-4.0, -8.0, -12.0, -16.0, -20.0];
const LOUDER_BY: [f64; 5] = [2.0, 4.0, 6.0, 9.0, 12.0];

pub(crate) const QUIETER: Change<Sound> = Change {
    name: "quieter",
    about: "recorded at a lower level",
    effect: Effect::Invariant,
    strength: |severity| format!("{} dB", severity.of(QUIETER_BY)),
    change: |sound, severity, _, _| Ok(amplified(sound, severity.of(QUIETER_BY))),
};

pub(crate) const LOUDER: Change<Sound> = Change {
    name: "louder",
    about: "recorded at a higher level, clipped at full scale",
    effect: Effect::Invariant,
    strength: |severity: Severity| format!("+{} dB", severity.of(LOUDER_BY)),
    change: |sound, severity, _, _| Ok(amplified(sound, severity.of(LOUDER_BY))),
};

fn amplified(sound: &Sound, decibels: f64) -> Sound {
    let factor = amplitude(decibels) as f32;
    sound.of(sound.samples.iter().map(|sample| factor * sample))
}

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;

    #[test]
    fn levels_are_what_was_asked_for_up_to_full_scale() {
        let sound = tone(8_000, 440.0, 0.5);
        let gain = |decibels| 10.0 * (amplified(&sound, decibels).power() / sound.power()).log10();
        assert!((gain(-20.0) + 20.0).abs() < 0.01 && (gain(4.0) - 4.0).abs() < 0.01);
        assert!(gain(12.0) < 9.0, "{}", gain(12.0));
        assert!(amplified(&sound, 12.0).samples.iter().all(|sample| sample.abs() <= 1.0));
    }
}

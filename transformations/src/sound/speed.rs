//! Faster or slower, pitch included.

use anyhow::Result;
use rand::Rng;

use super::resampled;
use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

/// By how many percent.
const BY: [u32; 5] = [5, 10, 15, 20, 25];

pub(crate) const SPEED: Change<Sound> = Change {
    name: "speed",
    about: "faster or slower, pitch included; the length changes",
    effect: Effect::Invariant,
    strength: |severity| format!("±{}%", severity.of(BY)),
    change: |sound, severity, random, _| {
        let by = severity.of(BY);
        played(sound, if random.random() { 100 + by } else { 100 - by })
    },
};

/// Played at `percent` of its speed.
fn played(sound: &Sound, percent: u32) -> Result<Sound> {
    // Only the ratio counts, and such rates can be resampled.
    Ok(sound.of(resampled(&sound.samples, 100 * percent, 100 * 100)?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::tone;
    use super::*;

    #[test]
    fn length_and_pitch_follow_the_speed() {
        let sound = tone(8_000, 400.0, 1.0);
        for percent in [75, 90, 110, 125] {
            let played = played(&sound, percent).unwrap();
            let length = 8_000.0 * 100.0 / f64::from(percent);
            assert_eq!(played.samples.len(), length.round() as usize);
            let wanted = tone(8_000, 4.0 * f64::from(percent), 1.0);
            let middle = 1_000..5_000;
            let pairs = played.samples[middle.clone()].iter().zip(&wanted.samples[middle]);
            assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-3);
        }
    }
}

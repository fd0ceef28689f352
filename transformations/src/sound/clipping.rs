//! Peaks cut off.

use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

/// Share of the samples that are clipped.
const SHARE: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

pub(crate) const CLIPPING: Change<Sound> = Change {
    name: "clipping",
    about: "the loudest samples clipped",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the samples", 100.0 * severity.of(SHARE)),
    change: |sound, severity, _, _| Ok(clipped(sound, severity.of(SHARE))),
};

fn clipped(sound: &Sound, share: f64) -> Sound {
    let mut magnitudes: Vec<f32> = sound.samples.iter().map(|sample| sample.abs()).collect();
    magnitudes.sort_unstable_by(|a, b| b.total_cmp(a));
    let most = magnitudes.get((share * magnitudes.len() as f64).ceil() as usize);
    let Some(&most) = most else { return sound.clone() };
    sound.of(sound.samples.iter().map(|sample| sample.min(most).max(-most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_samples_is_clipped() {
        let samples = (0..1000).map(|i| (if i % 2 == 0 { 1.0 } else { -1.0 }) * i as f32 / 1000.0);
        let sound = Sound { rate: 8_000, samples: samples.collect() };
        for share in SHARE {
            let changed = clipped(&sound, share);
            let count = sound.samples.iter().zip(&changed.samples).filter(|(a, b)| a != b).count();
            assert_eq!(count, (1000.0 * share) as usize);
        }
    }
}

//! Packets that were lost.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

const MILLISECONDS: [u32; 5] = [10, 20, 40, 80, 160];

pub(crate) const DROPPED_SPANS: Change<Sound> = Change {
    name: "dropped-spans",
    about: "lost packets: a silent span in each second, begun or whole",
    effect: Effect::Invariant,
    strength: |severity| format!("{} ms", severity.of(MILLISECONDS)),
    change: |sound, severity, random, _| Ok(dropped(sound, severity.of(MILLISECONDS), random)),
};

/// Of a part of a recording that is not even twice as long as the span, half is dropped.
fn dropped(sound: &Sound, milliseconds: u32, random: &mut ChaCha8Rng) -> Sound {
    let mut samples = sound.samples.clone();
    let span = (u64::from(sound.rate) * u64::from(milliseconds)).div_ceil(1000) as usize;
    for second in samples.chunks_mut(sound.rate.max(1) as usize) {
        let span = span.min(second.len() / 2);
        let from = random.random_range(0..=second.len() - span);
        second[from..from + span].fill(0.0);
    }
    sound.of(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn spans_are_as_long_and_as_many_as_they_should_be() {
        let random = &mut seed::generator("dropped", &[]);
        for (length, seconds) in [(8_000, 1), (20_000, 3)] {
            let sound = Sound { rate: 8_000, samples: vec![0.5; length] };
            for milliseconds in MILLISECONDS {
                let dropped = dropped(&sound, milliseconds, random);
                let silent = dropped.samples.iter().filter(|&&sample| sample == 0.0).count();
                assert_eq!(silent, seconds * 8 * milliseconds as usize);
                let spans = dropped.samples.split(|&sample| sample != 0.0);
                let spans = spans.filter(|span| !span.is_empty());
                assert!(spans.count() <= seconds);
            }
        }
        let short = Sound { rate: 8_000, samples: vec![0.5; 10] };
        assert_eq!(dropped(&short, 160, random).samples.iter().filter(|x| **x == 0.0).count(), 5);
    }
}

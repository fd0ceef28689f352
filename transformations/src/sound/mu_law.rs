//! Fewer bits a sample.

use anyhow::Result;
use audio_data::quantise::{Companding, Quantiser};

use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

const BITS: [u32; 5] = [7, 6, 5, 4, 3];

pub(crate) const MU_LAW: Change<Sound> = Change {
    name: "mu-law",
    about: "few levels, by µ-law with µ = levels - 1",
    effect: Effect::Invariant,
    strength: |severity| format!("{} bits", severity.of(BITS)),
    change: |sound, severity, _, _| coded(sound, severity.of(BITS)),
};

fn coded(sound: &Sound, bits: u32) -> Result<Sound> {
    let codec = Quantiser::new(Companding::MuLaw, bits)?;
    Ok(sound.of(sound.samples.iter().map(|&sample| codec.decode(codec.encode(sample)))))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_as_many_levels_as_the_bits_have() {
        let samples = (-10_000..=10_000).map(|i| i as f32 / 10_000.0).collect();
        let sound = Sound { rate: 8_000, samples };
        for bits in BITS {
            let coded = coded(&sound, bits).unwrap();
            let levels: HashSet<u32> =
                coded.samples.iter().map(|sample| sample.to_bits()).collect();
            assert_eq!(levels.len(), 1 << bits);
        }
    }
}

//! A microphone that is off centre.

use rand::Rng;

use crate::Effect;
use crate::change::Change;
use crate::content::Sound;

const OFFSET: [f32; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

pub(crate) const DC_OFFSET: Change<Sound> = Change {
    name: "dc-offset",
    about: "a constant added, of either sign",
    effect: Effect::Invariant,
    strength: |severity| format!("±{} of full scale", severity.of(OFFSET)),
    change: |sound, severity, random, _| {
        let offset = if random.random() { severity.of(OFFSET) } else { -severity.of(OFFSET) };
        Ok(sound.of(sound.samples.iter().map(|sample| sample + offset)))
    },
};

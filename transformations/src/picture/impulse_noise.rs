//! Bits that flip: salt and pepper.

use rand::Rng;

use super::corruption::{Constants, Corruption, mapped};
use crate::Effect;
use crate::content::Kind;

/// A share of the values becomes 0 or 1, with equal chances.
pub(crate) const IMPULSE_NOISE: Corruption<f64> = Corruption {
    name: "impulse-noise",
    about: "salt and pepper",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.01, 0.02, 0.03, 0.05, 0.07],
        imagenet: [0.03, 0.06, 0.09, 0.17, 0.27],
    },
    strength: |share| format!("{share} of the values"),
    apply: |picture, share, random| {
        Ok(mapped(picture, |value| {
            let hit = random.random_bool(share);
            if !hit { value } else { f32::from(u8::from(random.random::<bool>())) }
        }))
    },
};

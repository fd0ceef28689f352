//! Noise that grows with the light.

use rand_distr::{Distribution, StandardNormal};

use super::corruption::{Constants, Corruption, mapped};
use crate::Effect;
use crate::content::Kind;

/// Each value is multiplied by one plus a normal number.
pub(crate) const SPECKLE_NOISE: Corruption<f32> = Corruption {
    name: "speckle-noise",
    about: "normal noise, multiplied",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.06, 0.10, 0.12, 0.16, 0.20],
        imagenet: [0.15, 0.20, 0.35, 0.45, 0.60],
    },
    strength: |sd| format!("sd {sd} of the value"),
    apply: |picture, sd, random| {
        let mut normal = || -> f32 { StandardNormal.sample(random) };
        Ok(mapped(picture, |value| value + value * sd * normal()))
    },
};

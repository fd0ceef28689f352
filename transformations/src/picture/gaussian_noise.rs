//! What light too weak does to a sensor.

use rand_distr::{Distribution, StandardNormal};

use super::corruption::{Constants, Corruption, mapped};
use crate::Effect;
use crate::content::Kind;

/// Independent normal numbers are added to all values.
pub(crate) const GAUSSIAN_NOISE: Corruption<f32> = Corruption {
    name: "gaussian-noise",
    about: "normal noise, added",
    kinds: &[Kind::Picture, Kind::Path],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.04, 0.06, 0.08, 0.09, 0.10],
        imagenet: [0.08, 0.12, 0.18, 0.26, 0.38],
    },
    strength: |sd| format!("sd {sd}"),
    apply: |picture, sd, random| {
        let mut normal = || -> f32 { StandardNormal.sample(random) };
        Ok(mapped(picture, |value| value + sd * normal()))
    },
};

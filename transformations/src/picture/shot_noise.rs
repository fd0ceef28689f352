//! Light comes in single photons.

use rand_distr::{Distribution, Poisson};

use super::corruption::{Constants, Corruption, mapped};
use crate::Effect;
use crate::content::Kind;

/// Values become counts of photons, of which white has `photons` on average.
pub(crate) const SHOT_NOISE: Corruption<f32> = Corruption {
    name: "shot-noise",
    about: "photons are counted: Poisson",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [500.0, 250.0, 100.0, 75.0, 50.0],
        imagenet: [60.0, 25.0, 12.0, 5.0, 3.0],
    },
    strength: |photons| format!("{photons} photons in white"),
    apply: |picture, photons, random| {
        // Black sends none: a mean of 0 is none of the distribution's.
        let mut count = |mean| Poisson::new(mean).map_or(0.0, |counts| counts.sample(random));
        Ok(mapped(picture, |value| count(value * photons) / photons))
    },
};

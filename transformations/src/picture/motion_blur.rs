//! The camera moved.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use super::kernel::{Kernel, normal};
use crate::Effect;
use crate::content::Kind;

/// Each pixel becomes a mean along a line to one side, at a random angle of up to 45 degrees, as
/// ImageMagick makes it.
pub(crate) const MOTION_BLUR: Corruption<(i64, f64)> = Corruption {
    name: "motion-blur",
    about: "the camera moved, to within 45 degrees of the horizontal",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)],
        imagenet: [(10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)],
    },
    strength: |(radius, sigma)| format!("radius {radius} px, sigma {sigma} px"),
    apply: |picture, (radius, sigma), random| {
        let (sin, cos) = random.random_range(-45.0..45.0f64).to_radians().sin_cos();
        let place = |along: i64, part: f64| (along as f64 * part - 0.5).ceil() as i64;
        let taps = (0..=2 * radius)
            .map(|along| (place(along, sin), place(along, cos), normal(along, sigma)));
        Ok(Kernel::new(taps).over(picture))
    },
};

//! Slanted.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use super::warp::warped_about_centre;
use crate::Effect;
use crate::content::Kind;

/// Rows move to the side, the further from the middle the more. The strengths are those of MNIST-C's
/// code, which published the second.
pub(crate) const SHEAR: Corruption<f64> = Corruption {
    name: "shear",
    about: "slanted to either side",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([0.2, 0.4, 0.6, 0.8, 1.0]),
    strength: |by| format!("±{by} rad"),
    apply: |picture, by, random| {
        let (sin, cos) = if random.random() { by } else { -by }.sin_cos();
        Ok(warped_about_centre(picture, [[1.0, -sin], [0.0, cos]]))
    },
};

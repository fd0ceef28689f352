//! Smaller.

use super::corruption::{Constants, Corruption};
use super::warp::warped_about_centre;
use crate::Effect;
use crate::content::Kind;

/// Smaller, about the centre, on black. The strengths are those of MNIST-C's code, which published the
/// third.
pub(crate) const SCALE: Corruption<f64> = Corruption {
    name: "scale",
    about: "smaller",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([0.9, 0.8, 0.7, 0.6, 0.5]),
    strength: |by| format!("x {by}"),
    apply: |picture, by, _| Ok(warped_about_centre(picture, [[1.0 / by, 0.0], [0.0, 1.0 / by]])),
};

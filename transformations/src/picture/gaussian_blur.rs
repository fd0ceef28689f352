//! Out of focus, the smooth way.

use super::corruption::{Constants, Corruption};
use super::kernel::{Kernel, normal};
use crate::Effect;
use crate::content::{Kind, Picture};

/// Each pixel becomes the mean of its neighbours, weighted by a normal distribution.
pub(crate) const GAUSSIAN_BLUR: Corruption<f64> = Corruption {
    name: "gaussian-blur",
    about: "normal blur",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.4, 0.6, 0.7, 0.8, 1.0],
        imagenet: [1.0, 2.0, 3.0, 4.0, 6.0],
    },
    strength: |sigma| format!("sigma {sigma} px"),
    apply: |picture, sigma, _| Ok(blurred(picture, sigma)),
};

/// Blurred with a standard deviation of `sigma` pixels, cut off at four of them, as scikit-image does.
pub(super) fn blurred(picture: &Picture, sigma: f64) -> Picture {
    let reach = (4.0 * sigma + 0.5) as i64;
    let taps = || (-reach..=reach).map(|distance| (distance, normal(distance, sigma)));
    let down = Kernel::new(taps().map(|(distance, weight)| (distance, 0, weight)));
    let right = Kernel::new(taps().map(|(distance, weight)| (0, distance, weight)));
    right.over(&down.over(picture))
}

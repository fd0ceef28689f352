//! Turned.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use super::warp::warped_about_centre;
use crate::Effect;
use crate::content::{Kind, Picture};

/// Turned about the centre. The strengths are those of MNIST-C's code, which published the second.
pub(crate) const ROTATE: Corruption<f64> = Corruption {
    name: "rotate",
    about: "turned to either side",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([0.2, 0.4, 0.6, 0.8, 1.0]),
    strength: |by| format!("±{by} rad"),
    apply: |picture, by, random| Ok(rotated(picture, if random.random() { by } else { -by })),
};

/// Turned about the centre, in radians: what comes from the right comes, at a quarter turn, from below.
fn rotated(picture: &Picture, by: f64) -> Picture {
    let (sin, cos) = by.sin_cos();
    warped_about_centre(picture, [[cos, -sin], [sin, cos]])
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    #[test]
    fn a_quarter_turn_moves_pixels_and_four_move_them_back() {
        let values = (0..25).map(|value| value as f32 / 25.0).collect();
        let picture = Picture { width: 5, colours: 1, values };
        let turned = rotated(&picture, FRAC_PI_2);
        for (row, column) in [(0, 0), (1, 3), (4, 2)] {
            assert!((turned.at(row, column, 0) - picture.at(column, 4 - row, 0)).abs() < 1e-6);
        }
        let back = (1..4).fold(turned, |picture, _| rotated(&picture, FRAC_PI_2));
        for (a, b) in back.values.iter().zip(&picture.values) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}

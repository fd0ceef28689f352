//! As if printed on rubber.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::corruption::{Constants, Corruption};
use super::gaussian_blur::blurred;
use super::warp::{Place, warped};
use crate::Effect;
use crate::content::{Kind, Picture};

/// Three points about the centre are moved, and all else as an affine map has it; then each pixel, by
/// smooth noise. Lengths are shares of the shorter side.
pub(crate) const ELASTIC: Corruption<Rubber> = Corruption {
    name: "elastic",
    about: "stretched here and pressed there",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [
            Rubber { noise: 0.0, sigma: 0.0, affine: 0.08 },
            Rubber { noise: 0.05, sigma: 0.2, affine: 0.07 },
            Rubber { noise: 0.08, sigma: 0.06, affine: 0.06 },
            Rubber { noise: 0.1, sigma: 0.04, affine: 0.05 },
            Rubber { noise: 0.1, sigma: 0.03, affine: 0.03 },
        ],
        imagenet: [
            Rubber { noise: 2.0, sigma: 0.7, affine: 0.1 },
            Rubber { noise: 2.0, sigma: 0.08, affine: 0.2 },
            Rubber { noise: 0.05, sigma: 0.01, affine: 0.02 },
            Rubber { noise: 0.07, sigma: 0.01, affine: 0.02 },
            Rubber { noise: 0.12, sigma: 0.01, affine: 0.02 },
        ],
    },
    strength: |Rubber { noise, sigma, affine }| {
        format!("noise {noise}, sigma {sigma}, corners {affine} of the side")
    },
    apply: |picture, Rubber { noise, sigma, affine }, random| {
        let side = picture.height().min(picture.width) as f64;
        let map = affine_map(picture, affine * side, random);
        let moved = warped(picture, |row, column| map(row as f64, column as f64));
        let mut field = || {
            let each = picture.values.iter().step_by(picture.colours);
            let values = each.map(|_| random.random_range(-1.0..1.0f32)).collect();
            blurred(&Picture { width: picture.width, colours: 1, values }, sigma * side)
        };
        let (right, down) = (field(), field());
        let at = |field: &Picture, row, column| noise * side * f64::from(field.at(row, column, 0));
        Ok(warped(&moved, |row, column| {
            (row as f64 + at(&down, row, column), column as f64 + at(&right, row, column))
        }))
    },
};

#[derive(Clone, Copy)]
pub(crate) struct Rubber {
    noise: f64,
    /// Of the blur that makes the noise smooth.
    sigma: f64,
    /// How far the three points are moved at most.
    affine: f64,
}

/// From where a pixel comes, by the affine map that moves three corners of a square in the middle, of
/// two thirds of the side, by up to `most` pixels each.
fn affine_map(
    picture: &Picture,
    most: f64,
    random: &mut ChaCha8Rng,
) -> impl Fn(f64, f64) -> Place + use<> {
    let (middle, centre) = ((picture.height() / 2) as f64, (picture.width / 2) as f64);
    let half = ((picture.height().min(picture.width) / 3) as f64).max(1.0);
    let mut moved = |right: f64, down: f64| -> Place {
        let mut by = || if most > 0.0 { random.random_range(-most..most) } else { 0.0 };
        (down * half + by(), right * half + by())
    };
    let (a, b, c) = (moved(1.0, 1.0), moved(1.0, -1.0), moved(-1.0, -1.0));
    // The map is linear about the middle of the first and the last, which were opposite.
    let shift = ((a.0 + c.0) / 2.0, (a.1 + c.1) / 2.0);
    let down = ((a.0 - b.0) / (2.0 * half), (a.1 - b.1) / (2.0 * half));
    let right = ((b.0 - c.0) / (2.0 * half), (b.1 - c.1) / (2.0 * half));
    let area = down.0 * right.1 - down.1 * right.0;
    move |row, column| {
        let (y, x) = (row - middle - shift.0, column - centre - shift.1);
        (middle + (y * right.1 - x * right.0) / area, centre + (x * down.0 - y * down.1) / area)
    }
}

//! A zigzag line.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::corruption::{Constants, Corruption};
use super::line::line;
use super::warp::Place;
use crate::Effect;
use crate::content::{Kind, Picture};

/// Lines from the left to the right side, in zigzag. MNIST-C has the third
/// strength, the others are ours.
pub(crate) const ZIGZAG: Corruption<(usize, f32)> = Corruption {
    name: "zigzag",
    about: "zigzag lines across it",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([(1, 0.4), (1, 0.7), (1, 1.0), (2, 1.0), (3, 1.0)]),
    strength: |(lines, bright)| format!("{lines} of brightness {bright}"),
    apply: |picture, (lines, bright), random| {
        let mut picture = picture.clone();
        for _ in 0..lines {
            for ends in corners(&picture, random).windows(2) {
                picture = picture.made_of(|row, column, colour| {
                    picture.at(row, column, colour) + bright * line(ends[0], ends[1], row, column)
                });
            }
        }
        Ok(picture)
    },
};

/// Half the length of a zigzag, and its height, in pixels.
const REACH: f64 = 2.0;

/// Where a zigzag line turns, from two pixels after the left side to two before the right one.
fn corners(picture: &Picture, random: &mut ChaCha8Rng) -> Vec<Place> {
    let first = f64::from(random.random_range(0..picture.height().max(2) as u32 - 1));
    let (across, down) = (picture.width as f64 - 5.0, f64::from(random.random_range(-5..5)));
    if across <= 0.0 {
        return Vec::new();
    }
    let (sin, cos) = (down / across).atan().sin_cos();
    let length = across / cos;
    let turns = ((length - REACH) / (2.0 * REACH)).floor() as i32 + 1;
    let turn = |number: i32| {
        (if number % 2 == 0 { REACH } else { -REACH }, f64::from(2 * number + 1) * REACH)
    };
    let mut places: Vec<Place> = [(0.0, 0.0)].into_iter().chain((0..turns).map(turn)).collect();
    let rest = length % (2.0 * REACH);
    if rest > 0.0 {
        let last = places.last().map_or(0.0, |place| place.0);
        places.push((last / (2.0 * rest), length));
    }
    let turned =
        |(down, along): Place| (sin * along + cos * down + first, cos * along - sin * down + 2.0);
    places.into_iter().map(turned).collect()
}

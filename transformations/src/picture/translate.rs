//! Moved.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::Kind;

/// Moved by so many 28ths of the side in both directions, on black: pixels, in MNIST-C, of whose code the
/// strengths are and which published the third.
pub(crate) const TRANSLATE: Corruption<usize> = Corruption {
    name: "translate",
    about: "moved along both sides",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([1, 2, 3, 4, 5]),
    strength: |by| format!("±{by}/28 of the sides"),
    apply: |picture, by, random| {
        let mut by = |size: usize| {
            let by = (by * size).div_ceil(28) as i64;
            if random.random() { by } else { -by }
        };
        let (right, down) = (by(picture.width), by(picture.height()));
        Ok(picture.made_of(|row, column, colour| {
            picture.or_black(row as i64 - down, column as i64 - right, colour)
        }))
    },
};

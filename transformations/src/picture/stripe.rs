//! Stripes at the sides.

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::Kind;

/// So many 28ths of the width at either side become their negative. MNIST-C has the third strength, the
/// others are ours.
pub(crate) const STRIPE: Corruption<usize> = Corruption {
    name: "stripe",
    about: "the left and right sides inverted",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([3, 5, 7, 9, 11]),
    strength: |columns| format!("{columns}/28 of the width, twice"),
    apply: |picture, columns, _| {
        let wide = columns * picture.width / 28;
        let inside = wide..picture.width - wide;
        Ok(picture.made_of(|row, column, colour| {
            let value = picture.at(row, column, colour);
            if inside.contains(&column) { value } else { 1.0 - value }
        }))
    },
};

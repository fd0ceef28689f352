//! A dotted line.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use super::line::line;
use crate::Effect;
use crate::content::Kind;

/// Lines from the left to the right side, two columns drawn and two left out. MNIST-C has the third
/// strength, the others are ours.
pub(crate) const DOTTED_LINE: Corruption<(usize, f32)> = Corruption {
    name: "dotted-line",
    about: "dotted lines across it",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([(1, 0.4), (1, 0.7), (1, 1.0), (2, 1.0), (3, 1.0)]),
    strength: |(lines, bright)| format!("{lines} of brightness {bright}"),
    apply: |picture, (lines, bright), random| {
        let mut picture = picture.clone();
        for _ in 0..lines {
            let mut end = || f64::from(random.random_range(0..picture.height().max(2) as u32 - 1));
            let (left, right) = ((end(), 0.0), (end(), (picture.width - 1) as f64));
            picture = picture.made_of(|row, column, colour| {
                let drawn = column / 2 % 2 == 1;
                let added = if drawn { bright * line(left, right, row, column) } else { 0.0 };
                picture.at(row, column, colour) + added
            });
        }
        Ok(picture)
    },
};

//! Behind frosted glass.

use rand::Rng;

use super::corruption::{Constants, Corruption};
use super::gaussian_blur::blurred;
use crate::Effect;
use crate::content::Kind;

/// Between two normal blurs, neighbouring pixels change places. MNIST-C moves each with a chance of one
/// half. CIFAR-10-C's code copies pixels where it means to exchange them; these are exchanged.
pub(crate) const GLASS_BLUR: Corruption<Glass> = Corruption {
    name: "glass-blur",
    about: "behind frosted glass: neighbours change places",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [
            Glass { sigma: 0.05, shift: 1, rounds: 1, share: 1.0 },
            Glass { sigma: 0.25, shift: 1, rounds: 1, share: 1.0 },
            Glass { sigma: 0.4, shift: 1, rounds: 1, share: 1.0 },
            Glass { sigma: 0.25, shift: 1, rounds: 2, share: 1.0 },
            Glass { sigma: 0.4, shift: 1, rounds: 2, share: 1.0 },
        ],
        imagenet: [
            Glass { sigma: 0.7, shift: 1, rounds: 2, share: 0.5 },
            Glass { sigma: 0.9, shift: 2, rounds: 1, share: 0.5 },
            Glass { sigma: 1.0, shift: 2, rounds: 3, share: 0.5 },
            Glass { sigma: 1.1, shift: 3, rounds: 2, share: 0.5 },
            Glass { sigma: 1.5, shift: 4, rounds: 2, share: 0.5 },
        ],
    },
    strength: |Glass { sigma, shift, rounds, .. }| {
        format!("sigma {sigma} px, up to {shift} px, {rounds} times")
    },
    apply: |picture, Glass { sigma, shift, rounds, share }, random| {
        let mut picture = blurred(picture, sigma);
        let (height, width, colours) = (picture.height(), picture.width, picture.colours);
        let inner = |size: usize| (shift + 1..(size + 1).saturating_sub(shift)).rev();
        for _ in 0..rounds {
            for row in inner(height) {
                for column in inner(width) {
                    if !random.random_bool(share) {
                        continue;
                    }
                    // Up to `shift` back, and less than that on.
                    let mut near =
                        |at: usize| at - shift + random.random_range(0..2 * shift as u32) as usize;
                    let (other_column, other_row) = (near(column), near(row));
                    for colour in 0..colours {
                        let at = |row, column| (row * width + column) * colours + colour;
                        picture.values.swap(at(row, column), at(other_row, other_column));
                    }
                }
            }
        }
        Ok(blurred(&picture, sigma))
    },
};

#[derive(Clone, Copy)]
pub(crate) struct Glass {
    sigma: f64,
    /// Furthest shift, in pixels.
    shift: usize,
    rounds: usize,
    /// Of the pixels, moved.
    share: f64,
}

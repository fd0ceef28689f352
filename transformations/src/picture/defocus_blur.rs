//! Out of focus, as a lens is.

use super::corruption::{Constants, Corruption};
use super::kernel::{Kernel, normal};
use crate::Effect;
use crate::content::Kind;

/// Each pixel becomes the mean over a disc, whose rim is smoothed.
pub(crate) const DEFOCUS_BLUR: Corruption<(f64, f64)> = Corruption {
    name: "defocus-blur",
    about: "out of focus: a disc for each pixel",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)],
        imagenet: [(3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)],
    },
    strength: |(radius, rim)| format!("radius {radius} px, rim {rim} px"),
    apply: |picture, (radius, rim), _| {
        let reach = radius as i64;
        let inside =
            |row: i64, column: i64| ((row * row + column * column) as f64) <= radius * radius;
        let soft: i64 = if radius > 8.0 { 2 } else { 1 };
        let kernel = (-reach..=reach).flat_map(|row| {
            (-reach..=reach).filter(move |&column| inside(row, column)).flat_map(move |column| {
                (-soft..=soft).flat_map(move |down| {
                    (-soft..=soft).map(move |right| {
                        (row + down, column + right, normal(down, rim) * normal(right, rim))
                    })
                })
            })
        });
        Ok(Kernel::new(kernel).over(picture))
    },
};

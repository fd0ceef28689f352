//! Colours too weak or too strong.

use anyhow::bail;

use super::corruption::{Constants, Corruption};
use crate::content::{Kind, Picture};
use crate::{Effect, Unchanged};

/// The S of HSV becomes a S + b. Grey pixels of a colour picture count as red with S = 0.
pub(crate) const SATURATE: Corruption<(f32, f32)> = Corruption {
    name: "saturate",
    about: "weaker or stronger colours: S of HSV",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
        imagenet: [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)],
    },
    strength: |(times, plus)| format!("S x {times} + {plus}"),
    apply: |picture, (times, plus), _| {
        if picture.colours < 3 {
            bail!(Unchanged);
        }
        let pixels = picture.values.chunks(picture.colours).flat_map(|pixel| {
            let most = pixel.iter().copied().fold(0.0, f32::max);
            let least = pixel.iter().copied().fold(1.0, f32::min);
            let old = if most > 0.0 { (most - least) / most } else { 0.0 };
            let new = (old * times + plus).clamp(0.0, 1.0);
            // Value and hue stay where all distances to the largest grow by the same factor.
            pixel.iter().enumerate().map(move |(colour, value)| match (old > 0.0, colour) {
                (true, _) => most - (most - value) * new / old,
                (false, 0) => most,
                (false, _) => most * (1.0 - new),
            })
        });
        Ok(Picture { values: pixels.collect(), ..*picture })
    },
};

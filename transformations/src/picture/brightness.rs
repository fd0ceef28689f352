//! More light.

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::{Kind, Picture};

/// The V of HSV is raised, which is the value itself where there is no colour.
pub(crate) const BRIGHTNESS: Corruption<f32> = Corruption {
    name: "brightness",
    about: "brighter: V of HSV",
    kinds: &[Kind::Picture, Kind::Path],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.05, 0.1, 0.15, 0.2, 0.3],
        imagenet: [0.1, 0.2, 0.3, 0.4, 0.5],
    },
    strength: |by| format!("+{by}"),
    apply: |picture, by, _| {
        let pixels = picture.values.chunks(picture.colours).flat_map(|pixel| {
            let old = pixel.iter().copied().fold(0.0, f32::max);
            let new = (old + by).min(1.0);
            // Hue and saturation stay where all colours grow by the same factor; black becomes grey.
            pixel.iter().map(move |value| if old > 0.0 { value / old * new } else { new })
        });
        Ok(Picture { values: pixels.collect(), ..*picture })
    },
};

//! Less contrast.

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::Kind;

/// Distances from the picture's mean, of each colour by itself, become shorter.
pub(crate) const CONTRAST: Corruption<f32> = Corruption {
    name: "contrast",
    about: "closer to the mean",
    kinds: &[Kind::Picture, Kind::Path],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.75, 0.5, 0.4, 0.3, 0.15],
        imagenet: [0.4, 0.3, 0.2, 0.1, 0.05],
    },
    strength: |times| format!("x {times}"),
    apply: |picture, times, _| {
        let pixels = picture.values.len() / picture.colours;
        let mean = |colour| {
            let values = picture.values.iter().skip(colour).step_by(picture.colours);
            (values.copied().map(f64::from).sum::<f64>() / pixels as f64) as f32
        };
        let means: Vec<f32> = (0..picture.colours).map(mean).collect();
        Ok(picture.made_of(|row, column, colour| {
            (picture.at(row, column, colour) - means[colour]) * times + means[colour]
        }))
    },
};

//! Too few pixels.

use std::ops::Range;

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::{Kind, Picture};

/// Made smaller and then as large as before, both by means over boxes, as Pillow makes them.
pub(crate) const PIXELATE: Corruption<f64> = Corruption {
    name: "pixelate",
    about: "fewer and larger pixels",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [0.95, 0.9, 0.85, 0.75, 0.65],
        imagenet: [0.6, 0.5, 0.4, 0.3, 0.25],
    },
    strength: |by| format!("{by} of the side"),
    apply: |picture, by, _| {
        let fewer = |size: usize| ((size as f64 * by) as usize).max(1);
        let (height, width) = (picture.height(), picture.width);
        let small = resized(picture, fewer(height), fewer(width));
        Ok(resized(&small, height, width))
    },
};

/// Of another size: each pixel the mean of those whose centres are in it, or the one that it is in.
fn resized(picture: &Picture, height: usize, width: usize) -> Picture {
    let rows: Vec<_> = (0..height).map(|row| source(row, picture.height(), height)).collect();
    let columns: Vec<_> = (0..width).map(|column| source(column, picture.width, width)).collect();
    let mut values = Vec::with_capacity(height * width * picture.colours);
    for rows in &rows {
        for columns in &columns {
            for colour in 0..picture.colours {
                let all = rows.clone().flat_map(|row| {
                    columns.clone().map(move |column| picture.at(row, column, colour))
                });
                values.push(all.sum::<f32>() / (rows.len() * columns.len()) as f32);
            }
        }
    }
    Picture { width, colours: picture.colours, values }
}

/// The pixels of `from` that pixel `at` of `to` is made of.
fn source(at: usize, from: usize, to: usize) -> Range<usize> {
    let scale = from as f64 / to as f64;
    let (centre, reach) = ((at as f64 + 0.5) * scale, 0.5 * scale.max(1.0));
    let first = ((centre - reach + 0.5) as usize).min(from - 1);
    first..((centre + reach + 0.5) as usize).clamp(first + 1, from)
}

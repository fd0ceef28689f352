//! The lens was turned.

use super::corruption::{Constants, Corruption};
use super::warp::warped;
use crate::Effect;
use crate::content::{Kind, Picture};

/// The mean of the picture and of it at growing zooms, the first of which is 1.
pub(crate) const ZOOM_BLUR: Corruption<(f64, f64)> = Corruption {
    name: "zoom-blur",
    about: "the mean of growing zooms",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [(1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)],
        imagenet: [(1.11, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)],
    },
    strength: |(most, _)| format!("up to {most} times"),
    apply: |picture, (most, step), _| {
        let steps = ((most - 1.0) / step).round() as i32;
        let mut sum = picture.clone();
        for number in 0..=steps {
            let zoomed = zoomed(picture, 1.0 + f64::from(number) * step);
            for (sum, value) in sum.values.iter_mut().zip(zoomed.values) {
                *sum += value;
            }
        }
        for value in &mut sum.values {
            *value /= (steps + 2) as f32;
        }
        Ok(sum)
    },
};

/// The middle of the picture, `zoom` times as large, by linear interpolation, as SciPy's `zoom` makes
/// it of whole pixels.
fn zoomed(picture: &Picture, zoom: f64) -> Picture {
    let from = |size: usize| {
        let kept = (size as f64 / zoom).ceil();
        let made = (kept * zoom).round().max(size as f64);
        let first = ((size as f64 - kept) / 2.0).floor();
        let cut = ((made - size as f64) / 2.0).floor();
        let step = if made > 1.0 { (kept - 1.0) / (made - 1.0) } else { 0.0 };
        move |at: usize| first + (at as f64 + cut) * step
    };
    let (row_of, column_of) = (from(picture.height()), from(picture.width));
    warped(picture, |row, column| (row_of(row), column_of(column)))
}

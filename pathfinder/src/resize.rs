//! Lanczos resampling of 8-bit images, and the stretch of other images to 8 bits.
//!
//! The published generator resizes with `scipy.misc.imresize(..., interp="lanczos")`, which is
//! Pillow's resampling: a Lanczos-3 kernel, widened by the scale when the image shrinks
//! (antialiasing), horizontally then vertically, with 8 bits between the two passes and
//! coefficients in 22-bit fixed point. [`resize`] returns the same bytes.

use std::f64::consts::PI;
use std::ops::Range;

use crate::raster::Canvas;

/// Fractional bits of a coefficient: 32 minus 8 for the sample and 2 for overshoot.
const PRECISION: u32 = 22;

/// Half the width of the Lanczos kernel, in samples of the coarser image.
const SUPPORT: f64 = 3.0;

/// The input samples that one output sample is made of, and their fixed-point weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

fn lanczos(x: f64) -> f64 {
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

/// Weights of output sample `at` when `from` samples become `to`.
fn taps(from: usize, to: usize, at: usize) -> Taps {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = SUPPORT * stretch;
    let centre = (at as f64 + 0.5) * scale;
    // Truncation of a value that may be negative: towards zero, as in C.
    let first = ((centre - support + 0.5) as i64).max(0) as usize;
    let end = ((centre + support + 0.5) as usize).min(from);
    let raw: Vec<f64> =
        (first..end).map(|i| lanczos((i as f64 - centre + 0.5) * (1.0 / stretch))).collect();
    let total: f64 = raw.iter().sum();
    let weights = raw
        .iter()
        .map(|w| {
            let fixed = w / total * f64::from(1u32 << PRECISION);
            (fixed + 0.5f64.copysign(fixed)) as i32
        })
        .collect();
    Taps { first, weights }
}

/// Rounds a fixed-point sum to a byte.
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

/// Resizes an image to `height` by `width` pixels.
pub fn resize(image: &Canvas, height: usize, width: usize) -> Canvas {
    resize_window(image, height, width, 0..height, 0..width)
}

/// The part `rows` by `columns` of [`resize`]'s result, without computing the rest.
///
/// # Panics
/// If a range ends beyond the resized image.
pub fn resize_window(
    image: &Canvas,
    height: usize,
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
) -> Canvas {
    assert!(rows.end <= height && columns.end <= width);
    let across: Vec<Taps> = columns.clone().map(|x| taps(image.width, width, x)).collect();
    let down: Vec<Taps> = rows.clone().map(|y| taps(image.height, height, y)).collect();
    let first_row = down.iter().map(|t| t.first).min().unwrap_or(0);
    let end_row = down.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);

    // Horizontal pass, only over the input rows that the vertical pass reads.
    let mut narrow = Canvas::new(end_row.saturating_sub(first_row), columns.len());
    for y in 0..narrow.height {
        let source = &image.pixels[(y + first_row) * image.width..][..image.width];
        for (x, tap) in across.iter().enumerate() {
            let sum: i32 =
                tap.weights.iter().zip(&source[tap.first..]).map(|(w, &p)| w * i32::from(p)).sum();
            narrow.pixels[y * narrow.width + x] = to_byte(sum + HALF);
        }
    }

    let mut out = Canvas::new(rows.len(), columns.len());
    for (y, tap) in down.iter().enumerate() {
        for x in 0..out.width {
            let column = narrow.pixels[(tap.first - first_row) * narrow.width + x..]
                .iter()
                .step_by(narrow.width);
            let sum: i32 = tap.weights.iter().zip(column).map(|(w, &p)| w * i32::from(p)).sum();
            out.pixels[y * out.width + x] = to_byte(sum + HALF);
        }
    }
    out
}

/// Stretches real values linearly so that the smallest becomes 0 and the largest 255, rounded.
///
/// This is what `scipy.misc` did to every array that was not 8-bit before it resized or saved it.
/// Equal values all become 0. `out` must be as long as `values`.
pub fn stretch_to_bytes(values: &[f64], out: &mut [u8]) {
    debug_assert_eq!(values.len(), out.len());
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if high > low { high - low } else { 1.0 };
    let scale = 255.0 / range;
    for (byte, &value) in out.iter_mut().zip(values) {
        *byte = (((value - low) * scale).clamp(0.0, 255.0) + 0.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(height: usize, width: usize) -> Canvas {
        let mut state = 7u32;
        let mut image = Canvas::new(height, width);
        for p in &mut image.pixels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *p = (state >> 24) as u8;
        }
        image
    }

    #[test]
    fn a_constant_stays_constant() {
        let mut image = Canvas::new(33, 41);
        image.pixels.fill(201);
        assert!(resize(&image, 17, 90).pixels.iter().all(|&p| p == 201));
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let image = noise(19, 23);
        assert_eq!(resize(&image, 19, 23), image);
    }

    #[test]
    fn a_window_is_cut_from_the_whole() {
        let image = noise(64, 48);
        let whole = resize(&image, 32, 24);
        for (rows, columns) in [(0..5, 0..24), (7..20, 3..11), (30..32, 20..24), (4..4, 0..1)] {
            let part = resize_window(&image, 32, 24, rows.clone(), columns.clone());
            for (y, row) in rows.clone().enumerate() {
                for (x, column) in columns.clone().enumerate() {
                    assert_eq!(part.pixels[y * part.width + x], whole.pixels[row * 24 + column]);
                }
            }
        }
    }

    #[test]
    fn stretching_fills_the_range() {
        let mut out = [9; 3];
        stretch_to_bytes(&[1.0, 2.0, 3.0], &mut out);
        assert_eq!(out, [0, 128, 255]);
        stretch_to_bytes(&[4.0; 3], &mut out);
        assert_eq!(out, [0; 3]);
    }
}

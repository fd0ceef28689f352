//! Spectrograms as pictures, for looking at generated audio in TensorBoard.

use rustfft::FftPlanner;

use crate::fourier::Complex;

/// Columns of a picture at most.
pub const MAX_WIDTH: usize = 1024;
/// Columns a second, where the width allows.
const COLUMNS_A_SECOND: usize = 100;
/// What is black, relative to a sine at full scale, which is the brightest.
const DARKEST_DB: f32 = -90.0;

/// The colour map "magma" (matplotlib), dark to bright: evenly spaced to the eye, also in grey.
pub const MAGMA: [[u8; 3]; 10] = [
    [0x00, 0x00, 0x04],
    [0x18, 0x0f, 0x3e],
    [0x45, 0x10, 0x77],
    [0x72, 0x1f, 0x81],
    [0x9f, 0x2f, 0x7f],
    [0xcd, 0x40, 0x71],
    [0xf1, 0x60, 0x5d],
    [0xfd, 0x95, 0x67],
    [0xfe, 0xc9, 0x8d],
    [0xfc, 0xfd, 0xbf],
];

/// A picture, 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row from the top.
    pub pixels: Vec<u8>,
}

/// The spectrogram of `samples` in [-1, 1] at `rate` Hz: time to the right, at most 1024 columns,
/// frequency from 0 at the bottom to rate / 2 at the top in `height` rows, from -90 dB (black) to a
/// sine at full scale (bright).
///
/// A column is a spectrum of 2 · `height` samples, or the mean power of several where the columns
/// are further apart. At least one column and one row are drawn.
pub fn spectrogram(samples: &[f32], rate: u32, height: usize) -> Image {
    let height = height.max(1);
    let frame = 2 * height;
    let hop = (rate as usize / COLUMNS_A_SECOND).max(samples.len().div_ceil(MAX_WIDTH)).max(1);
    let width = samples.len().div_ceil(hop).max(1);

    let turn = std::f64::consts::TAU / frame as f64;
    let hann: Vec<f64> = (0..frame).map(|n| 0.5 - 0.5 * (turn * n as f64).cos()).collect();
    // A sine of amplitude 1 at the middle of a bin has half the window's sum there.
    let full_scale = (hann.iter().sum::<f64>() / 2.0).powi(2);
    let fft = FftPlanner::new().plan_fft_forward(frame);

    let mut image = Image { width, height, pixels: vec![0; 3 * width * height] };
    let mut buffer = vec![Complex::default(); frame];
    for column in 0..width {
        let mut power = vec![0.0; height];
        let centres = (column * hop..(column + 1) * hop).step_by(height);
        let weight = 1.0 / (centres.len() as f64 * full_scale);
        for centre in centres {
            for (n, (z, hann)) in buffer.iter_mut().zip(&hann).enumerate() {
                let at = (centre + n).checked_sub(height);
                let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
                *z = (hann * f64::from(sample)).into();
            }
            fft.process(&mut buffer);
            power.iter_mut().zip(&buffer).for_each(|(sum, z)| *sum += weight * z.norm_sqr());
        }
        for (bin, power) in power.iter().enumerate() {
            let pixel = 3 * ((height - 1 - bin) * width + column);
            let brightness = 1.0 - 10.0 * power.log10() as f32 / DARKEST_DB;
            image.pixels[pixel..pixel + 3].copy_from_slice(&colour(brightness));
        }
    }
    image
}

/// From 0, dark, to 1, bright; anything else counts as the nearer of the two, NaN as dark.
pub fn colour(brightness: f32) -> [u8; 3] {
    let brightness = if brightness > 0.0 { brightness.min(1.0) } else { 0.0 };
    let position = brightness * (MAGMA.len() - 1) as f32;
    let low = (position as usize).min(MAGMA.len() - 2);
    let share = position - low as f32;
    std::array::from_fn(|i| {
        let (a, b) = (f32::from(MAGMA[low][i]), f32::from(MAGMA[low + 1][i]));
        (a + share * (b - a)).round() as u8
    })
}

//! Spectrograms as pictures, for looking at generated audio in TensorBoard.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Columns of a picture at most.
const MAX_WIDTH: usize = 1024;
/// Columns a second, where the width allows.
const COLUMNS_A_SECOND: usize = 100;
/// What is black, relative to a sine at full scale, which is the brightest.
const DARKEST_DB: f32 = -90.0;

/// The colour map "magma" (matplotlib), dark to bright: evenly spaced to the eye, also in grey.
const MAGMA: [[u8; 3]; 10] = [
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

    let turn = std::f32::consts::TAU / frame as f32;
    let hann: Vec<f32> = (0..frame).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect();
    // A sine of amplitude 1 at the middle of a bin has half the window's sum there.
    let full_scale = (hann.iter().sum::<f32>() / 2.0).powi(2);
    let fft = FftPlanner::new().plan_fft_forward(frame);

    let mut image = Image { width, height, pixels: vec![0; 3 * width * height] };
    let mut buffer = vec![Complex::default(); frame];
    for column in 0..width {
        let mut power = vec![0.0; height];
        let centres = (column * hop..(column + 1) * hop).step_by(height);
        let weight = 1.0 / (centres.len() as f32 * full_scale);
        for centre in centres {
            for (n, (z, hann)) in buffer.iter_mut().zip(&hann).enumerate() {
                let at = (centre + n).checked_sub(height);
                let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
                *z = (hann * sample).into();
            }
            fft.process(&mut buffer);
            power.iter_mut().zip(&buffer).for_each(|(sum, z)| *sum += weight * z.norm_sqr());
        }
        for (bin, power) in power.iter().enumerate() {
            let pixel = 3 * ((height - 1 - bin) * width + column);
            let brightness = 1.0 - 10.0 * power.log10() / DARKEST_DB;
            image.pixels[pixel..pixel + 3].copy_from_slice(&colour(brightness));
        }
    }
    image
}

/// From 0, dark, to 1, bright; anything else counts as the nearer of the two, NaN as dark.
fn colour(brightness: f32) -> [u8; 3] {
    let brightness = if brightness > 0.0 { brightness.min(1.0) } else { 0.0 };
    let position = brightness * (MAGMA.len() - 1) as f32;
    let low = (position as usize).min(MAGMA.len() - 2);
    let share = position - low as f32;
    std::array::from_fn(|i| {
        let (a, b) = (f32::from(MAGMA[low][i]), f32::from(MAGMA[low + 1][i]));
        (a + share * (b - a)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, rate: u32, samples: usize) -> Vec<f32> {
        let turn = std::f32::consts::TAU * hertz / rate as f32;
        (0..samples).map(|n| (turn * n as f32).sin()).collect()
    }

    fn row_brightness(image: &Image, row: usize, column: usize) -> u32 {
        let at = 3 * (row * image.width + column);
        image.pixels[at..at + 3].iter().map(|&c| u32::from(c)).sum()
    }

    #[test]
    fn a_tone_is_one_bright_row_where_it_should_be() {
        // 128 rows of 62.5 Hz: 2 kHz is bin 32.
        let image = spectrogram(&tone(2000.0, 16_000, 16_000), 16_000, 128);
        assert_eq!((image.width, image.height, image.pixels.len()), (100, 128, 3 * 12_800));
        let brightest = (0..128).max_by_key(|&row| row_brightness(&image, row, 50)).unwrap();
        assert_eq!(brightest, 127 - 32);
        let at = 3 * (brightest * image.width + 50);
        assert_eq!(image.pixels[at..at + 3], MAGMA[9]);
        for row in (0..128usize).filter(|row| row.abs_diff(brightest) > 3) {
            assert!(row_brightness(&image, row, 50) < 100, "row {row}");
        }
    }

    #[test]
    fn long_audio_is_not_wider_and_its_short_events_are_seen() {
        let mut samples = vec![0.0; 2_000_000];
        samples[1_000_500..1_001_000].copy_from_slice(&tone(4000.0, 16_000, 500));
        let image = spectrogram(&samples, 16_000, 64);
        assert!(image.width <= MAX_WIDTH && image.width > MAX_WIDTH / 2);
        let row = 63 - 32;
        let bright: Vec<usize> =
            (0..image.width).filter(|&column| row_brightness(&image, row, column) > 300).collect();
        assert!(!bright.is_empty() && bright.len() <= 2, "{bright:?}");
        assert!(bright[0].abs_diff(image.width / 2) <= 1, "{bright:?} of {}", image.width);
    }

    #[test]
    fn silence_nothing_and_nan_are_black() {
        for samples in [vec![0.0; 1000], vec![], vec![f32::NAN; 300]] {
            let image = spectrogram(&samples, 16_000, 32);
            assert!(image.pixels.chunks(3).all(|pixel| pixel == MAGMA[0]), "{}", samples.len());
        }
        assert_eq!(spectrogram(&[0.5], 0, 0).pixels.len(), 3);
    }

    #[test]
    fn brightness_grows_with_the_level() {
        let grey = |brightness| colour(brightness).iter().map(|&c| u32::from(c)).sum::<u32>();
        assert!((0..100).all(|i| grey(i as f32 / 100.0) <= grey((i + 1) as f32 / 100.0)));
        assert_eq!((colour(-1.0), colour(2.0)), (MAGMA[0], MAGMA[9]));
    }
}

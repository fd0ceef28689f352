//! Spectrograms show what is heard.

use dsp::spectrum::*;

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

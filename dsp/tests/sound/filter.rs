//! Filters keep what they should and remove the rest.

use std::f64::consts::TAU;

use dsp::filter::{convolve, high_pass, low_pass};

fn tone(rate: u32, frequency: f64) -> Vec<f32> {
    let step = TAU * frequency / f64::from(rate);
    (0..rate).map(|i| (step * f64::from(i)).sin() as f32).collect()
}

/// Level of `found` in dB, compared with `wanted`, away from the ends.
fn level(wanted: &[f32], found: &[f32]) -> f64 {
    assert_eq!(wanted.len(), found.len());
    let power = |samples: &[f32]| -> f64 {
        let middle = samples.len() / 4..samples.len() / 4 * 3;
        samples[middle].iter().map(|&x| f64::from(x).powi(2)).sum()
    };
    10.0 * (power(found) / power(wanted)).log10()
}

#[test]
fn convolution_is_its_sum() {
    let (a, b) = ([1.0, 2.0, -3.0, 0.5, 4.0], [0.5, -1.0, 2.0]);
    let mut expected = [0.0; 7];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            expected[i + j] += x * y;
        }
    }
    let found = convolve(&a, &b);
    assert_eq!(found.len(), 7);
    assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
    assert!(convolve(&[], &b).is_empty() && convolve(&a, &[]).is_empty());
}

#[test]
fn tones_pass_on_one_side_of_the_cut_off() {
    for rate in [8_000, 16_000, 44_100] {
        for cutoff in [500.0, 1_000.0, 2_000.0, 3_400.0] {
            let (below, above) = (tone(rate, cutoff - 120.0), tone(rate, cutoff + 120.0));
            let cases = [
                (level(&below, &low_pass(&below, rate, cutoff)), true),
                (level(&above, &low_pass(&above, rate, cutoff)), false),
                (level(&below, &high_pass(&below, rate, cutoff)), false),
                (level(&above, &high_pass(&above, rate, cutoff)), true),
            ];
            for (level, passes) in cases {
                let right = if passes { level.abs() < 0.05 } else { level < -60.0 };
                assert!(right, "{rate} Hz, cut off at {cutoff} Hz: {level:.2} dB");
            }
            let there = tone(rate, cutoff);
            let half = level(&there, &low_pass(&there, rate, cutoff));
            assert!((half + 6.02).abs() < 0.1, "{rate} Hz at {cutoff} Hz: {half:.2} dB");
        }
    }
}

#[test]
fn what_passes_keeps_its_place() {
    let input = tone(8_000, 300.0);
    let found = low_pass(&input, 8_000, 1_000.0);
    assert!((1_000..7_000).all(|i| (input[i] - found[i]).abs() < 1e-3));
    assert_eq!(low_pass(&input, 8_000, 4_000.0), input);
    assert!(low_pass(&[], 8_000, 1_000.0).is_empty());
    assert_eq!(low_pass(&[1.0], 8_000, 1_000.0).len(), 1);
}

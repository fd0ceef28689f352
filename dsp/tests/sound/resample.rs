//! Sounds keep what they are when their rate changes.

use std::f64::consts::TAU;

use proptest::prelude::*;

use dsp::resample::Resampler;

fn resample(from: u32, to: u32, input: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    let mut resampler = Resampler::new(from, to).unwrap();
    resampler.push(input, &mut out).unwrap();
    resampler.finish(&mut out).unwrap();
    out
}

fn sine(rate: u32, frequency: f64, length: usize) -> Vec<f32> {
    let step = TAU * frequency / f64::from(rate);
    (0..length).map(|i| (step * i as f64).sin() as f32).collect()
}

fn power(samples: impl Iterator<Item = f32>) -> f64 {
    samples.map(|x| f64::from(x).powi(2)).sum()
}

/// Signal to error ratio in dB, away from the ends.
fn snr(wanted: &[f32], found: &[f32]) -> f64 {
    assert_eq!(wanted.len(), found.len());
    let middle = 1000..wanted.len() - 1000;
    let (wanted, found) = (&wanted[middle.clone()], &found[middle]);
    let error = power(wanted.iter().zip(found).map(|(a, b)| a - b));
    10.0 * (power(wanted.iter().copied()) / error).log10()
}

#[test]
fn a_sine_stays_that_sine() {
    for (from, to) in
        [(44_100, 16_000), (16_000, 44_100), (48_000, 16_000), (22_050, 16_000), (8_000, 44_101)]
    {
        let input = sine(from, 440.0, from as usize);
        let ratio = snr(&sine(to, 440.0, to as usize), &resample(from, to, &input));
        assert!(ratio > 80.0, "{from} -> {to} Hz: {ratio:.1} dB");
    }
}

#[test]
fn what_lies_above_the_new_nyquist_frequency_is_removed() {
    let input = sine(44_100, 9_000.0, 44_100);
    let out = resample(44_100, 16_000, &input);
    let loudest = out[1000..15_000].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(loudest < 1e-4, "{loudest}");
}

#[test]
fn an_impulse_stays_in_its_place() {
    for (from, to) in [(44_100, 16_000), (16_000, 44_100), (8_000, 16_000), (96_000, 16_000)] {
        // At 0.5 s, which both rates have a sample for.
        let mut input = vec![0.0; from as usize];
        input[from as usize / 2] = 1.0;
        let out = resample(from, to, &input);
        let highest = (0..out.len()).max_by(|&i, &j| out[i].total_cmp(&out[j])).unwrap();
        assert_eq!(highest, to as usize / 2, "{from} -> {to} Hz");
        let around = |i: usize| (out[highest - i] - out[highest + i]).abs();
        assert!((1..50).all(|i| around(i) < 1e-6), "{from} -> {to} Hz: not symmetric");
    }
}

#[test]
fn equal_rates_copy() {
    let input = sine(16_000, 440.0, 777);
    assert_eq!(resample(16_000, 16_000, &input), input);
}

#[test]
fn samples_that_are_no_sound_are_refused() {
    assert!(Resampler::new(0, 16_000).is_err());
    assert!(Resampler::new(16_000, 1).is_err());
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut resampler = Resampler::new(44_100, 16_000).unwrap();
        assert!(resampler.push(&[0.0, bad], &mut Vec::new()).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn odd_blocks_give_what_one_block_gives(
        from in prop::sample::select(vec![8_000_u32, 11_025, 22_050, 44_100, 48_000]),
        to in prop::sample::select(vec![8_000_u32, 16_000, 22_050, 44_100]),
        length in 0_usize..20_000,
        block in 1_usize..5_000,
    ) {
        let input = sine(from, 440.0, length);
        let whole = resample(from, to, &input);
        let mut resampler = Resampler::new(from, to).unwrap();
        // The second stream shows that the first left nothing behind.
        for _ in 0..2 {
            let mut out = Vec::new();
            for block in input.chunks(block) {
                resampler.push(block, &mut out).unwrap();
            }
            resampler.finish(&mut out).unwrap();
            prop_assert_eq!(&out, &whole);
        }
        let expected = (length as f64 * f64::from(to) / f64::from(from)).round() as usize;
        prop_assert_eq!(whole.len(), expected);
    }
}

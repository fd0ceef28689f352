//! Convolution and filters.

use std::f64::consts::PI;

use crate::fourier::{self, Complex};

/// Seconds on either side of the middle of a filter. It passes from all to nothing within 170 Hz.
const REACH: f64 = 0.016;

/// The convolution of two signals, `signal.len() + response.len() - 1` samples; none if either is empty.
pub fn convolve(signal: &[f32], response: &[f32]) -> Vec<f32> {
    if signal.is_empty() || response.is_empty() {
        return Vec::new();
    }
    let length = signal.len() + response.len() - 1;
    let size = length.next_power_of_two();
    let spectrum = |samples: &[f32]| {
        let mut spectrum: Vec<Complex<f64>> =
            samples.iter().map(|&sample| f64::from(sample).into()).collect();
        spectrum.resize(size, Complex::default());
        fourier::forward(&mut spectrum);
        spectrum
    };
    let mut product = spectrum(signal);
    product.iter_mut().zip(spectrum(response)).for_each(|(x, y)| *x *= y);
    fourier::inverse(&mut product);
    product[..length].iter().map(|z| (z.re / size as f64) as f32).collect()
}

/// What of a signal of `rate` Hz lies below `cutoff` Hz, where half of the amplitude is left: a sinc in
/// a Blackman window, without delay. All of it where `cutoff` is at least half of `rate`.
pub fn low_pass(samples: &[f32], rate: u32, cutoff: f64) -> Vec<f32> {
    let rate = f64::from(rate);
    if cutoff >= rate / 2.0 {
        return samples.to_vec();
    }
    let reach = (rate * REACH).ceil() as i64;
    let taps = (-reach..=reach).map(|at| {
        let (phase, at) = (PI * at as f64 / (reach + 1) as f64, at as f64);
        let window = 0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos();
        let turn = 2.0 * PI * cutoff / rate;
        window * if at == 0.0 { turn / PI } else { (turn * at).sin() / (PI * at) }
    });
    let taps: Vec<f64> = taps.collect();
    let sum: f64 = taps.iter().sum();
    let taps: Vec<f32> = taps.iter().map(|tap| (tap / sum) as f32).collect();
    convolve(samples, &taps).into_iter().skip(reach as usize).take(samples.len()).collect()
}

/// What [`low_pass`] takes away.
pub fn high_pass(samples: &[f32], rate: u32, cutoff: f64) -> Vec<f32> {
    let low = low_pass(samples, rate, cutoff);
    samples.iter().zip(low).map(|(sample, low)| sample - low).collect()
}

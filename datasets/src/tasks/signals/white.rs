//! Noise of all frequencies up to a limit.

use std::f64::consts::SQRT_2;

use anyhow::{Result, ensure};
use dsp::fourier::{self, Complex};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use s4_config::Input;

use crate::shape::{Quantity, Series, Shape, Target};

/// Root mean square of the noise, before it is moved to begin at 0.
const RMS: f64 = 0.5;

/// Periodic noise: `length` samples, `dt` seconds apart, without frequencies above `limit` Hz and without a
/// mean. As in Nengo and in the official code it is moved to begin at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct White {
    pub(super) length: usize,
    pub(super) dt: f64,
    pub(super) limit: f64,
}

impl White {
    /// Checks that there is a frequency.
    ///
    /// # Errors
    /// If there is none, or more than samples have.
    pub(super) fn validate(&self) -> Result<()> {
        let Self { length, dt, limit } = *self;
        ensure!(
            (2..1 << 24).contains(&length),
            "data.length is {length}; it must be 2 to 16777215"
        );
        ensure!(
            dt > 0.0 && dt.is_finite() && limit * length as f64 * dt >= 1.0 && limit <= 0.5 / dt,
            "data.limit is {limit} Hz: of {length} samples {dt} s apart, noise has frequencies from {} to {} \
             Hz",
            1.0 / (length as f64 * dt),
            0.5 / dt
        );
        Ok(())
    }

    /// Noise goes in, and `steps` values of it are asked for; their squared error is relative to its power.
    pub(super) fn shape(steps: usize) -> Shape {
        let quantities = vec![Quantity { name: "signal".to_owned(), mean: 0.0, std: RMS }];
        Shape {
            input: Input::Values { features: 1 },
            target: Target::Series(Series { quantities, steps, past: None, quantiles: Vec::new() }),
        }
    }

    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let Self { length, dt, limit } = *self;
        let count = (limit * length as f64 * dt + 1e-9) as usize;
        // Of a real signal the upper half of the spectrum mirrors the lower one.
        let count = count.min((length - 1) / 2).max(1);
        let mut spectrum = vec![Complex::new(0.0, 0.0); length];
        let size = RMS / (SQRT_2 * (2.0 * count as f64).sqrt());
        for frequency in 1..=count {
            let mut part = || size * random.sample::<f64, _>(StandardNormal);
            let value = Complex::new(part(), part());
            spectrum[frequency] = value;
            spectrum[length - frequency] = value.conj();
        }
        fourier::inverse(&mut spectrum);
        let first = spectrum[0].re;
        spectrum.iter().map(|value| (value.re - first) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn noise_has_the_power_and_the_frequencies_that_are_asked_for() {
        let white = White { length: 1000, dt: 1e-3, limit: 50.0 };
        white.validate().unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut powers = 0.0;
        for _ in 0..40 {
            let noise = white.draw(&mut random);
            assert_eq!((noise.len(), noise[0]), (1000, 0.0));
            let mut spectrum: Vec<Complex<f64>> =
                noise.iter().map(|&value| Complex::new(f64::from(value), 0.0)).collect();
            fourier::forward(&mut spectrum);
            let power = |range: std::ops::RangeInclusive<usize>| -> f64 {
                spectrum[range].iter().map(|value| value.norm_sqr()).sum::<f64>() * 2.0 / 1e6
            };
            powers += power(1..=50);
            assert!(power(51..=500) < 1e-9);
        }
        // Of 40 times 100 squares of normal values.
        assert!((powers / 40.0 / RMS.powi(2) - 1.0).abs() < 0.1, "{powers}");
        for (length, dt, limit) in
            [(1, 1e-3, 50.0), (100, 1e-3, 5.0), (100, 1e-3, 501.0), (100, 0.0, 1.0)]
        {
            assert!(White { length, dt, limit }.validate().is_err());
        }
    }
}

//! From one sampling rate to another.

use anyhow::{Context, Result, ensure};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::read::RATES;

/// Frames of the windowed sinc on the side with the lower rate: the filter keeps the lowest 98.7% of
/// the band.
const FILTER: usize = 1024;

/// Louder samples are no sound, and the transforms could overflow.
const LOUDEST: f32 = 1e6;

/// Changes the rate of a stream of samples with a windowed sinc, applied through FFTs.
///
/// Lowering the rate removes what lies above the new Nyquist frequency. The filter's delay is taken
/// out: sample `i` of the output lies at the time `i / to`, as in the input. Samples at full scale
/// can come out slightly beyond [-1, 1].
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where the rates are equal.
    filter: Option<Filter>,
    /// Samples that came in and that went out.
    taken: u64,
    given: u64,
}

struct Filter {
    fft: Fft<f32>,
    /// Input that does not fill a chunk yet.
    pending: Vec<f32>,
    chunk: Vec<f32>,
    /// Output samples still to drop: the filter's delay.
    skip: usize,
}

impl Resampler {
    /// A resampler from `from` Hz to `to` Hz; a plain copy where they are equal.
    ///
    /// # Errors
    /// If a rate lies outside [`RATES`].
    pub fn new(from: u32, to: u32) -> Result<Self> {
        ensure!(
            RATES.contains(&from) && RATES.contains(&to),
            "cannot resample from {from} Hz to {to} Hz: choose rates from {} to {} Hz",
            RATES.start(),
            RATES.end()
        );
        let filter = if from == to { None } else { Some(Filter::new(from, to)?) };
        Ok(Self { from, to, filter, taken: 0, given: 0 })
    }

    /// Takes more input and appends to `out` what is ready.
    ///
    /// # Errors
    /// If a sample is not a number or absurdly large.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(input);
            return Ok(());
        };
        for &sample in input {
            ensure!(sample.abs() <= LOUDEST, "cannot resample a sample of {sample}");
        }
        self.taken += input.len() as u64;
        let before = out.len();
        filter.push(input, out)?;
        self.given += (out.len() - before) as u64;
        Ok(())
    }

    /// Appends the rest, so that `n` samples of input have become `n * to / from`, rounded, of
    /// output. The resampler is as new then.
    ///
    /// # Errors
    /// If the filter fails.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        let total = ((2 * u128::from(self.taken) * to + from) / (2 * from)) as u64;
        let before = out.len();
        let wanted = before + (total - self.given) as usize;
        let silence = vec![0.0; filter.fft.input_frames_max()];
        while out.len() < wanted {
            filter.push(&silence, out)?;
        }
        out.truncate(wanted);
        filter.reset();
        (self.taken, self.given) = (0, 0);
        Ok(())
    }
}

impl Filter {
    fn new(from: u32, to: u32) -> Result<Self> {
        let gcd = gcd(from, to);
        let (step_in, step_out) = ((from / gcd) as usize, (to / gcd) as usize);
        // An even number of steps puts the middle of the filter on a sample of both sides.
        let steps = FILTER.div_ceil(step_in.min(step_out)).next_multiple_of(2);
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            steps * step_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .with_context(|| format!("cannot resample from {from} Hz to {to} Hz"))?;
        let chunk = vec![0.0; fft.output_frames_max()];
        let skip = fft.output_delay();
        Ok(Self { fft, pending: Vec::new(), chunk, skip })
    }

    fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.pending.extend_from_slice(input);
        let size = self.fft.input_frames_max();
        let whole = self.pending.len() / size * size;
        for chunk in self.pending[..whole].chunks_exact(size) {
            let from = InterleavedSlice::new(chunk, 1, size)?;
            let length = self.chunk.len();
            let mut to = InterleavedSlice::new_mut(&mut self.chunk, 1, length)?;
            self.fft.process_into_buffer(&from, &mut to, None)?;
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            out.extend_from_slice(&self.chunk[skipped..]);
        }
        self.pending.drain(..whole);
        Ok(())
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.pending.clear();
        self.skip = self.fft.output_delay();
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

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
        for (from, to) in [
            (44_100, 16_000),
            (16_000, 44_100),
            (48_000, 16_000),
            (22_050, 16_000),
            (8_000, 44_101),
        ] {
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
}

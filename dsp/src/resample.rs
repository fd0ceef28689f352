//! From one sampling rate to another.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// Rates that a sound card or a data set could have, in Hz.
pub const RATES: RangeInclusive<u32> = 1_000..=768_000;

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
    fft: Fft<f64>,
    /// Input that does not fill a chunk yet.
    pending: Vec<f64>,
    chunk: Vec<f64>,
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
        self.pending.extend(input.iter().map(|&sample| f64::from(sample)));
        let size = self.fft.input_frames_max();
        let whole = self.pending.len() / size * size;
        for chunk in self.pending[..whole].chunks_exact(size) {
            let from = InterleavedSlice::new(chunk, 1, size)?;
            let length = self.chunk.len();
            let mut to = InterleavedSlice::new_mut(&mut self.chunk, 1, length)?;
            self.fft.process_into_buffer(&from, &mut to, None)?;
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            out.extend(self.chunk[skipped..].iter().map(|&sample| sample as f32));
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

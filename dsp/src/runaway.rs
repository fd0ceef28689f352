//! Watches generated audio as it streams, and says in plain words when it has run away: fallen
//! silent, stuck, clipping, grown without end, or turned into noise.
//!
//! Models of raw audio fail like this where errors feed on themselves. The signal is judged in
//! windows of 0.1 s; what is kept does not grow with its length.

use std::fmt;
use std::sync::Arc;

use derive_more::Display;
use rustfft::{Fft, FftPlanner};

use crate::fourier::Complex;

/// Spectra in a window, apart from those half-way between them.
const SEGMENTS: usize = 8;
/// Windows a second.
const WINDOWS_A_SECOND: usize = 10;
/// Below this level a window is silent.
const SILENCE_DBFS: f64 = -60.0;
/// The level that stands for no signal at all.
pub const FLOOR_DBFS: f64 = -120.0;
/// Samples from here on are at full scale: the highest 8-bit µ-law code decodes to 0.957.
const FULL_SCALE: f32 = 0.95;
/// Noise, clipping and growth are no accident after this many seconds.
const RUNAWAY_SECONDS: f64 = 0.8;
/// Silence and tones, which music has as well, after this many.
const STUCK_SECONDS: f64 = 2.0;
/// A clip that is nothing else from its beginning is stuck after this many.
const WHOLE_SECONDS: f64 = 0.95;
/// Of the samples of a window, or of all.
const CLIPPED_SHARE: [f64; 2] = [0.05, 0.01];
/// A rise without a break is growth from here on.
const GROWTH_DB: f64 = 20.0;
/// White noise in a window has about 0.93; a hiss of speech is less flat, or shorter.
const NOISE_FLATNESS: f64 = 0.8;
/// Quieter noise may be the background of a recording.
const NOISE_DBFS: f64 = -20.0;
/// The power of a pure tone that is in the main lobe of its peak.
const TONE_SHARE: f64 = 0.99;
/// How far the level of a stuck tone moves at most; struck strings decay.
const TONE_STEADY_DB: f64 = 1.0;

/// Judges a signal of one channel, nominally in [-1, 1].
pub struct Monitor {
    rate: u32,
    fft: Arc<dyn Fft<f64>>,
    hann: Vec<f64>,
    /// The window that is being filled.
    window: Vec<f32>,
    totals: Totals,
    streaks: Streaks,
    last: Last,
    tone: Tone,
    rising_from: f64,
}

/// Sums over all samples or windows.
#[derive(Debug, Default)]
struct Totals {
    samples: u64,
    sum: f64,
    squares: f64,
    peak: f64,
    clipped: u64,
    not_finite: u64,
    windows: u64,
    silent: u64,
    flatness: f64,
}

/// For how many windows, up to the latest, something has been so.
#[derive(Debug, Default)]
struct Streaks {
    silent: u64,
    constant: u64,
    clipped: u64,
    noise: u64,
    tone: u64,
    rising: u64,
}

/// The latest window.
#[derive(Debug, Default)]
struct Last {
    dbfs: f64,
    mean: f64,
    flatness: f64,
}

/// How the latest run of pure tone began.
#[derive(Debug, Default)]
struct Tone {
    bin: usize,
    dbfs: f64,
    hertz: f64,
}

/// What was heard so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Level about the mean, dB relative to a constant 1, at least -120.
    pub rms_dbfs: f64,
    /// Largest absolute sample.
    pub peak: f64,
    /// Share of samples at full scale, 0 to 1.
    pub clipped_share: f64,
    /// Share of windows below -60 dBFS, 0 to 1.
    pub silent_share: f64,
    /// Geometric over arithmetic mean of the power spectrum (Wiener entropy), averaged over the
    /// windows that are not silent: near 0 for tones, near 1 for white noise; 0 without any.
    pub spectral_flatness: f64,
    /// Mean of all samples.
    pub dc: f64,
}

/// One thing that is wrong; displayed as a line for people.
#[derive(Debug, Clone, PartialEq, Display)]
pub enum Warning {
    /// Samples that are NaN or infinite; they count as 0 elsewhere.
    #[display("{samples} samples are NaN or infinite")]
    NotFinite {
        /// How many.
        samples: u64,
    },
    /// Samples above full scale.
    #[display("samples go beyond full scale, up to {peak:.2}")]
    BeyondFullScale {
        /// The largest absolute one.
        peak: f64,
    },
    /// The level rises and rises.
    #[display("growing without a break, by {decibels:.0} dB in the last {seconds:.1} s")]
    Growing {
        /// By how much.
        decibels: f64,
        /// In how long, until now.
        seconds: f64,
    },
    /// Too many samples at full scale.
    #[display("clipping: {:.1}% of the samples are at full scale", 100.0 * share)]
    Clipping {
        /// Of all samples, 0 to 1.
        share: f64,
    },
    /// Nothing to hear up to now.
    #[display("silent (below {SILENCE_DBFS:.0} dBFS) for the last {seconds:.1} s")]
    Silence {
        /// For how long.
        seconds: f64,
    },
    /// One value all the time, away from 0.
    #[display("stuck at the value {value:.2} for the last {seconds:.1} s")]
    Constant {
        /// Which one.
        value: f64,
        /// For how long.
        seconds: f64,
    },
    /// Loud white noise up to now.
    #[display("loud white noise for the last {seconds:.1} s (spectral flatness {flatness:.2})")]
    Noise {
        /// Of the latest window.
        flatness: f64,
        /// For how long.
        seconds: f64,
    },
    /// A steady pure tone up to now.
    #[display("stuck on a pure tone near {hertz:.0} Hz for the last {seconds:.1} s")]
    Tone {
        /// Its frequency, to about 5 Hz.
        hertz: f64,
        /// For how long.
        seconds: f64,
    },
}

impl Monitor {
    /// A monitor of audio with `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        let segment = (rate as usize / (WINDOWS_A_SECOND * SEGMENTS)).max(16);
        let turn = std::f64::consts::TAU / segment as f64;
        Self {
            rate: rate.max(1),
            fft: FftPlanner::new().plan_fft_forward(segment),
            hann: (0..segment).map(|n| 0.5 - 0.5 * (turn * n as f64).cos()).collect(),
            window: Vec::with_capacity(SEGMENTS * segment),
            totals: Totals::default(),
            streaks: Streaks::default(),
            last: Last { dbfs: FLOOR_DBFS, ..Last::default() },
            tone: Tone::default(),
            rising_from: FLOOR_DBFS,
        }
    }

    /// The next samples, as many as there are.
    pub fn push(&mut self, samples: &[f32]) {
        for &sample in samples {
            let totals = &mut self.totals;
            totals.not_finite += u64::from(!sample.is_finite());
            let sample = if sample.is_finite() { sample } else { 0.0 };
            let wide = f64::from(sample);
            totals.samples += 1;
            totals.sum += wide;
            totals.squares += wide * wide;
            totals.peak = totals.peak.max(wide.abs());
            totals.clipped += u64::from(sample.abs() >= FULL_SCALE);
            self.window.push(sample);
            if self.window.len() == SEGMENTS * self.hann.len() {
                self.judge();
                self.window.clear();
            }
        }
    }

    /// Judges the window, which is full.
    fn judge(&mut self) {
        let length = self.window.len() as f64;
        let clipped = self.window.iter().filter(|x| x.abs() >= FULL_SCALE).count() as f64 / length;
        let mean = self.window.iter().map(|&x| f64::from(x)).sum::<f64>() / length;
        self.window.iter_mut().for_each(|x| *x -= mean as f32);
        let square = self.window.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / length;
        let dbfs = decibels(square);
        let still = dbfs < SILENCE_DBFS;
        let spectrum = if still { Spectrum::default() } else { self.spectrum() };
        let steady = self.streaks.tone > 0
            && spectrum.peak == self.tone.bin
            && (dbfs - self.tone.dbfs).abs() <= TONE_STEADY_DB;

        self.totals.windows += 1;
        self.totals.silent += u64::from(still);
        self.totals.flatness += spectrum.flatness;
        let streaks = &mut self.streaks;
        let follow = |streak: &mut u64, holds: bool| *streak = if holds { *streak + 1 } else { 0 };
        follow(&mut streaks.silent, still && mean.abs() < 0.01);
        follow(&mut streaks.constant, still && mean.abs() >= 0.01);
        follow(&mut streaks.clipped, clipped >= CLIPPED_SHARE[0]);
        follow(&mut streaks.noise, spectrum.flatness >= NOISE_FLATNESS && dbfs >= NOISE_DBFS);
        follow(&mut streaks.rising, dbfs > self.last.dbfs);
        if streaks.rising == 1 {
            self.rising_from = dbfs;
        }
        let pure = spectrum.peak_share >= TONE_SHARE;
        if pure && !steady {
            // A new tone, or none before.
            let crossings = self.window.windows(2).filter(|x| (x[0] < 0.0) != (x[1] < 0.0)).count();
            let hertz = crossings as f64 / 2.0 * f64::from(self.rate) / length;
            self.tone = Tone { bin: spectrum.peak, dbfs, hertz };
            streaks.tone = 0;
        }
        follow(&mut streaks.tone, pure);
        self.last = Last { dbfs, mean, flatness: spectrum.flatness };
    }

    /// Of the window, averaged over segments that overlap by half: single spectra of noise are
    /// not flat.
    fn spectrum(&self) -> Spectrum {
        let segment = self.hann.len();
        let mut power = vec![0.0f64; segment / 2];
        let mut buffer = vec![Complex::default(); segment];
        for start in (0..=self.window.len() - segment).step_by(segment / 2) {
            let samples = self.window[start..].iter().zip(&self.hann);
            buffer
                .iter_mut()
                .zip(samples)
                .for_each(|(z, (&x, hann))| *z = (f64::from(x) * hann).into());
            self.fft.process(&mut buffer);
            power.iter_mut().zip(&buffer).for_each(|(sum, z)| *sum += z.norm_sqr());
        }
        // The window's mean is off, but not each segment's: the lobe around 0 says nothing here.
        let power = &power[2..];
        let sum: f64 = power.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let logs: f64 = power.iter().map(|p| p.max(1e-12 * sum).ln()).sum();
        let count = power.len() as f64;
        let peak = power.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(k, _)| k);
        let lobe = &power[peak.saturating_sub(2)..power.len().min(peak + 3)];
        Spectrum {
            flatness: (logs / count).exp() / (sum / count),
            peak,
            peak_share: lobe.iter().sum::<f64>() / sum,
        }
    }

    /// What was heard so far; levels and shares are 0 or the lowest before the first sample.
    pub fn report(&self) -> Report {
        let totals = &self.totals;
        let ratio = |a: f64, b: u64| if b == 0 { 0.0 } else { a / b as f64 };
        let dc = ratio(totals.sum, totals.samples);
        Report {
            rms_dbfs: decibels(ratio(totals.squares, totals.samples) - dc * dc),
            peak: totals.peak,
            clipped_share: ratio(totals.clipped as f64, totals.samples),
            silent_share: ratio(totals.silent as f64, totals.windows),
            spectral_flatness: ratio(totals.flatness, totals.windows - totals.silent),
            dc,
        }
    }

    /// What is wrong with the signal as it is now; nothing for a sane one.
    pub fn warnings(&self) -> Vec<Warning> {
        let report = self.report();
        let streaks = &self.streaks;
        let window = (SEGMENTS * self.hann.len()) as f64 / f64::from(self.rate);
        let seconds = |streak: u64| streak as f64 * window;
        let runaway = |streak: u64| seconds(streak) >= RUNAWAY_SECONDS;
        let stuck = |streak: u64| {
            seconds(streak) >= STUCK_SECONDS
                || (streak == self.totals.windows && seconds(streak) >= WHOLE_SECONDS)
        };
        let rise = self.last.dbfs - self.rising_from;
        let mut warnings = Vec::new();
        let mut warn = |holds: bool, warning: Warning| {
            if holds {
                warnings.push(warning);
            }
        };
        let samples = self.totals.not_finite;
        warn(samples > 0, Warning::NotFinite { samples });
        // Rounding of a 1 is no excess.
        let peak = report.peak;
        warn(peak > 1.001, Warning::BeyondFullScale { peak });
        warn(
            runaway(streaks.rising) && rise >= GROWTH_DB,
            Warning::Growing { decibels: rise, seconds: seconds(streaks.rising) },
        );
        warn(
            runaway(streaks.clipped)
                || (report.clipped_share >= CLIPPED_SHARE[1] && runaway(self.totals.windows)),
            Warning::Clipping { share: report.clipped_share },
        );
        warn(stuck(streaks.silent), Warning::Silence { seconds: seconds(streaks.silent) });
        warn(
            stuck(streaks.constant),
            Warning::Constant { value: self.last.mean, seconds: seconds(streaks.constant) },
        );
        warn(
            runaway(streaks.noise),
            Warning::Noise { flatness: self.last.flatness, seconds: seconds(streaks.noise) },
        );
        warn(
            stuck(streaks.tone),
            Warning::Tone { hertz: self.tone.hertz, seconds: seconds(streaks.tone) },
        );
        warnings
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("rate", &self.rate).field("totals", &self.totals).finish()
    }
}

/// What one window's spectrum looks like.
#[derive(Debug, Default)]
struct Spectrum {
    flatness: f64,
    /// The strongest bin.
    peak: usize,
    /// Its lobe's share of the power.
    peak_share: f64,
}

/// Of a mean square.
fn decibels(square: f64) -> f64 {
    (10.0 * square.log10()).max(FLOOR_DBFS)
}

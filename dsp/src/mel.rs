//! Mel spectrograms, as librosa and torch compute them: what vocoders are conditioned on, and what
//! classifiers of sound see.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use anyhow::{Result, ensure};
use rustfft::{Fft, FftPlanner};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use crate::fourier::Complex;

/// What a mel spectrogram is made of.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MelConfig {
    /// Samples of a Fourier transform, even.
    #[default(1024)]
    pub n_fft: usize,
    /// Samples from one frame to the next.
    #[default(256)]
    pub hop: usize,
    /// Samples of the Hann window, which is in the middle of a frame; `n_fft` where it is missing.
    pub window: Option<usize>,
    /// Number of bands.
    #[default(80)]
    pub bands: usize,
    /// Lower edge of the lowest band, Hz.
    pub f_min: f64,
    /// Upper edge of the highest band, Hz; half the sampling rate where it is missing.
    pub f_max: Option<f64>,
    /// What the bands sum up: the spectrum's `magnitude` or its `power`.
    #[default(Sum::Magnitude)]
    pub sum: Sum,
    /// How it is expressed: `log`, ln max(x, 1e-5), or `decibels` below the loudest value, at most 80.
    #[default(Scale::Log)]
    pub scale: Scale,
    /// What stands before the first sample and behind the last: the signal mirrored (`reflect`), or
    /// `zeros`.
    #[default(Padding::Reflect)]
    pub padding: Padding,
}

/// What the bands sum up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sum {
    /// |z|.
    Magnitude,
    /// |z|².
    Power,
}

/// How a band's value is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// ln max(x, 1e-5).
    Log,
    /// Decibels of power relative to the loudest value of the clip, no less than -80.
    Decibels,
}

/// What surrounds the signal, so that frames are centred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// The signal mirrored at its first and last sample.
    Reflect,
    /// Silence.
    Zeros,
}

/// Smallest value that `log` distinguishes.
const LOG_FLOOR: f64 = 1e-5;
/// Smallest power that `decibels` distinguish.
const POWER_FLOOR: f64 = 1e-10;
/// Range of `decibels`.
const RANGE_DB: f64 = 80.0;

/// Computes mel spectrograms.
pub struct Mel {
    config: MelConfig,
    fft: Arc<dyn Fft<f64>>,
    window: Vec<f64>,
    /// Of each band the first bin and the weights from there on.
    bands: Vec<(usize, Vec<f64>)>,
}

impl fmt::Debug for Mel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mel").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Mel {
    /// Prepares spectrograms of sound at `rate` Hz.
    ///
    /// # Errors
    /// If a size or a frequency is out of range.
    pub fn new(config: &MelConfig, rate: u32) -> Result<Self> {
        let &MelConfig { n_fft, hop, bands, f_min, .. } = config;
        let size = config.window.unwrap_or(n_fft);
        let nyquist = f64::from(rate) / 2.0;
        let f_max = config.f_max.unwrap_or(nyquist);
        ensure!(n_fft >= 2 && n_fft % 2 == 0, "n_fft must be even and at least 2, got {n_fft}");
        ensure!((1..=n_fft).contains(&size), "window must be 1 to n_fft = {n_fft}, got {size}");
        ensure!(hop >= 1, "hop is 0; it must be at least 1");
        ensure!(bands >= 1, "bands is 0; there must be at least 1");
        ensure!(
            0.0 <= f_min && f_min < f_max && f_max <= nyquist,
            "0 <= f_min < f_max <= {nyquist} Hz (half the sampling rate) is needed, got {f_min} and \
             {f_max}"
        );
        let mut window = vec![0.0; n_fft];
        for (n, w) in window[(n_fft - size) / 2..][..size].iter_mut().enumerate() {
            *w = 0.5 - 0.5 * (TAU * n as f64 / size as f64).cos();
        }
        Ok(Self {
            fft: FftPlanner::new().plan_fft_forward(n_fft),
            window,
            bands: filters(bands, n_fft, f64::from(rate), f_min, f_max),
            config: config.clone(),
        })
    }

    /// Frames of a signal of `samples` samples: one every `hop`, the first around sample 0.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.config.hop
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.config.hop
    }

    /// Fewest samples that a spectrogram can be made of.
    pub fn shortest(&self) -> usize {
        match self.config.padding {
            Padding::Reflect => self.config.n_fft / 2 + 1,
            Padding::Zeros => 0,
        }
    }

    /// The spectrogram (bands, frames) of `samples`, row by row.
    ///
    /// # Errors
    /// If the signal is too short to be mirrored ([`Self::shortest`]).
    pub fn spectrogram(&self, samples: &[f32]) -> Result<Vec<f64>> {
        ensure!(
            samples.len() >= self.shortest(),
            "a mel spectrogram needs at least {} samples, got {}",
            self.shortest(),
            samples.len()
        );
        let (n_fft, frames) = (self.config.n_fft, self.frames(samples.len()));
        let mut mel = vec![0.0; self.bands.len() * frames];
        let mut buffer = vec![Complex::default(); n_fft];
        let mut scratch = vec![Complex::default(); self.fft.get_inplace_scratch_len()];
        let mut spectrum = vec![0.0; n_fft / 2 + 1];
        for frame in 0..frames {
            let first = (frame * self.config.hop) as isize - (n_fft / 2) as isize;
            for (at, (z, window)) in (first..).zip(buffer.iter_mut().zip(&self.window)) {
                *z = (window * self.sample(samples, at)).into();
            }
            self.fft.process_with_scratch(&mut buffer, &mut scratch);
            for (x, z) in spectrum.iter_mut().zip(&buffer) {
                *x = match self.config.sum {
                    Sum::Magnitude => z.norm(),
                    Sum::Power => z.norm_sqr(),
                };
            }
            for (row, (bin, weights)) in self.bands.iter().enumerate() {
                let sum = weights.iter().zip(&spectrum[*bin..]).map(|(w, x)| w * x).sum();
                mel[row * frames + frame] = sum;
            }
        }
        self.scale(&mut mel);
        Ok(mel)
    }

    fn sample(&self, samples: &[f32], at: isize) -> f64 {
        let last = samples.len() as isize - 1;
        let at = match self.config.padding {
            Padding::Reflect if at < 0 => -at,
            Padding::Reflect if at > last => 2 * last - at,
            _ => at,
        };
        let sample = usize::try_from(at).ok().and_then(|at| samples.get(at));
        sample.copied().unwrap_or(0.0).into()
    }

    fn scale(&self, mel: &mut [f64]) {
        match self.config.scale {
            Scale::Log => mel.iter_mut().for_each(|x| *x = x.max(LOG_FLOOR).ln()),
            Scale::Decibels => {
                let unit = match self.config.sum {
                    Sum::Magnitude => 20.0,
                    Sum::Power => 10.0,
                };
                let floor = match self.config.sum {
                    Sum::Magnitude => POWER_FLOOR.sqrt(),
                    Sum::Power => POWER_FLOOR,
                };
                let loudest = mel.iter().copied().fold(floor, f64::max);
                for x in mel {
                    *x = (unit * (x.max(floor) / loudest).log10()).max(-RANGE_DB);
                }
            }
        }
    }
}

/// Triangles of equal area, evenly spaced on Slaney's mel scale.
fn filters(
    bands: usize,
    n_fft: usize,
    rate: f64,
    f_min: f64,
    f_max: f64,
) -> Vec<(usize, Vec<f64>)> {
    let (low, high) = (to_mel(f_min), to_mel(f_max));
    let step = (high - low) / (bands + 1) as f64;
    let edges: Vec<f64> = (0..bands + 2).map(|i| from_mel(low + step * i as f64)).collect();
    let filter = |edges: &[f64]| {
        let [left, centre, right] = [edges[0], edges[1], edges[2]];
        let weight = |bin: usize| {
            let f = rate * bin as f64 / n_fft as f64;
            let triangle = ((f - left) / (centre - left)).min((right - f) / (right - centre));
            2.0 / (right - left) * triangle
        };
        let inside = |&bin: &usize| weight(bin) > 0.0;
        let first = (0..=n_fft / 2).find(inside).unwrap_or(0);
        let weights = (first..=n_fft / 2).take_while(inside).map(weight).collect();
        (first, weights)
    };
    edges.windows(3).map(filter).collect()
}

/// Slaney's scale is linear below this frequency, 15 mel, and logarithmic above.
const LINEAR_BELOW: f64 = 1000.0;
const HZ_A_MEL: f64 = 200.0 / 3.0;

/// Growth of ln Hz with each mel above [`LINEAR_BELOW`].
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn to_mel(hz: f64) -> f64 {
    if hz < LINEAR_BELOW {
        return hz / HZ_A_MEL;
    }
    LINEAR_BELOW / HZ_A_MEL + (hz / LINEAR_BELOW).ln() / log_step()
}

fn from_mel(mel: f64) -> f64 {
    let above = mel - LINEAR_BELOW / HZ_A_MEL;
    if above < 0.0 {
        return mel * HZ_A_MEL;
    }
    LINEAR_BELOW * (above * log_step()).exp()
}

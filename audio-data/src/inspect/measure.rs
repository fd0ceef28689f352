//! How loud a sound is, and what is wrong with it, in one pass.

use serde::Serialize;

/// Quieter is silence: -60 dBFS.
const SILENCE: f32 = 0.001;
/// Silence is judged in stretches of this many seconds.
const STRETCH: f64 = 0.02;
/// What counts as full scale: 8-bit samples end at 0.992.
const FULL_SCALE: f32 = 0.99;
/// So many equal samples in a row, at full scale, are a flat top and not a peak.
const FLAT_TOP: u64 = 3;

/// Levels of a sound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Levels {
    /// Largest magnitude in dB of full scale; `None` for digital silence.
    pub peak_dbfs: Option<f64>,
    /// Root of the mean square, in dB of full scale; `None` for digital silence.
    pub rms_dbfs: Option<f64>,
    /// Mean, of full scale.
    pub offset: f64,
    /// Share of samples that lie in flat tops at full scale.
    pub clipped: f64,
    /// Share of the time that is below -60 dBFS.
    pub silent: f64,
}

/// Takes samples, returns [`Levels`].
pub(super) struct Measure {
    stretch: u64,
    frames: u64,
    peak: f32,
    sum: f64,
    squares: f64,
    clipped: u64,
    silent: u64,
    /// The last sample and how often in a row it came.
    run: (f32, u64),
    /// Largest magnitude and length of the stretch so far.
    current: (f32, u64),
}

impl Measure {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            stretch: (f64::from(rate) * STRETCH) as u64,
            frames: 0,
            peak: 0.0,
            sum: 0.0,
            squares: 0.0,
            clipped: 0,
            silent: 0,
            run: (0.0, 0),
            current: (0.0, 0),
        }
    }

    pub(super) fn push(&mut self, samples: &[f32]) {
        for &sample in samples {
            let magnitude = sample.abs();
            self.sum += f64::from(sample);
            self.squares += f64::from(sample).powi(2);
            self.peak = self.peak.max(magnitude);

            self.run = if sample == self.run.0 { (sample, self.run.1 + 1) } else { (sample, 1) };
            if magnitude >= FULL_SCALE && self.run.1 >= FLAT_TOP {
                // The samples that made it a run count as well.
                self.clipped += if self.run.1 == FLAT_TOP { FLAT_TOP } else { 1 };
            }

            self.current = (self.current.0.max(magnitude), self.current.1 + 1);
            if self.current.1 == self.stretch {
                self.silent += self.silent_now();
                self.current = (0.0, 0);
            }
        }
        self.frames += samples.len() as u64;
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples of the stretch so far, if it is silent.
    fn silent_now(&self) -> u64 {
        if self.current.0 < SILENCE { self.current.1 } else { 0 }
    }

    pub(super) fn levels(&self) -> Levels {
        let frames = self.frames.max(1) as f64;
        Levels {
            peak_dbfs: dbfs(self.peak.into()),
            rms_dbfs: dbfs((self.squares / frames).sqrt()),
            offset: self.sum / frames,
            clipped: self.clipped as f64 / frames,
            silent: (self.silent + self.silent_now()) as f64 / frames,
        }
    }
}

impl Levels {
    /// Levels of several sounds, each given with its duration.
    pub(super) fn together(sounds: &[(f64, &Self)]) -> Self {
        let total: f64 = sounds.iter().map(|(seconds, _)| seconds).sum();
        let mean = |of: fn(&Self) -> f64| {
            let sum: f64 = sounds.iter().map(|(seconds, levels)| seconds * of(levels)).sum();
            if total > 0.0 { sum / total } else { 0.0 }
        };
        let square = mean(|levels| levels.rms_dbfs.map_or(0.0, |rms| 10f64.powf(rms / 10.0)));
        Self {
            peak_dbfs: sounds.iter().filter_map(|(_, levels)| levels.peak_dbfs).reduce(f64::max),
            rms_dbfs: dbfs(square.sqrt()),
            offset: mean(|levels| levels.offset),
            clipped: mean(|levels| levels.clipped),
            silent: mean(|levels| levels.silent),
        }
    }
}

fn dbfs(magnitude: f64) -> Option<f64> {
    (magnitude > 0.0).then(|| 20.0 * magnitude.log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(samples: &[f32]) -> Levels {
        let mut measure = Measure::new(16_000);
        // Blocks of an odd size, so that runs and stretches go across them.
        samples.chunks(7).for_each(|block| measure.push(block));
        assert_eq!(measure.frames(), samples.len() as u64);
        measure.levels()
    }

    fn sine(amplitude: f32) -> Vec<f32> {
        (0..16_000).map(|i| amplitude * (i as f32 * 0.1).sin()).collect()
    }

    #[test]
    fn a_sine_at_half_scale() {
        let Levels { peak_dbfs, rms_dbfs, offset, clipped, silent } = levels(&sine(0.5));
        assert!((peak_dbfs.unwrap() + 6.02).abs() < 0.01);
        assert!((rms_dbfs.unwrap() + 9.03).abs() < 0.01);
        assert!(offset.abs() < 1e-3);
        assert_eq!((clipped, silent), (0.0, 0.0));
    }

    #[test]
    fn flat_tops_are_clipped_and_peaks_are_not() {
        let cut: Vec<_> = sine(1.5).iter().map(|x| x.clamp(-1.0, 1.0)).collect();
        // Of a period, 4 acos(1 / 1.5) / 2π lie above full scale.
        assert!((levels(&cut).clipped - 0.535).abs() < 0.01);
        assert_eq!(levels(&sine(1.0)).clipped, 0.0);
        assert_eq!(levels(&[1.0, 1.0, -1.0, -1.0, 0.5, 0.5, 0.5]).clipped, 0.0);
        assert_eq!(levels(&[0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).clipped, 0.5);
    }

    #[test]
    fn silence_is_told_by_stretches() {
        assert_eq!(levels(&[0.0; 1000]).silent, 1.0);
        assert_eq!(levels(&[0.0; 1000]).peak_dbfs, None);
        assert_eq!(levels(&sine(0.0009)).silent, 1.0);
        let half = [sine(0.5), vec![0.0; 16_000]].concat();
        assert!((levels(&half).silent - 0.5).abs() < 0.01);
    }

    #[test]
    fn an_offset_is_the_mean() {
        let shifted: Vec<_> = sine(0.5).iter().map(|x| x + 0.1).collect();
        assert!((levels(&shifted).offset - 0.1).abs() < 1e-3);
    }

    #[test]
    fn together_longer_sounds_count_more() {
        let (loud, silent) = (levels(&sine(0.5)), levels(&[0.0; 100]));
        let both = Levels::together(&[(1.0, &loud), (3.0, &silent)]);
        assert_eq!(both.peak_dbfs, loud.peak_dbfs);
        assert!((both.rms_dbfs.unwrap() - (loud.rms_dbfs.unwrap() - 6.02)).abs() < 0.01);
        assert_eq!(both.silent, 0.75);
        let none = Levels::together(&[]);
        assert_eq!((none.peak_dbfs, none.silent), (None, 0.0));
    }
}

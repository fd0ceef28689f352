//! Recordings.

/// A recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples in a second.
    pub rate: u32,
    /// Samples, in [-1, 1].
    pub samples: Vec<f32>,
}

impl Sound {
    /// Mean of the squares of the samples.
    pub fn power(&self) -> f64 {
        power(&self.samples)
    }

    /// Sound at the same rate, of other samples, which are clipped to [-1, 1].
    pub fn of(&self, samples: impl IntoIterator<Item = f32>) -> Self {
        let samples = samples.into_iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
        Self { rate: self.rate, samples }
    }
}

/// Mean of the squares.
pub(crate) fn power(samples: &[f32]) -> f64 {
    let squares = samples.iter().map(|&sample| f64::from(sample).powi(2));
    squares.sum::<f64>() / samples.len().max(1) as f64
}

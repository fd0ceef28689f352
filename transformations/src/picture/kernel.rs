//! Convolution of pictures.

use crate::content::Picture;

/// Weights of neighbours, which sum to 1.
pub(super) struct Kernel {
    /// Rows down, columns to the right, weight.
    taps: Vec<(i64, i64, f64)>,
}

impl Kernel {
    /// The kernel of these weights, divided by their sum: rows down, columns to the right, weight.
    pub fn new(taps: impl IntoIterator<Item = (i64, i64, f64)>) -> Self {
        let mut taps: Vec<_> = taps.into_iter().filter(|tap| tap.2 > 0.0).collect();
        let sum: f64 = taps.iter().map(|tap| tap.2).sum();
        for tap in &mut taps {
            tap.2 /= sum;
        }
        Self { taps }
    }

    /// The picture whose pixels are weighted means of this one's, which goes on beyond its edges as it
    /// ends there: as scikit-image has it, where OpenCV would mirror it.
    pub fn over(&self, picture: &Picture) -> Picture {
        let (width, colours) = (picture.width, picture.colours);
        let values = (0..picture.values.len()).map(|index| {
            let (row, column) =
                ((index / colours / width) as i64, (index / colours % width) as i64);
            let weighted = self.taps.iter().map(|&(down, right, weight)| {
                f64::from(picture.nearest(row + down, column + right, index % colours)) * weight
            });
            weighted.sum::<f64>() as f32
        });
        Picture { values: values.collect(), ..*picture }
    }
}

/// The weight of a normal distribution at a distance; all of it at 0 where `sigma` is 0.
pub(super) fn normal(distance: i64, sigma: f64) -> f64 {
    if distance == 0 { 1.0 } else { (-0.5 * (distance as f64 / sigma).powi(2)).exp() }
}

//! The soft line that MNIST-C draws.

use super::warp::Place;

/// How bright a line between two places is at a pixel, from 0 to 1. It is drawn column by column, from
/// left to right, and fades out within 2.3 rows.
pub(super) fn line(from: Place, to: Place, row: usize, column: usize) -> f32 {
    let within = (column as f64) >= from.1.floor() && (column as f64) < to.1.ceil();
    if !within || from.1 == to.1 {
        return 0.0;
    }
    let slope = (to.0 - from.0) / (to.1 - from.1);
    let distance = (row as f64 - (from.0 + slope * (column as f64 - from.1))).abs();
    ((1.0 - distance.min(2.3) / 2.3).ln() + 1.0).max(0.0) as f32
}

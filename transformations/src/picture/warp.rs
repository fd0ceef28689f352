//! Pictures seen at other places.

use crate::content::Picture;

/// Row and column, or their change.
pub(super) type Place = (f64, f64);

/// The picture whose pixel at a place is this one's `from` there, between pixels by linear interpolation,
/// and black outside.
pub(super) fn warped(picture: &Picture, from: impl Fn(usize, usize) -> Place) -> Picture {
    let (height, width) = (picture.height() as f64, picture.width as f64);
    picture.made_of(|row, column, colour| {
        let (y, x) = from(row, column);
        // All that is far outside is as black as what is just outside.
        let (y, x) = (y.clamp(-2.0, height + 1.0), x.clamp(-2.0, width + 1.0));
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = ((y - top) as f32, (x - left) as f32);
        let (top, left) = (top as i64, left as i64);
        let across = |row| {
            let [a, b] = [left, left + 1].map(|column| picture.or_black(row, column, colour));
            a * (1.0 - right) + b * right
        };
        across(top) * (1.0 - down) + across(top + 1) * down
    })
}

/// The same by a linear map of (column, row) about the centre.
pub(super) fn warped_about_centre(picture: &Picture, map: [[f64; 2]; 2]) -> Picture {
    let (middle, centre) = ((picture.height() - 1) as f64 / 2.0, (picture.width - 1) as f64 / 2.0);
    warped(picture, |row, column| {
        let (y, x) = (row as f64 - middle, column as f64 - centre);
        let [x, y] = map.map(|[a, b]| a * x + b * y);
        (y + middle, x + centre)
    })
}

//! Edges only.

use super::components::components;
use super::corruption::{Constants, Corruption};
use super::gaussian_blur::blurred;
use crate::Effect;
use crate::content::{Kind, Picture};

/// Mixed with its edges, white on black. MNIST-C has the third strength, the others are ours.
pub(crate) const CANNY_EDGES: Corruption<(f32, f64)> = Corruption {
    name: "canny-edges",
    about: "edges in place of what they enclose",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([(0.4, 1.0), (0.7, 1.0), (1.0, 1.0), (1.0, 1.5), (1.0, 2.0)]),
    strength: |(share, sigma)| format!("share {share}, sigma {sigma} px"),
    apply: |picture, (share, sigma), _| {
        let edges = edges(picture, sigma);
        Ok(picture.made_of(|row, column, colour| {
            let edge = f32::from(u8::from(edges[row * picture.width + column]));
            picture.at(row, column, colour) * (1.0 - share) + edge * share
        }))
    },
};

/// Gradients below the first are no edge; those above the second are one.
const THRESHOLDS: [f32; 2] = [0.1, 0.2];

/// Which pixels are edges by Canny's algorithm, with the thresholds of scikit-image.
fn edges(picture: &Picture, sigma: f64) -> Vec<bool> {
    let smooth = blurred(&grey(picture), sigma);
    let (height, width) = (picture.height(), picture.width);
    let sobel = |row: usize, column: usize| {
        let at = |down, right| smooth.nearest(row as i64 + down, column as i64 + right, 0);
        let across = |right| at(-1, right) + 2.0 * at(0, right) + at(1, right);
        let along = |down| at(down, -1) + 2.0 * at(down, 0) + at(down, 1);
        (along(1) - along(-1), across(1) - across(-1))
    };
    let gradients: Vec<_> =
        (0..height * width).map(|pixel| sobel(pixel / width, pixel % width)).collect();
    let size = |row: usize, column: usize| {
        let (down, right) = gradients[row * width + column];
        down.hypot(right)
    };
    // An edge is no weaker than its two neighbours across it, which lie between pixels.
    let is_ridge = |row: usize, column: usize| {
        let (down, right) = gradients[row * width + column];
        let steep = down.abs() >= right.abs();
        let (major, minor) = if steep { (down, right) } else { (right, down) };
        let share = if major == 0.0 { 0.0 } else { (minor / major).abs() };
        let sign = |value: f32| if value >= 0.0 { 1 } else { -1 };
        [1, -1].into_iter().all(|side: isize| {
            let to = |down: isize, right: isize| {
                size(row.wrapping_add_signed(side * down), column.wrapping_add_signed(side * right))
            };
            let (vertical, horizontal) = (sign(down), sign(right));
            let straight = if steep { to(vertical, 0) } else { to(0, horizontal) };
            to(vertical, horizontal) * share + straight * (1.0 - share) <= size(row, column)
        })
    };
    let candidates: Vec<bool> = (0..height * width)
        .map(|pixel| {
            let (row, column) = (pixel / width, pixel % width);
            // The outermost pixels have no neighbours to compare with.
            let inside = (1..height.max(1) - 1).contains(&row) && (1..width - 1).contains(&column);
            inside && size(row, column) >= THRESHOLDS[0] && is_ridge(row, column)
        })
        .collect();
    let mut edges = vec![false; candidates.len()];
    for component in components(width, &candidates) {
        let sure = |&pixel: &usize| size(pixel / width, pixel % width) >= THRESHOLDS[1];
        if component.iter().any(sure) {
            for pixel in component {
                edges[pixel] = true;
            }
        }
    }
    edges
}

/// Its brightness to the eye, with the weights of Rec. 601.
fn grey(picture: &Picture) -> Picture {
    let brightness = |pixel: &[f32]| match *pixel {
        [red, green, blue] => 0.299 * red + 0.587 * green + 0.114 * blue,
        _ => pixel[0],
    };
    let values = picture.values.chunks(picture.colours).map(brightness).collect();
    Picture { width: picture.width, colours: 1, values }
}

//! Paddles: the short strokes that paths are made of, drawn once for every direction.
//!
//! A paddle is drawn on a canvas `antialias` times finer, as a line from the centre to a point
//! rounded to whole fine pixels, and resampled. Directions that round to the same point therefore
//! give the same paddle: of the 360 whole degrees and the directions between pixels on the circle
//! that [`crate::contour`] chooses from, only about 70 differ. A [`PaddleSet`] holds these and, for
//! every direction, all that the generator asks about it.

use std::collections::HashMap;
use std::f64::consts::{FRAC_PI_2, PI, TAU};

use crate::patch::{Footprint, Patch, head};
use crate::raster::{Point, displace, translate};
use crate::room::Room;
use crate::spec::Spec;

/// The opposite of an angle.
pub fn flip(angle: f64) -> f64 {
    if angle < 0.0 { angle + PI } else { angle - PI }
}

/// A point on the circle from which the next paddle of a path comes, relative to its centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingPoint {
    /// Offset `(dy, dx)` in pixels.
    pub offset: Point,
    /// Its direction from the centre, in (-pi, pi].
    pub angle: f64,
}

/// The distinct pixels on the circle of `radius` pixels, sampled once a pixel of arc, in order of
/// row, then column.
pub fn ring(radius: usize) -> Vec<RingPoint> {
    let radius = radius as f64;
    let step = 360.0 / (2.0 * radius * PI);
    let count = (360.0 / step).ceil() as usize;
    let mut offsets: Vec<Point> = (0..count)
        .map(|i| {
            let angle = i as f64 * step * PI / 180.0;
            // The generator truncates the sum of centre and offset, which is not negative.
            ((radius * angle.sin()).floor() as i32, (radius * angle.cos()).floor() as i32)
        })
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
        .into_iter()
        .map(|(dy, dx)| RingPoint { offset: (dy, dx), angle: f64::from(dy).atan2(f64::from(dx)) })
        .collect()
}

/// How much a path that goes towards `from` likes to turn towards `to`: a squared cosine of the
/// angle between them times `continuity`, 0 from a right angle on.
pub fn turn_weight(from: f64, to: f64, continuity: f64) -> f64 {
    let difference = (to - from).abs();
    let angle = difference.min(TAU - difference);
    let cosine = (angle * continuity).min(FRAC_PI_2).cos().max(0.0);
    cosine * cosine
}

/// A direction of a [`PaddleSet`], by number: first the whole degrees from -180, then the ring.
pub type Direction = usize;

/// How many directions are whole degrees.
pub const DEGREES: usize = 360;

/// Turn weights up to this are rounding errors of cos(pi / 2), too small to change a sum.
const NEGLIGIBLE: f64 = 1e-20;

/// One way to go on from a paddle: a ring point and its weight.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Number of the ring point.
    pub ring: u32,
    /// Offset from the centre of the ring.
    pub offset: Point,
    /// [`turn_weight`], not negligible.
    pub weight: f64,
}

/// Everything about paddles that depends only on the specification and one margin.
#[derive(Clone, Debug)]
pub struct PaddleSet {
    /// The margin it was made for, in pixels.
    pub margin: usize,
    length: f64,
    /// The distinct paddles.
    pub patches: Vec<Patch>,
    /// For each direction, the patch drawn when a path uses it.
    patch_of: Vec<usize>,
    footprints: Vec<Footprint>,
    angles: Vec<f64>,
    /// For each direction, the displacement to the next pivot.
    strides: Vec<(f64, f64)>,
    choices: Vec<Vec<Choice>>,
    /// For each patch, where it may start on an empty image; a side is at most 256 pixels.
    first_tails: Vec<Vec<(u8, u8)>>,
}

impl PaddleSet {
    /// Draws every paddle. The specification must be valid.
    pub fn new(spec: &Spec, margin: usize) -> Self {
        let ring = ring(spec.paddle_length + margin);
        let mut angles: Vec<f64> =
            (-180..180).map(|degree: i32| f64::from(degree) * PI / 180.0).collect();
        angles.extend(ring.iter().map(|point| point.angle));

        let mut patches = Vec::new();
        let mut footprints = Vec::new();
        let mut by_head: HashMap<Point, usize> = HashMap::new();
        let patch_of: Vec<usize> = angles
            .iter()
            .enumerate()
            .map(|(direction, &angle)| {
                // A path's first paddle is drawn from its tail on, all others backwards from
                // their head.
                let angle = if direction < DEGREES { angle } else { flip(angle) };
                let head = head(spec, margin, angle);
                *by_head.entry(head).or_insert_with(|| {
                    let patch = Patch::draw_to(spec, margin, head);
                    footprints.push(Footprint::of(&patch, spec.paddle_length + margin));
                    patches.push(patch);
                    patches.len() - 1
                })
            })
            .collect();

        let stride = (spec.paddle_length + 2 * margin) as f64;
        let strides = angles.iter().map(|a| (stride * a.sin(), stride * a.cos())).collect();
        let choices = angles
            .iter()
            .map(|&from| {
                ring.iter()
                    .enumerate()
                    .map(|(i, point)| Choice {
                        ring: i as u32,
                        offset: point.offset,
                        weight: turn_weight(from, point.angle, spec.continuity),
                    })
                    .filter(|choice| choice.weight > NEGLIGIBLE)
                    .collect()
            })
            .collect();

        // The first paddle of an image meets an empty mask: where it may start is known.
        let empty = Room::new(spec.size, spec.padding);
        let first_tails = footprints
            .iter()
            .map(|footprint| {
                let free = empty.free_tails(footprint, 2 * spec.seed_distance);
                free.iter().map(|(y, x)| (y as u8, x as u8)).collect()
            })
            .collect();

        Self {
            margin,
            length: spec.paddle_length as f64,
            patches,
            patch_of,
            footprints,
            angles,
            strides,
            choices,
            first_tails,
        }
    }

    /// The direction of -180 + `number` degrees.
    ///
    /// # Panics
    /// If `number` is not below 360.
    pub fn degree(&self, number: usize) -> Direction {
        assert!(number < DEGREES);
        number
    }

    /// The direction from the pivot to a ring point.
    pub fn towards(&self, ring: u32) -> Direction {
        DEGREES + ring as usize
    }

    /// The paddle of a direction: from its tail for whole degrees, from its head for ring points.
    pub fn patch(&self, direction: Direction) -> &Patch {
        &self.patches[self.patch_of[direction]]
    }

    /// The pixels that must be free for a path to start in a direction.
    pub fn footprint(&self, direction: Direction) -> &Footprint {
        &self.footprints[self.patch_of[direction]]
    }

    /// Where the first path of an image may start in a whole-degree direction.
    pub fn first_tails(&self, direction: Direction) -> &[(u8, u8)] {
        &self.first_tails[self.patch_of[direction]]
    }

    /// The ring points that a path going in a direction may turn to, in row-major order.
    pub fn choices(&self, direction: Direction) -> &[Choice] {
        &self.choices[direction]
    }

    /// The pivot after `pivot`, which lies `length + 2 * margin` further on.
    pub fn next_pivot(&self, pivot: Point, direction: Direction) -> Point {
        displace(pivot, self.strides[direction])
    }

    /// Head and pivot of a path's first paddle.
    pub fn head_and_pivot(&self, tail: Point, direction: Direction) -> (Point, Point) {
        let angle = self.angles[direction];
        let back = if angle + PI < PI { angle + PI } else { angle - PI };
        let head = translate(tail, angle, self.length);
        (head, translate(head, back, self.length + self.margin as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Difficulty, OFFICIAL_SIZES};

    #[test]
    fn paddles_equal_their_naive_twins() {
        for size in OFFICIAL_SIZES {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            for &margin in &spec.margins {
                let set = PaddleSet::new(&spec, margin);
                for direction in (0..set.angles.len()).step_by(7) {
                    let angle = set.angles[direction];
                    let drawn = if direction < DEGREES { angle } else { flip(angle) };
                    assert_eq!(*set.patch(direction), Patch::draw_naive(&spec, margin, drawn));
                }
                assert!(set.patches.len() < 120, "{} paddles", set.patches.len());
            }
        }
    }

    #[test]
    fn brightest_pixels_are_as_published() {
        let peaks = |size| {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            let peaks: Vec<f64> = spec
                .margins
                .iter()
                .flat_map(|&margin| PaddleSet::new(&spec, margin).patches)
                .map(|patch| f64::from(*patch.line.iter().max().unwrap()) / 255.0)
                .collect();
            let low = peaks.iter().copied().fold(1.0, f64::min);
            let high = peaks.iter().copied().fold(0.0, f64::max);
            ((low * 100.0).round() / 100.0, (high * 100.0).round() / 100.0)
        };
        assert_eq!(peaks(32), (0.40, 0.60));
        assert_eq!(peaks(64), (0.50, 1.0));
        assert_eq!(peaks(128), (0.82, 1.0));
    }

    #[test]
    fn a_ring_is_the_same_about_every_centre() {
        for radius in 2..12usize {
            let expected: Vec<Point> = ring(radius).iter().map(|p| p.offset).collect();
            for centre in (0..300).step_by(7) {
                let r = radius as f64;
                let step = 360.0 / (2.0 * r * PI);
                let mut found = Vec::new();
                let mut i = 0.0;
                while i * step < 360.0 {
                    let angle: f64 = i * step * PI / 180.0;
                    let y = (f64::from(centre) + r * angle.sin()).floor() as i32;
                    let x = (f64::from(centre) + r * angle.cos()).floor() as i32;
                    found.push((y - centre, x - centre));
                    i += 1.0;
                }
                found.sort_unstable();
                found.dedup();
                assert_eq!(found, expected, "radius {radius} centre {centre}");
            }
        }
    }

    #[test]
    fn rings_have_at_most_a_point_for_each_pixel_of_arc() {
        assert_eq!(ring(3).len(), 18);
        assert!(ring(15).len() <= 95);
    }

    #[test]
    fn turning_is_weighted_by_a_squared_cosine() {
        assert_eq!(turn_weight(0.3, 0.3, 1.8), 1.0);
        assert!((turn_weight(0.0, PI / 4.0, 1.0) - 0.5).abs() < 1e-12);
        assert!((turn_weight(-3.0, 3.0, 1.0) - (TAU - 6.0).cos().powi(2)).abs() < 1e-12);
        assert!(turn_weight(0.0, FRAC_PI_2, 1.0) < 1e-30);
        assert!(turn_weight(0.0, PI, 1.8) < 1e-30);
    }
}

//! Paths: seeding the first paddle and extending it, one paddle at a time.

use std::sync::LazyLock;

use rand::Rng;

use crate::mask::{Occupancy, mask_value};
use crate::paddle::{Choice, DEGREES, Direction, PaddleSet};
use crate::raster::Point;
use crate::room::Room;
use crate::spec::Spec;

/// Draws at each step before the step fails: the first and two repetitions.
pub const PADDLE_TRIES: usize = 3;

/// A weight sum below this is a dead end.
pub const DEAD_END: f64 = 1e-4;

/// Free pixels, as a share of the image, below which no distractor is seeded.
pub const FULL: f64 = 0.01;

/// Width of the border that counts as taken when a distractor is seeded.
pub const DISTRACTOR_BORDER: usize = 1;

/// A paddle to be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Which paddle.
    pub direction: Direction,
    /// Where its patch is centred.
    pub at: Point,
    /// Its brightness relative to full.
    pub contrast: f64,
}

/// The growing end of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// About this point, `length + margin` away, the last paddle's head was chosen.
    pivot: Point,
    /// The last paddle's direction, in which the path goes on.
    direction: Direction,
    /// Where the last paddle is: drawn, but not yet taken in the mask, since the next one may touch
    /// it. The outer end of the path.
    tip: Point,
}

impl Path {
    /// Takes the last paddle's pixels, when the path is finished.
    pub fn settle(&self, mask: &mut Occupancy, set: &PaddleSet) {
        mask.merge(&set.patch(self.direction).occupancy, self.tip);
    }

    /// The path that begins at `tail`, if its first paddle is inside the image.
    fn start(set: &PaddleSet, mask: &Occupancy, tail: Point, direction: Direction) -> Option<Self> {
        let (head, pivot) = set.head_and_pivot(tail, direction);
        let inside = mask.contains(head) && mask.contains(pivot);
        inside.then_some(Self { pivot, direction, tip: tail })
    }

    /// Adds a paddle that continues the path, and takes the pixels of the one before.
    ///
    /// Returns where it goes, or `None`, with nothing changed, if the path has come to a dead end
    /// or the paddles that were drawn collide.
    pub fn extend(
        &mut self,
        mask: &mut Occupancy,
        set: &PaddleSet,
        rng: &mut impl Rng,
    ) -> Option<(Direction, Point)> {
        let freedom = &FREEDOM;
        let pivot = set.next_pivot(self.pivot, self.direction);
        let choices = set.choices(self.direction);
        let place = |choice: &Choice| (pivot.0 + choice.offset.0, pivot.1 + choice.offset.1);
        let mut weights = [0.0; MAX_CHOICES];
        let weights = &mut weights[..choices.len()];
        let mut total = 0.0;
        for (weight, choice) in weights.iter_mut().zip(choices) {
            let at = place(choice);
            if mask.contains(at) {
                *weight = freedom[usize::from(mask.near(at))] * choice.weight;
                total += *weight;
            }
        }
        if total < DEAD_END {
            return None;
        }
        for _ in 0..PADDLE_TRIES {
            let choice = &choices[pick(weights, total, rng.random())];
            let (direction, at) = (set.towards(choice.ring), place(choice));
            if !mask.collides(&set.patch(direction).occupancy, at) {
                self.settle(mask, set);
                *self = Self { pivot, direction, tip: at };
                return Some((direction, at));
            }
        }
        None
    }
}

/// One minus the mask's value, for each of its 256 levels.
static FREEDOM: LazyLock<[f64; 256]> =
    LazyLock::new(|| std::array::from_fn(|v| 1.0 - mask_value(v as u8)));

/// More ring points than the longest paddle and widest margin allow.
const MAX_CHOICES: usize = 96;

/// The entry at which the cumulated share of the weights first exceeds `u`, from [0, 1).
fn pick(weights: &[f64], total: f64, u: f64) -> usize {
    let mut cumulated = 0.0;
    for (i, weight) in weights.iter().enumerate() {
        cumulated += weight / total;
        if cumulated > u {
            return i;
        }
    }
    // Only by rounding, when `u` is all but 1.
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}

/// Uniform among the entries; draws nothing if there is only one.
pub fn choose<T: Copy>(list: &[T], rng: &mut impl Rng) -> T {
    if list.len() == 1 { list[0] } else { list[rng.random_range(0..list.len() as u32) as usize] }
}

/// Two target paths that do not touch.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Where the paths start.
    pub origins: [Point; 2],
    /// Where they end.
    pub terminals: [Point; 2],
    /// Their paddles.
    pub strokes: Vec<Stroke>,
}

/// Tries once to draw both target paths; the mask must be empty, and holds both on success.
pub(super) fn target_paths(
    spec: &Spec,
    set: &PaddleSet,
    mask: &mut Occupancy,
    rng: &mut impl Rng,
) -> Option<Targets> {
    let contrasts = path_contrasts(spec, rng);
    let first_contrast = choose(&spec.paddle_contrasts, rng) * contrasts[0];
    let first = first_seed(set, mask, rng)?;
    let second_contrast = choose(&spec.paddle_contrasts, rng) * contrasts[1];
    let second = second_seed(spec, set, mask, first.tip, rng)?;

    let origins = [first.tip, second.tip];
    let mut strokes = Vec::with_capacity(2 * spec.contour_length);
    for (path, contrast) in [(&first, first_contrast), (&second, second_contrast)] {
        strokes.push(Stroke { direction: path.direction, at: path.tip, contrast });
    }
    let mut paths = [first, second];
    for _ in 1..spec.contour_length {
        // Both paths' paddles of a step share a contrast.
        let contrast = choose(&spec.paddle_contrasts, rng);
        for (path, path_contrast) in paths.iter_mut().zip(contrasts) {
            let (direction, at) = path.extend(mask, set, rng)?;
            strokes.push(Stroke { direction, at, contrast: contrast * path_contrast });
        }
    }
    // Only the second path's last paddle is taken in the mask: distractors may touch the end of
    // the first. So it is in the published generator.
    paths[1].settle(mask, set);
    Some(Targets { origins, terminals: [paths[0].tip, paths[1].tip], strokes })
}

/// The contrast of each target path: two from the shuffled doubled list.
pub fn path_contrasts(spec: &Spec, rng: &mut impl Rng) -> [f64; 2] {
    let list = &spec.path_contrasts;
    if list.len() == 1 {
        return [list[0]; 2];
    }
    let doubled = |i: usize| list[i % list.len()];
    let count = 2 * list.len() as u32;
    let first = rng.random_range(0..count) as usize;
    let second = rng.random_range(0..count - 1) as usize;
    [doubled(first), doubled(second + usize::from(second >= first))]
}

fn first_seed(set: &PaddleSet, mask: &Occupancy, rng: &mut impl Rng) -> Option<Path> {
    for _ in 0..PADDLE_TRIES {
        let direction = set.degree(rng.random_range(0..DEGREES as u32) as usize);
        let tails = set.first_tails(direction);
        if tails.is_empty() {
            return None;
        }
        let (y, x) = tails[rng.random_range(0..tails.len() as u32) as usize];
        let tail = (i32::from(y), i32::from(x));
        if let Some(path) = Path::start(set, mask, tail, direction) {
            return Some(path);
        }
    }
    None
}

fn second_seed(
    spec: &Spec,
    set: &PaddleSet,
    mask: &Occupancy,
    first_tail: Point,
    rng: &mut impl Rng,
) -> Option<Path> {
    for _ in 0..PADDLE_TRIES {
        let direction = set.degree(rng.random_range(0..DEGREES as u32) as usize);
        let bearing = f64::from(rng.random_range(0..DEGREES as u32)).to_radians();
        let tail = around(first_tail, bearing, spec.seed_distance);
        if let Some(path) = Path::start(set, mask, tail, direction) {
            return Some(path);
        }
    }
    None
}

/// The point nearest to `distance` from `centre` at `bearing`, halves to even as `numpy.round`.
pub fn around(centre: Point, bearing: f64, distance: usize) -> Point {
    let distance = distance as f64;
    (
        (f64::from(centre.0) + distance * bearing.sin()).round_ties_even() as i32,
        (f64::from(centre.1) + distance * bearing.cos()).round_ties_even() as i32,
    )
}

/// Tries once to draw a distractor where `room` has room. On failure the mask holds part of it and
/// must be restored.
pub(super) fn distractor(
    spec: &Spec,
    set: &PaddleSet,
    room: &Room,
    mask: &mut Occupancy,
    rng: &mut impl Rng,
) -> Option<Vec<Stroke>> {
    let contrast = choose(&spec.path_contrasts, rng);
    let mut path = distractor_seed(set, room, mask, rng)?;
    let mut strokes = vec![Stroke { direction: path.direction, at: path.tip, contrast }];
    for _ in 1..spec.distractor_length {
        let contrast = choose(&spec.path_contrasts, rng);
        let (direction, at) = path.extend(mask, set, rng)?;
        strokes.push(Stroke { direction, at, contrast });
    }
    path.settle(mask, set);
    Some(strokes)
}

fn distractor_seed(
    set: &PaddleSet,
    room: &Room,
    mask: &Occupancy,
    rng: &mut impl Rng,
) -> Option<Path> {
    let full = room.free_share() < FULL;
    for _ in 0..PADDLE_TRIES {
        let direction = set.degree(rng.random_range(0..DEGREES as u32) as usize);
        let free = room.free_tails(set.footprint(direction), DISTRACTOR_BORDER);
        if full || free.count() == 0 {
            return None;
        }
        let tail = free.nth(rng.random_range(0..free.count()))?;
        if let Some(path) = Path::start(set, mask, tail, direction) {
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Difficulty, Spec};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn picking_follows_the_weights() {
        let picked = |u| pick(&[1.0, 0.0, 2.0, 1.0, 0.0], 4.0, u);
        assert_eq!([0.0, 0.2, 0.25, 0.74, 0.75, 0.99, 1.0].map(picked), [0, 0, 2, 2, 3, 3, 3]);
    }

    #[test]
    fn contrasts_come_from_the_doubled_list() {
        let mut spec = Spec::official(32, Difficulty::Easy).unwrap();
        spec.path_contrasts = vec![1.0, 2.0];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let equal = (0..3000)
            .filter(|_| {
                let [a, b] = path_contrasts(&spec, &mut rng);
                a == b
            })
            .count();
        // Of four entries, the second equals the first with probability 1/3.
        assert!((900..1100).contains(&equal), "{equal}");
    }

    #[test]
    fn neighbouring_paddles_are_two_margins_apart() {
        let spec = Spec::official(128, Difficulty::Hard).unwrap();
        let set = PaddleSet::new(&spec, 2);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let targets = loop {
            let mut mask = Occupancy::new(spec.size, spec.padding, 2);
            if let Some(targets) = target_paths(&spec, &set, &mut mask, &mut rng) {
                break targets;
            }
        };
        assert_eq!(targets.strokes.len(), 28);
        let distance = |a: Point, b: Point| f64::from(a.0 - b.0).hypot(f64::from(a.1 - b.1));
        let [a, b] = targets.origins;
        assert!((distance(a, b) - 20.0).abs() < 1.0);
        // Heads of one path: a paddle, half a margin on either side, twice.
        for path in 0..2 {
            let heads: Vec<Point> =
                targets.strokes.iter().skip(2 + path).step_by(2).map(|s| s.at).collect();
            for pair in heads.windows(2) {
                let gap = distance(pair[0], pair[1]);
                assert!((3.0..=11.5).contains(&gap), "{gap}");
            }
        }
    }
}

//! The search for room: where in an image can a path start?
//!
//! The published generator dilates the whole mask with the paddle that would be drawn and takes
//! the pixels that stay below 0.3. Since the element is flat, that is a question about the pixels
//! above 0.3 alone, which are kept here as one bit each: dilating is shifting rows of bits.

use crate::patch::{Footprint, Patch};
use crate::raster::Point;
use crate::spec::REACH;

/// Bits to the left of column 0 in a row of bits, more than any footprint reaches.
const BIT_PADDING: usize = REACH;

/// The pixels of an image that block the start of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    side: usize,
    words: usize,
    /// `words` words a row; bit `x + BIT_PADDING` is column x.
    bits: Vec<u64>,
}

impl Room {
    /// An image of `side` by `side` pixels of which the outer `border` pixels block.
    pub fn new(side: usize, border: usize) -> Self {
        let words = (side + 2 * BIT_PADDING).div_ceil(64);
        let mut bits = vec![0; side * words];
        line(&mut bits, side, words, border);
        Self { side, words, bits }
    }

    /// Blocks the pixels of a paddle at `at`.
    pub fn merge(&mut self, patch: &Patch, at: Point) {
        let side = self.side as i32;
        let half = patch.half;
        let x0 = at.1 - half;
        let (left, right) = (x0.max(0), (at.1 + half).min(side - 1));
        if left > right {
            return;
        }
        for i in 0..patch.side() {
            let y = at.0 - half + i as i32;
            if y < 0 || y >= side {
                continue;
            }
            let visible = (patch.blocking[i] >> (left - x0)) & (!0 >> (63 - (right - left)));
            let bit = left as usize + BIT_PADDING;
            let (word, shift) = (y as usize * self.words + bit / 64, bit % 64);
            self.bits[word] |= visible << shift;
            // A row may straddle two words. Two shifts, since a shift by 64 is not allowed.
            let high = (visible >> 1) >> (63 - shift);
            if high != 0 {
                self.bits[word + 1] |= high;
            }
        }
    }

    /// Whether a point of the image blocks.
    pub fn blocks(&self, (y, x): Point) -> bool {
        let bit = x as usize + BIT_PADDING;
        self.bits[y as usize * self.words + bit / 64] >> (bit % 64) & 1 == 1
    }

    /// Share of the image's pixels that do not block.
    pub fn free_share(&self) -> f64 {
        let blocked: u32 = self.bits.iter().map(|w| w.count_ones()).sum();
        let pixels = self.side * self.side;
        (pixels - blocked as usize) as f64 / pixels as f64
    }

    /// All points at which a paddle with this footprint finds room, the outer `border` pixels
    /// counting as blocked: those whose every footprint pixel inside the image is free. There are
    /// none if the footprint lies outside the image at any point ([`Footprint::meets_every_image`]).
    pub fn free_tails(&self, footprint: &Footprint, border: usize) -> FreePoints {
        let Self { side, words, .. } = *self;
        if !footprint.meets_every_image() {
            return FreePoints { words, bits: Vec::new(), count: 0 };
        }
        let mut lined = self.bits.clone();
        line(&mut lined, side, words, border);
        let blocked = match words {
            1 => blocked_tails::<1>(&lined, side, footprint),
            2 => blocked_tails::<2>(&lined, side, footprint),
            3 => blocked_tails::<3>(&lined, side, footprint),
            4 => blocked_tails::<4>(&lined, side, footprint),
            _ => blocked_tails::<5>(&lined, side, footprint),
        };
        let mut inside = vec![0; words];
        set_bits(&mut inside, BIT_PADDING, BIT_PADDING + side);
        let mut free = blocked;
        for row in free.chunks_exact_mut(words) {
            for (word, inside) in row.iter_mut().zip(&inside) {
                *word = !*word & inside;
            }
        }
        let count = free.iter().map(|w| w.count_ones()).sum::<u32>();
        FreePoints { words, bits: free, count }
    }

    /// [`Self::free_tails`] by looking at every pixel of the footprint at every point.
    pub fn free_tails_naive(&self, footprint: &Footprint, border: usize) -> Vec<Point> {
        let side = self.side as i32;
        let border = border as i32;
        let edge = |y: i32, x: i32| y.min(x).min(side - 1 - y).min(side - 1 - x);
        let free_at = |y, x| edge(y, x) >= border && !self.blocks((y, x));
        let mut points = Vec::new();
        for y in 0..side {
            for x in 0..side {
                let inside: Vec<Point> = footprint
                    .points()
                    .map(|(dy, dx)| (y + dy, x + dx))
                    .filter(|&(y, x)| edge(y, x) >= 0)
                    .collect();
                if inside.is_empty() {
                    return Vec::new();
                }
                if inside.iter().all(|&(y, x)| free_at(y, x)) {
                    points.push((y, x));
                }
            }
        }
        points
    }
}

/// Sets bits `from..to` of a row.
fn set_bits(row: &mut [u64], from: usize, to: usize) {
    for bit in from..to {
        row[bit / 64] |= 1 << (bit % 64);
    }
}

/// Sets the outer `border` pixels of an image of bits.
fn line(bits: &mut [u64], side: usize, words: usize, border: usize) {
    for (y, row) in bits.chunks_exact_mut(words).enumerate() {
        if y < border || y >= side - border {
            set_bits(row, BIT_PADDING, BIT_PADDING + side);
        } else {
            set_bits(row, BIT_PADDING, BIT_PADDING + border);
            set_bits(row, BIT_PADDING + side - border, BIT_PADDING + side);
        }
    }
}

/// The points at which some footprint pixel is set in `lined`, as rows of bits.
///
/// The footprint is a set of horizontal runs. `wide` holds, at bit x, whether any of the `length`
/// bits from x on is set; it is widened bit by bit through all run lengths, and each run of a
/// length reads it shifted.
fn blocked_tails<const N: usize>(lined: &[u64], side: usize, footprint: &Footprint) -> Vec<u64> {
    let mut wide: Vec<[u64; N]> = vec![[0; N]; side];
    let mut row_at: Vec<[u64; N]> = vec![[0; N]; side];
    for (row, bits) in row_at.iter_mut().zip(lined.chunks_exact(N)) {
        row.copy_from_slice(bits);
    }
    wide.copy_from_slice(&row_at);
    let mut length = 1;
    let mut blocked: Vec<[u64; N]> = vec![[0; N]; side];
    for run in &footprint.runs {
        while length < run.length {
            for (wide, row) in wide.iter_mut().zip(&row_at) {
                let shifted = shift_down(row, length);
                for (w, s) in wide.iter_mut().zip(shifted) {
                    *w |= s;
                }
            }
            length += 1;
        }
        let first = (-run.dy).max(0);
        let end = (side as i32 - run.dy).min(side as i32);
        for y in first..end {
            let source = &wide[(y + run.dy) as usize];
            let shifted = if run.dx >= 0 {
                shift_down(source, run.dx as usize)
            } else {
                shift_up(source, run.dx.unsigned_abs() as usize)
            };
            for (b, s) in blocked[y as usize].iter_mut().zip(shifted) {
                *b |= s;
            }
        }
    }
    blocked.into_flattened()
}

/// Bit i of the result is bit i + `by` of the row; `by` < 64.
fn shift_down<const N: usize>(row: &[u64; N], by: usize) -> [u64; N] {
    let mut out = [0; N];
    for i in 0..N {
        let above = if i + 1 < N { row[i + 1] } else { 0 };
        // Two shifts, since a shift by 64 is not allowed when `by` is 0.
        out[i] = (row[i] >> by) | ((above << 1) << (63 - by));
    }
    out
}

/// Bit i of the result is bit i - `by` of the row; `by` < 64.
fn shift_up<const N: usize>(row: &[u64; N], by: usize) -> [u64; N] {
    let mut out = [0; N];
    for i in 0..N {
        let below = if i > 0 { row[i - 1] } else { 0 };
        out[i] = (row[i] << by) | ((below >> 1) >> (63 - by));
    }
    out
}

/// A set of points, counted and numbered row by row.
#[derive(Clone, Debug)]
pub struct FreePoints {
    words: usize,
    bits: Vec<u64>,
    count: u32,
}

impl FreePoints {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// All of them, row by row.
    pub fn iter(&self) -> impl Iterator<Item = Point> + '_ {
        self.bits.iter().enumerate().flat_map(move |(i, &word)| {
            let mut word = word;
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let point = self.point(i, word.trailing_zeros());
                    word &= word - 1;
                    point
                })
            })
        })
    }

    fn point(&self, word: usize, bit: u32) -> Point {
        let column = (word % self.words) * 64 + bit as usize - BIT_PADDING;
        ((word / self.words) as i32, column as i32)
    }

    /// The point with this number, from 0, or `None` beyond the last.
    pub fn nth(&self, number: u32) -> Option<Point> {
        let mut left = number;
        for (i, &word) in self.bits.iter().enumerate() {
            let here = word.count_ones();
            if left < here {
                let mut word = word;
                for _ in 0..left {
                    word &= word - 1;
                }
                return Some(self.point(i, word.trailing_zeros()));
            }
            left -= here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::BLOCKING;
    use crate::paddle::PaddleSet;
    use crate::spec::{Difficulty, OFFICIAL_SIZES, Spec};

    #[test]
    fn the_search_finds_the_same_points_as_the_naive_one() {
        let (mut usable, mut searches) = (0, 0);
        for size in OFFICIAL_SIZES {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            for &margin in &spec.margins {
                let set = PaddleSet::new(&spec, margin);
                let mut room = Room::new(size, spec.padding);
                let mut blocked = vec![false; size * size];
                let side = size as i32;
                for y in 0..side {
                    for x in 0..side {
                        let edge = y.min(x).min(side - 1 - y).min(side - 1 - x);
                        blocked[y as usize * size + x as usize] = edge < spec.padding as i32;
                    }
                }
                let mut state = 3u32;
                for step in 0..24 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = (
                        (state >> 8) as i32 % (side + 8) - 4,
                        (state >> 17) as i32 % (side + 8) - 4,
                    );
                    let patch = set.patch(set.degree((state >> 3) as usize % 360));
                    room.merge(patch, at);
                    for (i, &value) in patch.mask.iter().enumerate() {
                        let width = patch.side() as i32;
                        let y = at.0 - patch.half + i as i32 / width;
                        let x = at.1 - patch.half + i as i32 % width;
                        if (0..side).contains(&y) && (0..side).contains(&x) && value >= BLOCKING {
                            blocked[y as usize * size + x as usize] = true;
                        }
                    }
                    for (i, &expected) in blocked.iter().enumerate() {
                        assert_eq!(room.blocks(((i / size) as i32, (i % size) as i32)), expected);
                    }
                    let footprint = set.footprint(set.degree(step * 15));
                    let border = if step % 5 == 0 { 2 * spec.seed_distance } else { 1 };
                    let free = room.free_tails(footprint, border);
                    let naive = room.free_tails_naive(footprint, border);
                    let found: Vec<_> = (0..free.count()).map(|i| free.nth(i).unwrap()).collect();
                    assert_eq!(found, naive, "size {size} margin {margin} step {step}");
                    assert!(free.iter().eq(naive));
                    assert_eq!(free.nth(free.count()), None);
                    usable += usize::from(footprint.meets_every_image());
                    searches += 1;
                }
                let share = blocked.iter().filter(|b| !**b).count() as f64 / (size * size) as f64;
                assert!((room.free_share() - share).abs() < 1e-12);
            }
        }
        assert!((20..searches - 20).contains(&usable), "{usable} of {searches}");
    }
}

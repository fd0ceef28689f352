//! Which pixels are taken: the mask of an image while it is drawn.
//!
//! The published generator holds a mask in [0, 1], dilates the whole of it with a disc before each
//! new paddle, and adds the paddle's mask to the whole of it to see whether the two collide. Here
//! the mask is kept in 255ths, as it comes from the resampled paddles, and next to it the dilated
//! mask. The two grow together, because the dilation of a maximum is the maximum of the dilations:
//! taking a paddle merges its mask into the one and its dilated mask into the other.

use crate::raster::{Canvas, Point};

/// Mask values from this many 255ths on block a seed: the generator tests `ceil(v - 0.3) > 0`.
pub(super) const BLOCKING: u8 = 77;

/// Pixels around the image, never written, so that small windows can be read without clipping.
const FRAME: usize = 48;

/// Columns that are handled at once.
const LANES: usize = 16;

/// The value that a mask of so many 255ths has in the generator, where it passed through single
/// precision.
pub(super) fn mask_value(byte: u8) -> f64 {
    f64::from((f64::from(byte) / 255.0) as f32)
}

/// The smallest mask value that collides with a paddle's mask of `patch` 255ths: the two sum to
/// 1.8 or more. `None` if nothing does.
pub(super) fn collision_threshold(patch: u8) -> Option<u8> {
    (0..=255u8).find(|&taken| mask_value(taken) + mask_value(patch) >= 1.8)
}

/// The part of a small image that matters, its width filled up to whole lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// First row and column, relative to the point where it is put.
    origin: Point,
    /// Columns before filling up.
    width: usize,
    /// Rows of `lanes` times [`LANES`] bytes.
    rows: Vec<[u8; LANES]>,
    lanes: usize,
}

impl Stamp {
    /// Cuts the smallest rectangle with all values other than `ground` from an image whose centre
    /// is the point of reference, and fills up with `ground`.
    pub(super) fn cut(image: &Canvas, ground: u8) -> Self {
        let lit = |y: usize, x: usize| image.pixels[y * image.width + x] != ground;
        let rows: Vec<usize> =
            (0..image.height).filter(|&y| (0..image.width).any(|x| lit(y, x))).collect();
        let columns: Vec<usize> =
            (0..image.width).filter(|&x| (0..image.height).any(|y| lit(y, x))).collect();
        let (Some(&top), Some(&bottom)) = (rows.first(), rows.last()) else {
            return Self { origin: (0, 0), width: 0, rows: Vec::new(), lanes: 1 };
        };
        let (left, right) = (columns[0], columns[columns.len() - 1]);
        let width = right - left + 1;
        let lanes = width.div_ceil(LANES);
        let mut bytes = Vec::new();
        for y in top..=bottom {
            for lane in 0..lanes {
                let mut block = [ground; LANES];
                for (i, value) in block.iter_mut().enumerate() {
                    let x = left + lane * LANES + i;
                    if x <= right {
                        *value = image.pixels[y * image.width + x];
                    }
                }
                bytes.push(block);
            }
        }
        Self {
            origin: (
                top as i32 - (image.height / 2) as i32,
                left as i32 - (image.width / 2) as i32,
            ),
            width,
            rows: bytes,
            lanes,
        }
    }

    fn height(&self) -> usize {
        self.rows.len() / self.lanes
    }
}

/// What a paddle does to a mask; made once for each paddle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaddleMask {
    taken: Stamp,
    near: Stamp,
    /// One less than the mask value that collides, 255 where none does.
    guard: Stamp,
}

impl PaddleMask {
    /// From the paddle's mask, and the mask dilated with the disc of the margin; both centred on
    /// the paddle's start.
    pub fn new(mask: &Canvas, dilated: &Canvas) -> Self {
        let mut guard = mask.clone();
        let thresholds: Vec<u8> =
            (0..=255).map(|v| collision_threshold(v).map_or(255, |t| t - 1)).collect();
        for value in &mut guard.pixels {
            *value = thresholds[usize::from(*value)];
        }
        Self {
            taken: Stamp::cut(mask, 0),
            near: Stamp::cut(dilated, 0),
            guard: Stamp::cut(&guard, 255),
        }
    }
}

/// An 8-bit image in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Framed {
    side: usize,
    stride: usize,
    bytes: Vec<u8>,
}

impl Framed {
    fn new(side: usize, border: usize) -> Self {
        let stride = side + 2 * FRAME;
        let mut image = Self { side, stride, bytes: vec![0; stride * stride] };
        for y in 0..side {
            for x in 0..side {
                if y.min(x).min(side - 1 - y).min(side - 1 - x) < border {
                    let at = image.index(y as i32, x as i32);
                    image.bytes[at] = 255;
                }
            }
        }
        image
    }

    /// Index of a point in the image or up to [`FRAME`] pixels outside.
    fn index(&self, y: i32, x: i32) -> usize {
        (y + FRAME as i32) as usize * self.stride + (x + FRAME as i32) as usize
    }

    fn merge(&mut self, stamp: &Stamp, at: Point) {
        let (top, left) = (at.0 + stamp.origin.0, at.1 + stamp.origin.1);
        let side = self.side as i32;
        let (bottom, right) = (top + stamp.height() as i32, left + stamp.width as i32);
        if top >= 0 && left >= 0 && bottom <= side && right <= side {
            // Beyond its width the stamp is 0 and changes nothing.
            let start = self.index(top, left);
            for (i, lanes) in stamp.rows.chunks_exact(stamp.lanes).enumerate() {
                let row = &mut self.bytes[start + i * self.stride..][..stamp.lanes * LANES];
                let (row, _) = row.as_chunks_mut::<LANES>();
                for (taken, new) in row.iter_mut().zip(lanes) {
                    // By value, which the compiler turns into one maximum of vectors.
                    let old = *taken;
                    *taken = std::array::from_fn(|i| old[i].max(new[i]));
                }
            }
            return;
        }
        for (i, lanes) in stamp.rows.chunks_exact(stamp.lanes).enumerate() {
            let y = top + i as i32;
            if y < 0 || y >= side {
                continue;
            }
            for (x, &new) in (left..right).zip(lanes.as_flattened()) {
                if x >= 0 && x < side {
                    let at = self.index(y, x);
                    self.bytes[at] = self.bytes[at].max(new);
                }
            }
        }
    }

    /// Whether any pixel exceeds the stamp's.
    fn exceeds(&self, stamp: &Stamp, at: Point) -> bool {
        let start = self.index(at.0 + stamp.origin.0, at.1 + stamp.origin.1);
        stamp.rows.chunks_exact(stamp.lanes).enumerate().any(|(i, lanes)| {
            let row = &self.bytes[start + i * self.stride..][..stamp.lanes * LANES];
            let (row, _) = row.as_chunks::<LANES>();
            row.iter().zip(lanes).any(|(taken, limit)| {
                // Without an early exit, so that a lane is one comparison of vectors.
                let mut found = false;
                for (t, l) in taken.iter().zip(limit) {
                    found |= t > l;
                }
                found
            })
        })
    }

    fn copy_box(&mut self, from: &Self, dirty: &Dirty) {
        if dirty.top > dirty.bottom {
            return;
        }
        let width = (dirty.right - dirty.left + 1) as usize;
        for y in dirty.top..=dirty.bottom {
            let start = self.index(y, dirty.left);
            self.bytes[start..][..width].copy_from_slice(&from.bytes[start..][..width]);
        }
    }
}

/// The rectangle in which a mask may differ from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dirty {
    top: i32,
    left: i32,
    bottom: i32,
    right: i32,
}

impl Dirty {
    fn nothing() -> Self {
        Self { top: i32::MAX, left: i32::MAX, bottom: i32::MIN, right: i32::MIN }
    }
}

/// The mask of an image, and the mask dilated with the disc of the margin.
#[derive(Clone, Debug)]
pub struct Occupancy {
    taken: Framed,
    near: Framed,
    dirty: Dirty,
}

impl Occupancy {
    /// A mask of `side` by `side` pixels of which the outer `border` (at least one) are taken;
    /// `margin` is the radius of the disc.
    pub fn new(side: usize, border: usize, margin: usize) -> Self {
        debug_assert!(border >= 1);
        Self {
            taken: Framed::new(side, border),
            // A point is as near to the border straight across as it is to any of its corners.
            near: Framed::new(side, border + margin),
            dirty: Dirty::nothing(),
        }
    }

    /// Undoes every [`Self::merge`] since this mask was cloned from or reconciled with `before`.
    pub fn restore(&mut self, before: &Self) {
        self.taken.copy_box(&before.taken, &self.dirty);
        self.near.copy_box(&before.near, &self.dirty);
        self.dirty = Dirty::nothing();
    }

    /// Makes `before` equal to this mask, from which it may differ by merges only.
    pub fn commit_to(&mut self, before: &mut Self) {
        before.taken.copy_box(&self.taken, &self.dirty);
        before.near.copy_box(&self.near, &self.dirty);
        self.dirty = Dirty::nothing();
    }

    /// Whether a point lies in the image.
    pub fn contains(&self, (y, x): Point) -> bool {
        // One comparison a coordinate: negative numbers become large ones.
        (y as u32 as usize) < self.taken.side && (x as u32 as usize) < self.taken.side
    }

    /// The mask at a point of the image, in 255ths.
    pub fn taken(&self, (y, x): Point) -> u8 {
        self.taken.bytes[self.taken.index(y, x)]
    }

    /// The dilated mask at a point of the image, in 255ths.
    pub fn near(&self, (y, x): Point) -> u8 {
        self.near.bytes[self.near.index(y, x)]
    }

    /// Takes the pixels of a paddle that starts at a point of the image.
    ///
    /// What a paddle near the edge takes outside the image is dropped. It would reach back in by
    /// dilation, but only to pixels that the border reaches too.
    pub fn merge(&mut self, paddle: &PaddleMask, at: Point) {
        self.taken.merge(&paddle.taken, at);
        self.near.merge(&paddle.near, at);
        let last = self.taken.side as i32 - 1;
        let (top, left) = (at.0 + paddle.near.origin.0, at.1 + paddle.near.origin.1);
        let bottom = top + paddle.near.height() as i32 - 1;
        let right = left + paddle.near.width as i32 - 1;
        self.dirty = Dirty {
            top: self.dirty.top.min(top.max(0)),
            left: self.dirty.left.min(left.max(0)),
            bottom: self.dirty.bottom.max(bottom.min(last)),
            right: self.dirty.right.max(right.min(last)),
        };
    }

    /// Whether a paddle that starts at a point of the image would overlap what is taken: mask plus
    /// mask reaches 1.8 somewhere.
    pub fn collides(&self, paddle: &PaddleMask, at: Point) -> bool {
        self.taken.exceeds(&paddle.guard, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paddle::PaddleSet;
    use crate::raster::{dilate_naive, disc};
    use crate::spec::{Difficulty, OFFICIAL_SIZES, Spec};

    #[test]
    fn thresholds_are_where_the_generator_has_them() {
        // ceil(v - 0.3) is 0 for v = 76/255 = 0.298 and 1 for 77/255 = 0.302.
        assert!((mask_value(BLOCKING - 1) - 0.3).ceil() == 0.0);
        assert!((mask_value(BLOCKING) - 0.3).ceil() == 1.0);
        assert_eq!(collision_threshold(255), Some(204));
        assert_eq!(collision_threshold(203), None);
        // 459/255 is 1.8: whether the two collide depends on single precision.
        for patch in 205..=254 {
            let threshold = collision_threshold(patch).unwrap();
            assert!((459 - i32::from(patch) - i32::from(threshold)).abs() <= 1);
        }
    }

    /// The mask as a whole image, taken and dilated the plain way.
    struct Plain {
        image: Canvas,
    }

    impl Plain {
        fn merge(&mut self, mask: &Canvas, at: Point) {
            let half = (mask.height / 2) as i32;
            for y in 0..mask.height as i32 {
                for x in 0..mask.width as i32 {
                    let p = (at.0 + y - half, at.1 + x - half);
                    let new = mask.get((y, x)).unwrap();
                    if self.image.get(p).is_some_and(|old| old < new) {
                        self.image.set(p, new);
                    }
                }
            }
        }

        fn collides(&self, mask: &Canvas, at: Point) -> bool {
            let half = (mask.height / 2) as i32;
            (0..mask.height as i32).any(|y| {
                (0..mask.width as i32).any(|x| {
                    let taken = self.image.get((at.0 + y - half, at.1 + x - half));
                    let new = mask.get((y, x)).unwrap();
                    taken.is_some_and(|taken| mask_value(taken) + mask_value(new) >= 1.8)
                })
            })
        }
    }

    #[test]
    fn the_mask_equals_its_plain_form_and_can_be_restored() {
        for size in OFFICIAL_SIZES {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            for &margin in &spec.margins {
                let set = PaddleSet::new(&spec, margin);
                let empty = Occupancy::new(size, spec.padding, margin);
                let mut mask = empty.clone();
                let mut before = empty.clone();
                let mut plain = Plain { image: Canvas::new(size, size) };
                for (i, value) in plain.image.pixels.iter_mut().enumerate() {
                    *value = empty.taken(((i / size) as i32, (i % size) as i32));
                }
                let mut state = 9u32;
                let mut next = |bound: usize| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as usize % bound
                };
                let mut collisions = 0;
                for step in 0..40 {
                    let at = (next(size) as i32, next(size) as i32);
                    let patch = set.patch(set.degree(next(360)));
                    let image = Canvas {
                        height: patch.side(),
                        width: patch.side(),
                        pixels: patch.mask.to_vec(),
                    };
                    let collides = mask.collides(&patch.occupancy, at);
                    assert_eq!(collides, plain.collides(&image, at), "size {size} {at:?}");
                    collisions += usize::from(collides);
                    mask.merge(&patch.occupancy, at);
                    if step % 3 == 0 {
                        mask.restore(&before);
                    } else {
                        mask.commit_to(&mut before);
                        plain.merge(&image, at);
                    }
                    let dilated = dilate_naive(&plain.image, &disc(margin));
                    for y in 0..size as i32 {
                        for x in 0..size as i32 {
                            assert_eq!(Some(mask.taken((y, x))), plain.image.get((y, x)));
                            assert_eq!(Some(mask.near((y, x))), dilated.get((y, x)));
                        }
                    }
                }
                assert!((1..40).contains(&collisions), "{collisions}");
                assert_eq!((&before.taken, &before.near), (&mask.taken, &mask.near));
            }
        }
    }
}

//! A paddle drawn in one direction, and the pixels that it needs.

use crate::mask::{BLOCKING, PaddleMask};
use crate::raster::{Canvas, Point, dilate_naive, dilate_sparse, disc, draw_line, translate};
use crate::resize::resize;
use crate::spec::Spec;

/// A paddle as it is pasted, with its surroundings, centred on the end it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Pixels from the centre to the edge.
    pub half: i32,
    /// Brightness before contrast, side x side, row by row.
    pub line: Vec<u8>,
    /// The pixels that the paddle takes, in 255ths: itself and `margin` pixels around it.
    pub mask: Vec<u8>,
    /// The same, as a mask is changed by it.
    pub occupancy: PaddleMask,
    /// Which pixels of each row block seeds, bit 0 the leftmost.
    pub blocking: Vec<u64>,
}

impl Patch {
    /// Draws the paddle that starts at the centre and goes towards `angle`.
    pub fn draw(spec: &Spec, margin: usize, angle: f64) -> Self {
        Self::draw_to(spec, margin, head(spec, margin, angle))
    }

    /// [`Self::draw`] with every step in its plain form.
    pub fn draw_naive(spec: &Spec, margin: usize, angle: f64) -> Self {
        Self::draw_with(spec, margin, head(spec, margin, angle), dilate_naive)
    }

    /// The same that ends at `head`, on the fine canvas.
    pub(super) fn draw_to(spec: &Spec, margin: usize, head: Point) -> Self {
        Self::draw_with(spec, margin, head, dilate_sparse)
    }

    fn draw_with(
        spec: &Spec,
        margin: usize,
        head: Point,
        dilate: fn(&Canvas, &[Point]) -> Canvas,
    ) -> Self {
        let half = half_side(spec, margin);
        let scale = spec.antialias;
        let centre = (half * scale) as i32;
        let mut fine = Canvas::new(2 * half * scale + 1, 2 * half * scale + 1);
        let width = (spec.paddle_thickness * scale as f64).round() as usize;
        draw_line(&mut fine, (centre, centre), head, width);
        let side = 2 * half + 1;
        let line = resize(&fine, side, side).pixels;
        let mask = resize(&dilate(&fine, &disc(margin * scale)), side, side);

        // The generator dilates the mask in the image; here there must be room for that.
        let framed_side = side + 2 * margin;
        let mut framed = Canvas::new(framed_side, framed_side);
        for (y, row) in mask.pixels.chunks_exact(side).enumerate() {
            framed.pixels[(y + margin) * framed_side + margin..][..side].copy_from_slice(row);
        }
        let occupancy = PaddleMask::new(&mask, &dilate(&framed, &disc(margin)));
        let mask = mask.pixels;

        let blocking = mask.chunks_exact(side).map(blocking_bits).collect();
        Self { half: half as i32, line, mask, occupancy, blocking }
    }

    /// Side length, `2 * half + 1`.
    pub fn side(&self) -> usize {
        2 * self.half as usize + 1
    }
}

/// Pixels from the centre of a patch to its edge.
fn half_side(spec: &Spec, margin: usize) -> usize {
    spec.paddle_length + spec.paddle_thickness.ceil() as usize + margin
}

/// Where the line ends on the fine canvas.
pub(super) fn head(spec: &Spec, margin: usize, angle: f64) -> Point {
    let centre = (half_side(spec, margin) * spec.antialias) as i32;
    let length = (spec.paddle_length * spec.antialias) as f64;
    translate((centre, centre), angle, length)
}

/// A horizontal run of footprint pixels, `dx..dx + length` in row `dy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Pixels.
    pub length: usize,
    /// Row, relative to the paddle's start.
    pub dy: i32,
    /// First column, relative to the paddle's start.
    pub dx: i32,
}

/// The pixels that must be free for a path to start at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Its runs, from the shortest to the longest.
    pub runs: Vec<Run>,
}

impl Footprint {
    /// The footprint of a paddle.
    ///
    /// The generator uses the fully taken pixels (255) of the paddle's mask, pasted into a square
    /// of half side length + margin **one pixel below and to the right** of the centre about which
    /// it then dilates, and cut off at that square. Both are kept.
    pub fn of(patch: &Patch, reach: usize) -> Self {
        let reach = reach as i32;
        let side = patch.side();
        let mut runs: Vec<Run> = Vec::new();
        for (i, _) in patch.mask.iter().enumerate().filter(|(_, v)| **v == 255) {
            let dy = (i / side) as i32 - patch.half + 1;
            let dx = (i % side) as i32 - patch.half + 1;
            if dy.abs() > reach || dx.abs() > reach {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.dy == dy && run.dx + run.length as i32 == dx => run.length += 1,
                _ => runs.push(Run { length: 1, dy, dx }),
            }
        }
        runs.sort_unstable();
        Self { runs }
    }

    /// Whether, wherever in a large image it is put, some of it lies inside.
    ///
    /// Where all of a footprint lies outside the image, OpenCV's dilation has nothing to take the
    /// maximum of and returns the lowest number there is. The published generator finds a negative
    /// value and concludes that there is no room **anywhere**. Thin paddles, those of 32 and 64
    /// pixels above all, therefore never start a path in most directions. It suffices to look at
    /// the image's corners: a footprint that reaches in from all four reaches in from everywhere.
    pub fn meets_every_image(&self) -> bool {
        [(-1, -1), (-1, 1), (1, -1), (1, 1)]
            .iter()
            .all(|(sy, sx)| self.points().any(|(dy, dx)| sy * dy >= 0 && sx * dx >= 0))
    }

    /// Its pixels `(dy, dx)`.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.runs.iter().flat_map(|run| (0..run.length as i32).map(move |i| (run.dy, run.dx + i)))
    }
}

/// Bits of a patch's row that block, from its left edge.
fn blocking_bits(row: &[u8]) -> u64 {
    row.iter().enumerate().fold(0, |bits, (x, &v)| bits | u64::from(v >= BLOCKING) << x)
}

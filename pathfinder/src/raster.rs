//! Drawing on a small 8-bit canvas: lines with a width, discs, grey dilation.
//!
//! Points are `(y, x)` with y downwards; angles are in radians, 0 towards +x, growing towards +y.

/// A point `(y, x)`.
pub type Point = (i32, i32);

/// An 8-bit grey image in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width` bytes, row by row.
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// A black canvas.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, pixels: vec![0; height * width] }
    }

    /// The pixel at a point, or `None` outside.
    pub fn get(&self, (y, x): Point) -> Option<u8> {
        let inside = y >= 0 && x >= 0 && (y as usize) < self.height && (x as usize) < self.width;
        inside.then(|| self.pixels[y as usize * self.width + x as usize])
    }

    /// Sets a pixel; points outside are ignored.
    pub fn set(&mut self, (y, x): Point, value: u8) {
        if y >= 0 && x >= 0 && (y as usize) < self.height && (x as usize) < self.width {
            self.pixels[y as usize * self.width + x as usize] = value;
        }
    }

    /// Sets columns `x0..=x1` of a row, clipped to the canvas.
    fn fill_row(&mut self, y: i32, x0: i32, x1: i32, value: u8) {
        for x in x0.max(0)..=x1.min(self.width as i32 - 1) {
            self.set((y, x), value);
        }
    }
}

/// The point at `distance` from `from` towards `angle`, both coordinates rounded **up**.
///
/// Rounding up rather than to the nearest is what the published generator does, and shifts every
/// path a little towards the lower right.
pub fn translate(from: Point, angle: f64, distance: f64) -> Point {
    displace(from, (distance * angle.sin(), distance * angle.cos()))
}

/// `from` plus a real displacement `(dy, dx)`, both coordinates rounded up.
///
/// The sum is formed in double precision before it is rounded: for a displacement of 1e-16 (the
/// sine of a half turn is not exactly zero) the result depends on how large the coordinate is.
pub fn displace(from: Point, (dy, dx): (f64, f64)) -> Point {
    ((f64::from(from.0) + dy).ceil() as i32, (f64::from(from.1) + dx).ceil() as i32)
}

/// Offsets `(dy, dx)` with dy² + dx² <= radius².
pub fn disc(radius: usize) -> Vec<Point> {
    let r = radius as i32;
    let mut offsets = Vec::new();
    for dy in -r..=r {
        for dx in -r..=r {
            if dy * dy + dx * dx <= r * r {
                offsets.push((dy, dx));
            }
        }
    }
    offsets
}

/// Grey dilation by a flat structuring element: each pixel becomes the largest among
/// `image[p + offset]`, offsets outside the image being ignored. The plain form, for checking.
pub fn dilate_naive(image: &Canvas, offsets: &[Point]) -> Canvas {
    let mut out = Canvas::new(image.height, image.width);
    for y in 0..image.height as i32 {
        for x in 0..image.width as i32 {
            let value = offsets.iter().filter_map(|&(dy, dx)| image.get((y + dy, x + dx))).max();
            out.set((y, x), value.unwrap_or(0));
        }
    }
    out
}

/// [`dilate_naive`] for an image that is mostly black, by stamping the mirrored element on every
/// lit pixel.
pub fn dilate_sparse(image: &Canvas, offsets: &[Point]) -> Canvas {
    let mut out = Canvas::new(image.height, image.width);
    for y in 0..image.height as i32 {
        for x in 0..image.width as i32 {
            let value = image.pixels[y as usize * image.width + x as usize];
            if value == 0 {
                continue;
            }
            for &(dy, dx) in offsets {
                let at = (y - dy, x - dx);
                if out.get(at).is_some_and(|old| old < value) {
                    out.set(at, value);
                }
            }
        }
    }
    out
}

/// Draws a line of full brightness between two points, both included.
///
/// Lines of width 1 are Bresenham's; wider ones are filled quadrilaterals. The result is, pixel by
/// pixel, that of Pillow's `ImageDraw.line`, with which the published images are drawn. `width` is
/// in pixels of the canvas.
pub fn draw_line(canvas: &mut Canvas, from: Point, to: Point, width: usize) {
    if width <= 1 {
        bresenham(canvas, from, to);
    } else {
        wide_line(canvas, from, to, width);
    }
}

fn bresenham(canvas: &mut Canvas, (y0, x0): Point, (y1, x1): Point) {
    let (dy, dx) = ((y1 - y0).abs(), (x1 - x0).abs());
    let (step_y, step_x) = ((y1 - y0).signum(), (x1 - x0).signum());
    let steep = dy >= dx;
    let (long, short) = if steep { (dy, dx) } else { (dx, dy) };
    let mut error = 2 * short - long;
    let (mut y, mut x) = (y0, x0);
    for _ in 0..long {
        canvas.set((y, x), 255);
        let sideways = error >= 0 && short > 0;
        if sideways {
            error -= 2 * long;
        }
        error += 2 * short;
        if steep || sideways {
            y += step_y;
        }
        if !steep || sideways {
            x += step_x;
        }
    }
    canvas.set((y1, x1), 255);
}

/// To the nearest integer, halves away from zero.
fn round_away(v: f64) -> i32 {
    v.signum() as i32 * (v.abs() + 0.5).floor() as i32
}

/// To the nearest integer, halves towards zero.
fn round_towards_zero(v: f64) -> i32 {
    v.signum() as i32 * (v.abs() - 0.5).ceil() as i32
}

fn wide_line(canvas: &mut Canvas, (y0, x0): Point, (y1, x1): Point, width: usize) {
    let (dy, dx) = (f64::from(y1 - y0), f64::from(x1 - x0));
    let length = dy.hypot(dx);
    if length == 0.0 {
        canvas.set((y0, x0), 255);
        return;
    }
    // An even width cannot be centred: one side gets the larger half.
    let half = (width as f64 - 1.0) / 2.0;
    let larger = f64::from(round_away(half)) / length;
    let smaller = f64::from(round_towards_zero(half)) / length;
    let normal = |ratio: f64| (round_towards_zero(ratio * dx), round_towards_zero(ratio * dy));
    let (large, small) = (normal(larger), normal(smaller));
    fill_polygon(
        canvas,
        &[
            (y0 + large.0, x0 - small.1),
            (y1 + large.0, x1 - small.1),
            (y1 - small.0, x1 + large.1),
            (y0 - small.0, x0 + large.1),
        ],
    );
}

/// One side of a polygon. Single precision on purpose: the borders of the fill depend on it.
struct Edge {
    start: Point,
    slope: f32,
    top: i32,
    bottom: i32,
}

impl Edge {
    /// Where the edge (or its continuation) crosses a row.
    fn x_at(&self, y: i32) -> f32 {
        (y - self.start.0) as f32 * self.slope + self.start.1 as f32
    }

    fn spans(&self, y: i32) -> bool {
        (self.top..=self.bottom).contains(&y)
    }

    fn ends_at(&self, y: i32) -> bool {
        y == self.top || y == self.bottom
    }
}

/// Scan-line fill, outline included.
fn fill_polygon(canvas: &mut Canvas, corners: &[Point]) {
    let mut edges = Vec::with_capacity(corners.len());
    for (i, &(y0, x0)) in corners.iter().enumerate() {
        let (y1, x1) = corners[(i + 1) % corners.len()];
        if y0 == y1 {
            canvas.fill_row(y0, x0.min(x1), x0.max(x1), 255);
        } else {
            edges.push(Edge {
                start: (y0, x0),
                slope: (x1 - x0) as f32 / (y1 - y0) as f32,
                top: y0.min(y1),
                bottom: y0.max(y1),
            });
        }
    }
    let last = corners.iter().map(|p| p.0).max().unwrap_or(-1);
    let first = corners.iter().map(|p| p.0).min().unwrap_or(0);
    let mut crossings: Vec<f32> = Vec::with_capacity(2 * edges.len());
    for y in first.max(0)..=last.min(canvas.height as i32) {
        crossings.clear();
        for (i, edge) in edges.iter().enumerate() {
            if !edge.spans(y) {
                continue;
            }
            let x = edge.x_at(y);
            if y == edge.bottom && y < last {
                // An edge that stops here closes its span here, and the edge that goes on from
                // this corner opens the next one.
                crossings.extend([x, x]);
            } else {
                crossings.push(widen_corner(&edges[..i], edge, y, x));
            }
        }
        crossings.sort_by(f32::total_cmp);
        for span in crossings.chunks_exact(2) {
            // Halves are added in single precision too: 0.49999997 rounds to 1.
            let left = span[0].signum() as i32 * (span[0].abs() + 0.5).floor() as i32;
            let right = span[1].signum() as i32 * (span[1].abs() - 0.5).ceil() as i32;
            canvas.fill_row(y, left, right, 255);
        }
    }
}

/// At a sharp top or bottom corner, moves the crossing sideways so that the corner stays connected
/// to the neighbouring row.
fn widen_corner(earlier: &[Edge], edge: &Edge, y: i32, x: f32) -> f32 {
    if !edge.ends_at(y) || edge.slope == 0.0 {
        return x;
    }
    let neighbour = if y == edge.bottom { y - 1 } else { y + 1 };
    for other in earlier {
        let shares_corner =
            other.ends_at(y) && other.slope != 0.0 && x.round() == other.x_at(y).round();
        if !shares_corner || !other.spans(neighbour) {
            continue;
        }
        let (a, b) = (edge.x_at(neighbour), other.x_at(neighbour));
        return if x > a + 1.0 && x > b + 1.0 {
            a.max(b).round() + 1.0
        } else if x < a - 1.0 && x < b - 1.0 {
            a.min(b).round() - 1.0
        } else {
            x
        };
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(canvas: &Canvas) -> usize {
        canvas.pixels.iter().filter(|&&p| p > 0).count()
    }

    #[test]
    fn translate_rounds_up() {
        assert_eq!(translate((10, 10), 0.0, 2.0), (10, 12));
        assert_eq!(translate((10, 10), 30f64.to_radians(), 5.0), (13, 15));
        assert_eq!(translate((10, 10), (-30f64).to_radians(), 5.0), (8, 15));
    }

    #[test]
    fn discs_have_known_areas() {
        assert_eq!([0, 1, 2, 3, 4].map(|r| disc(r).len()), [1, 5, 13, 29, 49]);
    }

    #[test]
    fn axis_parallel_lines_are_rectangles() {
        for width in 1..=4 {
            let mut canvas = Canvas::new(31, 31);
            draw_line(&mut canvas, (15, 15), (15, 25), width);
            assert_eq!(lit(&canvas), 11 * width, "width {width}");
            let mut canvas = Canvas::new(31, 31);
            draw_line(&mut canvas, (15, 15), (5, 15), width);
            assert_eq!(lit(&canvas), 11 * width, "width {width}");
        }
    }

    #[test]
    fn lines_are_clipped() {
        let mut canvas = Canvas::new(8, 8);
        draw_line(&mut canvas, (4, 4), (40, -30), 3);
        draw_line(&mut canvas, (-5, -5), (-5, 20), 2);
        assert!(lit(&canvas) > 0);
    }

    #[test]
    fn sparse_dilation_is_dilation() {
        let mut state = 1u32;
        for radius in 0..5 {
            let mut image = Canvas::new(17, 23);
            for p in &mut image.pixels {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *p = if state >> 28 == 0 { (state >> 16) as u8 } else { 0 };
            }
            let mut element = disc(radius);
            element.push((radius as i32 + 2, -1)); // not symmetric
            assert_eq!(dilate_sparse(&image, &element), dilate_naive(&image, &element));
        }
    }
}

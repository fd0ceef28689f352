//! The published procedure step by step, without any of the fast paths: the naive twin of
//! [`Generator`](pathfinder::Generator).
//!
//! It works on whole images in double precision, draws every paddle anew, dilates whole masks and
//! resizes whole canvases, and draws the same random numbers in the same order, so that its images
//! must equal the generator's byte by byte. It is some hundred times slower.

use pathfinder::Spec;
use pathfinder::contour::{
    DEAD_END, DISTRACTOR_BORDER, FULL, PADDLE_TRIES, around, choose, path_contrasts,
};
use pathfinder::image::{DISTRACTOR_TRIES, fine_marker, image_rng};
use pathfinder::paddle::{flip, ring, turn_weight};
use pathfinder::patch::Patch;
use pathfinder::raster::{Canvas, Point, disc, translate};
use pathfinder::resize::{resize, stretch_to_bytes};
use rand::Rng;

/// A square image of real numbers.
#[derive(Clone)]
struct Plane {
    side: i32,
    values: Vec<f64>,
}

impl Plane {
    fn new(side: i32) -> Self {
        Self { side, values: vec![0.0; (side * side) as usize] }
    }

    fn contains(&self, (y, x): Point) -> bool {
        (0..self.side).contains(&y) && (0..self.side).contains(&x)
    }

    fn at(&self, (y, x): Point) -> f64 {
        self.values[(y * self.side + x) as usize]
    }

    fn set(&mut self, (y, x): Point, value: f64) {
        self.values[(y * self.side + x) as usize] = value;
    }

    fn points(&self) -> impl Iterator<Item = Point> + use<> {
        let side = self.side;
        (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)))
    }

    fn max_with(&mut self, other: &Self) {
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a = a.max(*b);
        }
    }

    /// Sets the outer `border` pixels to 1.
    fn line(&mut self, border: i32) {
        for (y, x) in self.points() {
            if y.min(x).min(self.side - 1 - y).min(self.side - 1 - x) < border {
                self.set((y, x), 1.0);
            }
        }
    }

    fn dilate(&self, element: &[Point]) -> Self {
        let mut out = self.clone();
        for (y, x) in self.points() {
            let largest = element
                .iter()
                .map(|&(dy, dx)| (y + dy, x + dx))
                .filter(|&p| self.contains(p))
                .map(|p| self.at(p))
                .fold(f64::NEG_INFINITY, f64::max);
            out.set((y, x), largest);
        }
        out
    }
}

/// A paddle drawn into an otherwise black image of `side` pixels: its brightness and its mask.
fn draw_paddle(
    spec: &Spec,
    margin: usize,
    side: i32,
    start: Point,
    angle: f64,
    contrast: f64,
) -> (Plane, Plane) {
    let patch = Patch::draw_naive(spec, margin, angle);
    let (mut line, mut mask) = (Plane::new(side), Plane::new(side));
    let width = patch.side() as i32;
    for i in 0..width * width {
        let p = (start.0 + i / width - patch.half, start.1 + i % width - patch.half);
        if line.contains(p) {
            let single = |v: f64| f64::from(v as f32);
            let value = f64::from(patch.line[i as usize]) / 255.0 * contrast;
            line.set(p, single(value));
            mask.set(p, single(f64::from(patch.mask[i as usize]) / 255.0));
        }
    }
    (line, mask)
}

/// Offsets by which the mask is dilated to find where a paddle at `angle` has room.
fn seed_element(spec: &Spec, margin: usize, angle: f64) -> Vec<Point> {
    let reach = (spec.paddle_length + margin) as i32;
    let start = (reach + 1, reach + 1);
    let (_, mask) = draw_paddle(spec, margin, 2 * reach + 1, start, angle, 1.0);
    mask.points().filter(|&p| mask.at(p) as u8 > 0).map(|(y, x)| (y - reach, x - reach)).collect()
}

fn is_free(value: f64) -> bool {
    (value - 0.3).ceil() as u8 == 0
}

/// A path while it grows; `image` is its own for target paths, shared for distractors.
struct Path {
    pivot: Point,
    angle: f64,
    segment_mask: Plane,
    tip: Point,
}

struct Drawing<'a, R> {
    spec: &'a Spec,
    margin: usize,
    rng: R,
}

impl<R: Rng> Drawing<'_, R> {
    fn side(&self) -> i32 {
        self.spec.size as i32
    }

    fn degree(&mut self) -> f64 {
        let number = self.rng.random_range(0..360u32);
        (f64::from(number) - 180.0) * std::f64::consts::PI / 180.0
    }

    fn head_and_pivot(&self, tail: Point, angle: f64) -> (Point, Point) {
        use std::f64::consts::PI;
        let back = if angle + PI < PI { angle + PI } else { angle - PI };
        let head = translate(tail, angle, self.spec.paddle_length as f64);
        let length = (self.spec.paddle_length + self.margin) as f64;
        (head, translate(head, back, length))
    }

    fn start(&self, tail: Point, pivot: Point, angle: f64, contrast: f64) -> (Plane, Path) {
        let (line, segment_mask) =
            draw_paddle(self.spec, self.margin, self.side(), tail, angle, contrast);
        let path = Path { pivot, angle, segment_mask, tip: tail };
        (line, path)
    }

    /// Finds room for a path's first paddle in a mask whose outer `border` pixels count as taken.
    fn seed(&mut self, mask: &Plane, border: usize, least: f64) -> Option<(Point, Point, f64)> {
        for _ in 0..PADDLE_TRIES {
            let angle = self.degree();
            let element = seed_element(self.spec, self.margin, angle);
            let mut lined = mask.clone();
            lined.line(border as i32);
            let dilated = lined.dilate(&element);
            let open = mask.values.iter().filter(|v| is_free(**v)).count();
            let free: Vec<Point> = dilated.points().filter(|&p| is_free(dilated.at(p))).collect();
            // See `Footprint::meets_every_image`.
            let nowhere = dilated.values.iter().any(|v| *v < 0.0);
            if (open as f64 / mask.values.len() as f64) < least || nowhere || free.is_empty() {
                return None;
            }
            let tail = free[self.rng.random_range(0..free.len() as u32) as usize];
            let (head, pivot) = self.head_and_pivot(tail, angle);
            if mask.contains(head) && mask.contains(pivot) {
                return Some((tail, pivot, angle));
            }
        }
        None
    }

    fn second_seed(&mut self, mask: &Plane, first: Point) -> Option<(Point, Point, f64)> {
        for _ in 0..PADDLE_TRIES {
            let angle = self.degree();
            let bearing = f64::from(self.rng.random_range(0..360u32)).to_radians();
            let tail = around(first, bearing, self.spec.seed_distance);
            let (head, pivot) = self.head_and_pivot(tail, angle);
            if mask.contains(head) && mask.contains(pivot) {
                return Some((tail, pivot, angle));
            }
        }
        None
    }

    fn extend(
        &mut self,
        path: &mut Path,
        image: &mut Plane,
        mask: &mut Plane,
        contrast: f64,
    ) -> Option<()> {
        let spec = self.spec;
        let stride = (spec.paddle_length + 2 * self.margin) as f64;
        let pivot = translate(path.pivot, path.angle, stride);
        let dilated = mask.dilate(&disc(self.margin));
        let mut weights = Vec::new();
        for point in ring(spec.paddle_length + self.margin) {
            let at = (pivot.0 + point.offset.0, pivot.1 + point.offset.1);
            if mask.contains(at) {
                let turn = turn_weight(path.angle, point.angle, spec.continuity);
                weights.push(((1.0 - dilated.at(at)) * turn, at, point.angle));
            }
        }
        let total: f64 = weights.iter().map(|w| w.0).sum();
        if weights.is_empty() || total < DEAD_END {
            return None;
        }
        for _ in 0..PADDLE_TRIES {
            let u: f64 = self.rng.random();
            let mut cumulated = 0.0;
            let chosen = weights.iter().find(|w| {
                cumulated += w.0 / total;
                cumulated > u
            });
            let &(_, at, angle) = chosen.or(weights.last())?;
            let (line, segment_mask) =
                draw_paddle(spec, self.margin, self.side(), at, flip(angle), contrast);
            let overlap = mask
                .values
                .iter()
                .zip(&segment_mask.values)
                .map(|(a, b)| a + b)
                .fold(0.0, f64::max);
            if overlap < 1.8 {
                image.max_with(&line);
                mask.max_with(&path.segment_mask);
                *path = Path { pivot, angle, segment_mask, tip: at };
                return Some(());
            }
        }
        None
    }

    fn targets(&mut self) -> Option<(Plane, Plane, [Point; 2], [Point; 2])> {
        let spec = self.spec;
        let contrasts = path_contrasts(spec, &mut self.rng);
        let mut mask = Plane::new(self.side());
        mask.line(spec.padding as i32);
        let contrast = choose(&spec.paddle_contrasts, &mut self.rng) * contrasts[0];
        let (tail, pivot, angle) = self.seed(&mask, 2 * spec.seed_distance, 0.0)?;
        let (image, first) = self.start(tail, pivot, angle, contrast);
        let contrast = choose(&spec.paddle_contrasts, &mut self.rng) * contrasts[1];
        let (tail, pivot, angle) = self.second_seed(&mask, first.tip)?;
        let (image2, second) = self.start(tail, pivot, angle, contrast);
        let origins = [first.tip, second.tip];
        let mut images = [image, image2];
        let mut paths = [first, second];
        for _ in 1..spec.contour_length {
            let contrast = choose(&spec.paddle_contrasts, &mut self.rng);
            for i in 0..2 {
                let contrast = contrast * contrasts[i];
                self.extend(&mut paths[i], &mut images[i], &mut mask, contrast)?;
            }
        }
        mask.max_with(&paths[1].segment_mask);
        let [mut image, image2] = images;
        image.max_with(&image2);
        Some((image, mask, origins, [paths[0].tip, paths[1].tip]))
    }

    fn distractor(&mut self, image: &Plane, mask: &Plane) -> Option<(Plane, Plane)> {
        let (mut image, mut mask) = (image.clone(), mask.clone());
        let contrast = choose(&self.spec.path_contrasts, &mut self.rng);
        let (tail, pivot, angle) = self.seed(&mask, DISTRACTOR_BORDER, FULL)?;
        let (line, mut path) = self.start(tail, pivot, angle, contrast);
        image.max_with(&line);
        for _ in 1..self.spec.distractor_length {
            let contrast = choose(&self.spec.path_contrasts, &mut self.rng);
            self.extend(&mut path, &mut image, &mut mask, contrast)?;
        }
        mask.max_with(&path.segment_mask);
        Some((image, mask))
    }
}

/// Image `index` of a valid specification and seed: its bytes and its label.
pub fn generate(spec: &Spec, seed: u64, index: u64) -> (Vec<u8>, u8) {
    let mut rng = image_rng(spec, seed, index);
    let label = rng.random_range(0..2u8);
    let margin = choose(&spec.margins, &mut rng);
    let mut drawing = Drawing { spec, margin, rng };
    let (mut image, mut mask, origins, terminals) = loop {
        if let Some(targets) = drawing.targets() {
            break targets;
        }
    };
    for _ in 0..spec.distractors {
        for _ in 0..DISTRACTOR_TRIES {
            if let Some((more, taken)) = drawing.distractor(&image, &mask) {
                (image, mask) = (more, taken);
                break;
            }
        }
    }
    let marked = drawing.rng.random_range(0..2usize);
    let other = if label == 1 { marked } else { 1 - marked };
    for at in [origins[marked], terminals[other]] {
        let disc: Canvas = resize(&fine_marker(spec, at), spec.size, spec.size);
        for (pixel, &value) in image.values.iter_mut().zip(&disc.pixels) {
            *pixel = pixel.max(f64::from(value) / 255.0);
        }
    }
    let mut pixels = vec![0; spec.pixels()];
    stretch_to_bytes(&image.values, &mut pixels);
    (pixels, label)
}

//! Reads from an image what the generator drew: its markers, and the path that joins them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use strum::VariantArray;

use crate::image::fine_marker;
use crate::paddle::{DEGREES, Direction, PaddleSet};
use crate::raster::{Canvas, Point};
use crate::resize::resize;
use crate::spec::{Difficulty, Spec};

/// A marker or paddle is there if the image lacks less than this share of its light.
const TOLERANCE: f64 = 0.1;

/// Ways that are followed at once: many more than there are in images of dashes.
const MOST_WAYS: usize = 20_000;

/// Reads images of one size, of any published level.
#[derive(Debug)]
pub struct Tracer {
    spec: Spec,
    /// For each margin, its paddles.
    sets: Vec<PaddleSet>,
    /// A marker in the middle of an image that is just large enough.
    disc: Canvas,
}

/// A path that joins two markers.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The places of its two markers, that of its beginning first.
    pub markers: [Point; 2],
    /// Its paddles, from the beginning to the end: their directions, and where their patches are
    /// centred.
    pub paddles: Vec<(Direction, Point)>,
    /// Number of the set that they are of.
    set: usize,
    /// Share of their light that the image lacks.
    lacking: f64,
}

/// The last paddle of a path while it is searched for.
struct Way {
    pivot: Point,
    direction: Direction,
    at: Point,
    /// Shares of light that the image lacks, summed over the paddles so far.
    lacking: f64,
    /// Number of the way that it goes on from.
    before: usize,
}

impl Tracer {
    /// For images of the size, the paddles and the markers of `spec`.
    pub fn new(spec: Spec) -> Self {
        let sets = spec.margins.iter().map(|&margin| PaddleSet::new(&spec, margin)).collect();
        let half = spec.marker_radius.ceil() as usize + 1;
        let small = Spec { size: 2 * half + 1, ..spec.clone() };
        let fine = fine_marker(&small, (half as i32, half as i32));
        let disc = resize(&fine, small.size, small.size);
        Self { spec, sets, disc }
    }

    /// The path that joins the two markers, if one is found, in an image of `size * size` bytes.
    pub fn joining(&self, pixels: &[u8]) -> Option<Trace> {
        let brightness = self.brightness(pixels);
        let undimmed = |&pixel: &u8| (f64::from(pixel) / brightness).min(255.0) as u8;
        let pixels: Vec<u8> = pixels.iter().map(undimmed).collect();
        let [a, b] = self.markers(&pixels)?;
        let searches = (0..self.sets.len()).flat_map(|set| [(set, [a, b]), (set, [b, a])]);
        let found = searches.flat_map(|(set, markers)| self.paths(&pixels, set, markers));
        found.min_by(|a, b| a.lacking.total_cmp(&b.lacking))
    }

    /// The image without these of the path's paddles, which are numbered from its beginning.
    pub fn without(&self, pixels: &[u8], trace: &Trace, gone: Range<usize>) -> Vec<u8> {
        let brightness = self.brightness(pixels);
        let (mut erased, mut kept) = (vec![false; pixels.len()], vec![0; pixels.len()]);
        let mut keep = |pixel: usize, light: u8| {
            let light = (f64::from(light) * brightness).round() as u8;
            kept[pixel] = light.max(kept[pixel]);
        };
        for (number, &(direction, at)) in trace.paddles.iter().enumerate() {
            for (pixel, light) in self.paddle(trace.set, direction, at) {
                if gone.contains(&number) {
                    erased[pixel] |= light > 0;
                } else {
                    keep(pixel, light);
                }
            }
        }
        for at in trace.markers {
            self.marker(at).for_each(|(pixel, light)| keep(pixel, light));
        }
        let each = pixels.iter().zip(erased).zip(kept);
        each.map(|((&pixel, gone), kept)| if gone { pixel.min(kept) } else { pixel }).collect()
    }

    /// How bright markers are, from 0 to 1: as all pixels are within some place of their size. Less than
    /// 1 where a crossing of paddles is brighter still.
    fn brightness(&self, pixels: &[u8]) -> f64 {
        let darkest = |at| {
            let core = self.marker(at).filter(|&(_, light)| light == 255);
            core.map(|(pixel, _)| pixels[pixel]).min().unwrap_or(0)
        };
        f64::from(self.places().map(darkest).max().unwrap_or(0).max(1)) / 255.0
    }

    /// The two places that resemble a marker most, if both do.
    pub fn markers(&self, pixels: &[u8]) -> Option<[Point; 2]> {
        let share = |at| lacking(pixels, self.marker(at));
        let mut places: Vec<(f64, Point)> = self.places().map(|at| (share(at), at)).collect();
        places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let &(_, first) = places.first()?;
        let apart = |at: Point| {
            let (down, right) = (f64::from(at.0 - first.0), f64::from(at.1 - first.1));
            down.hypot(right) > self.spec.marker_radius
        };
        let &(lacking, second) = places.iter().find(|place| apart(place.1))?;
        (lacking < TOLERANCE).then_some([first, second])
    }

    /// The best path of each published length from the first marker to the second, of paddles that are
    /// there.
    fn paths(&self, pixels: &[u8], set: usize, markers: [Point; 2]) -> Vec<Trace> {
        let paddles = &self.sets[set];
        let mut known: HashMap<(Direction, Point), f64> = HashMap::new();
        let mut lacking = |direction, at| {
            let share = known.entry((direction, at));
            let share = *share.or_insert_with(|| lacking(pixels, self.paddle(set, direction, at)));
            (share < TOLERANCE).then_some(share)
        };
        let [start, end] = markers;
        let first = (0..DEGREES).filter_map(|direction| {
            let lacking = lacking(direction, start)?;
            let (_, pivot) = paddles.head_and_pivot(start, direction);
            Some(Way { pivot, direction, at: start, lacking, before: 0 })
        });
        let mut ways: Vec<Vec<Way>> = vec![first.collect()];
        let mut found = Vec::new();
        let lengths = Difficulty::VARIANTS.iter().map(|level| level.contour_length());
        for length in lengths {
            while ways.len() < length {
                let mut best: BTreeMap<(Point, Direction), Way> = BTreeMap::new();
                for (before, way) in ways[ways.len() - 1].iter().enumerate() {
                    let pivot = paddles.next_pivot(way.pivot, way.direction);
                    for choice in paddles.choices(way.direction) {
                        let at = (pivot.0 + choice.offset.0, pivot.1 + choice.offset.1);
                        let direction = paddles.towards(choice.ring);
                        let Some(more) = lacking(direction, at) else { continue };
                        let next =
                            Way { pivot, direction, at, lacking: way.lacking + more, before };
                        let rival = best.get(&(at, direction));
                        if rival.is_none_or(|rival| next.lacking < rival.lacking) {
                            best.insert((at, direction), next);
                        }
                    }
                }
                if best.len() > MOST_WAYS {
                    return found;
                }
                ways.push(best.into_values().collect());
            }
            let ends = ways[length - 1].iter().filter(|way| way.at == end);
            if let Some(end) = ends.min_by(|a, b| a.lacking.total_cmp(&b.lacking)) {
                let paddles = traced_back(&ways[..length], end);
                let lacking = end.lacking / length as f64;
                found.push(Trace { markers, paddles, set, lacking });
            }
        }
        found
    }

    /// All pixels of an image.
    fn places(&self) -> impl Iterator<Item = Point> + use<> {
        let side = self.spec.size as i32;
        (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)))
    }

    /// Pixels of a paddle of a long path, and their light.
    fn paddle(
        &self,
        set: usize,
        direction: Direction,
        at: Point,
    ) -> impl Iterator<Item = (usize, u8)> {
        let patch = self.sets[set].patch(direction);
        let contrast = self.spec.path_contrasts[0] * self.spec.paddle_contrasts[0];
        let lit = move |light: u8| (f64::from(light) * contrast).min(255.0) as u8;
        let paddle = pasted(&patch.line, patch.side(), at, self.spec.size);
        paddle.map(move |(pixel, light)| (pixel, lit(light)))
    }

    /// Pixels of a marker, and their light.
    fn marker(&self, at: Point) -> impl Iterator<Item = (usize, u8)> {
        pasted(&self.disc.pixels, self.disc.width, at, self.spec.size)
    }
}

/// The paddles of the path that ends with `way`, one of the last of `ways`.
fn traced_back(ways: &[Vec<Way>], way: &Way) -> Vec<(Direction, Point)> {
    let mut paddles = vec![(way.direction, way.at)];
    let mut before = way.before;
    for ways in ways.iter().rev().skip(1) {
        paddles.push((ways[before].direction, ways[before].at));
        before = ways[before].before;
    }
    paddles.reverse();
    paddles
}

/// Share of this light that the image lacks; all of it where there is none.
fn lacking(pixels: &[u8], light: impl Iterator<Item = (usize, u8)>) -> f64 {
    let (mut wanted, mut lacking) = (0, 0);
    for (pixel, light) in light {
        wanted += u32::from(light);
        lacking += u32::from(light.saturating_sub(pixels[pixel]));
    }
    if wanted > 0 { f64::from(lacking) / f64::from(wanted) } else { 1.0 }
}

/// The pixels of an image of `size` a side that a square stamp about `at` covers, and the stamp's light.
fn pasted(
    stamp: &[u8],
    side: usize,
    at: Point,
    size: usize,
) -> impl Iterator<Item = (usize, u8)> + '_ {
    let half = (side / 2) as i32;
    stamp.iter().enumerate().filter_map(move |(number, &light)| {
        let y = usize::try_from(at.0 - half + (number / side) as i32).ok()?;
        let x = usize::try_from(at.1 - half + (number % side) as i32).ok()?;
        (y < size && x < size).then_some((y * size + x, light))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generator;

    #[test]
    fn the_path_that_was_drawn_is_found() {
        for (size, count) in [(32, 100), (64, 4), (128, 30), (256, 4)] {
            for level in [Difficulty::Easy, Difficulty::Intermediate, Difficulty::Hard] {
                let spec = Spec::official(size, level).unwrap();
                let generator = Generator::new(spec.clone(), 3).unwrap();
                let tracer = Tracer::new(spec);
                let mut pixels = vec![0; size * size];
                let mut mistaken = 0;
                for index in 0..count {
                    let image = generator.generate(index, &mut pixels).unwrap();
                    let found = tracer.joining(&pixels);
                    if image.label == 0 {
                        // A path may also happen to be joined to another.
                        mistaken += usize::from(found.is_some());
                        continue;
                    }
                    let mut paddles = found.unwrap().paddles;
                    if paddles[0].1 != image.markers[0] {
                        paddles.reverse();
                    }
                    let path = image.paths.iter().find(|path| path[0] == image.markers[0]).unwrap();
                    // Backwards, paddles are told by their other ends.
                    let reach = 2 + tracer.spec.paddle_length as i32;
                    let near = |(a, b): (&(Direction, Point), &Point)| {
                        (a.1.0 - b.0).abs().max((a.1.1 - b.1).abs()) <= reach
                    };
                    assert_eq!(paddles.len(), path.len());
                    assert!(paddles.iter().zip(path).all(near), "{size} {level} {index}");
                }
                assert!(mistaken as u64 <= count.div_ceil(20), "{size} {level}: {mistaken}");
            }
        }
    }

    #[test]
    fn nothing_is_found_where_there_is_nothing() {
        let tracer = Tracer::new(Spec::official(32, Difficulty::Hard).unwrap());
        assert!(tracer.joining(&[0; 1024]).is_none());
        // Any path is in it, or too many are: it comes to an end.
        let _ = tracer.joining(&[255; 1024]);
    }
}

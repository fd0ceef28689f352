//! Whole images: two target paths, distractors, markers.

use anyhow::{Result, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::contour::{Stroke, Targets, choose, distractor, target_paths};
use crate::mask::Occupancy;
use crate::paddle::PaddleSet;
use crate::patch::Patch;
use crate::raster::{Canvas, Point};
use crate::resize::{resize_window, stretch_to_bytes};
use crate::room::Room;
use crate::spec::{Difficulty, Spec};

/// Tries at each distractor before it is left out: the first and four repetitions.
pub const DISTRACTOR_TRIES: usize = 5;

/// Attempts at the target paths after which the specification is taken to be impossible. The
/// hardest published one, 64 pixels, needs some thousands.
const MAX_ATTEMPTS: u32 = 1_000_000;

/// What is known about an image besides its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// 1 if both markers are on the same path, else 0.
    pub label: u8,
    /// Half the gap between neighbouring paddles, in pixels.
    pub margin: usize,
    /// The two marked points `(y, x)`: the start of a path, and the end of that or the other one.
    pub markers: [Point; 2],
    /// Where each paddle of the two long paths is, from their starts to their ends.
    pub paths: [Vec<Point>; 2],
    /// Distractors for which there was room.
    pub distractors: usize,
    /// Times that the target paths were begun.
    pub attempts: u32,
}

/// Makes the images of one specification and seed, each on its own.
///
/// Image `index` depends on the specification, the seed and `index` alone, not on the order, the
/// thread or the images made before: its random numbers are the stream `index` of a `ChaCha8`
/// generator keyed with seed, size and level.
#[derive(Clone, Debug)]
pub struct Generator {
    spec: Spec,
    seed: u64,
    /// For each margin, its paddles and the mask of an empty image.
    sets: Vec<(PaddleSet, Occupancy)>,
    empty: Room,
}

/// The first thing that is drawn of an image.
fn draw_label(rng: &mut ChaCha8Rng) -> u8 {
    rng.random_range(0..2u8)
}

/// The random numbers of one image.
pub fn image_rng(spec: &Spec, seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&(spec.size as u32).to_le_bytes());
    key[12] = match spec.difficulty {
        Difficulty::Easy => 1,
        Difficulty::Intermediate => 2,
        Difficulty::Hard => 3,
    };
    key[16..].copy_from_slice(b"pathfinder image");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

impl Generator {
    /// Prepares the paddles of a specification.
    ///
    /// # Errors
    /// If the specification is not valid ([`Spec::validate`]).
    pub fn new(spec: Spec, seed: u64) -> Result<Self> {
        spec.validate()?;
        let sets = spec
            .margins
            .iter()
            .map(|&margin| {
                let empty = Occupancy::new(spec.size, spec.padding, margin);
                (PaddleSet::new(&spec, margin), empty)
            })
            .collect();
        let empty = Room::new(spec.size, spec.padding);
        Ok(Self { spec, seed, sets, empty })
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The label of image `index`, without the image.
    pub fn label(&self, index: u64) -> u8 {
        draw_label(&mut image_rng(&self.spec, self.seed, index))
    }

    /// Makes image `index` and writes its `size * size` bytes, row by row, to `pixels`.
    ///
    /// # Errors
    /// If `pixels` has another length, or if no two target paths are found in a million attempts,
    /// which no published specification comes near.
    pub fn generate(&self, index: u64, pixels: &mut [u8]) -> Result<Description> {
        let spec = &self.spec;
        if pixels.len() != spec.pixels() {
            bail!(
                "an image of {0} x {0} pixels needs a buffer of {1} bytes, not {2}",
                spec.size,
                spec.pixels(),
                pixels.len()
            );
        }
        let mut rng = image_rng(spec, self.seed, index);
        let label = draw_label(&mut rng);
        let numbers: Vec<usize> = (0..self.sets.len()).collect();
        let (set, empty) = &self.sets[choose(&numbers, &mut rng)];

        let mut mask = empty.clone();
        let (targets, attempts) = self.targets(set, empty, &mut mask, &mut rng)?;
        let Targets { origins, terminals, mut strokes } = targets;

        let paths = [0, 1].map(|path| {
            let of_path = strokes.iter().skip(path).step_by(2);
            of_path.map(|stroke| stroke.at).collect()
        });

        let mut room = self.empty.clone();
        // All but the end of the first path, as `target_paths` leaves it.
        let end_of_first = strokes.len() - 2;
        for (i, stroke) in strokes.iter().enumerate() {
            if i != end_of_first {
                room.merge(set.patch(stroke.direction), stroke.at);
            }
        }
        let mut before = mask.clone();
        let mut distractors = 0;
        for _ in 0..spec.distractors {
            for _ in 0..DISTRACTOR_TRIES {
                if let Some(more) = distractor(spec, set, &room, &mut mask, &mut rng) {
                    for stroke in &more {
                        room.merge(set.patch(stroke.direction), stroke.at);
                    }
                    strokes.extend(more);
                    distractors += 1;
                    mask.commit_to(&mut before);
                    break;
                }
                mask.restore(&before);
            }
        }

        let marked = rng.random_range(0..2usize);
        let other = if label == 1 { marked } else { 1 - marked };
        let markers = [origins[marked], terminals[other]];
        self.paint(set, &strokes, markers, pixels);
        Ok(Description { label, margin: set.margin, markers, paths, distractors, attempts })
    }

    fn targets(
        &self,
        set: &PaddleSet,
        empty: &Occupancy,
        mask: &mut Occupancy,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Targets, u32)> {
        for attempt in 1..=MAX_ATTEMPTS {
            if let Some(targets) = target_paths(&self.spec, set, mask, rng) {
                return Ok((targets, attempt));
            }
            mask.restore(empty);
        }
        bail!(
            "no two paths of {} paddles found room in {} x {} pixels in {MAX_ATTEMPTS} attempts: \
             shorten contour_length, paddle_length or the margins ({:?})",
            self.spec.contour_length,
            self.spec.size,
            self.spec.size,
            self.spec.margins
        )
    }

    fn paint(&self, set: &PaddleSet, strokes: &[Stroke], markers: [Point; 2], pixels: &mut [u8]) {
        let size = self.spec.size;
        let mut image = vec![0.0; pixels.len()];
        let mut contrast = f64::NAN;
        let mut levels = [0.0; 256];
        for stroke in strokes {
            if contrast.to_bits() != stroke.contrast.to_bits() {
                contrast = stroke.contrast;
                levels = contrast_levels(contrast);
            }
            paste(&mut image, size, set.patch(stroke.direction), stroke.at, &levels);
        }
        for at in markers {
            let (rows, columns, disc) = marker(&self.spec, at);
            for (i, y) in rows.enumerate() {
                for (j, x) in columns.clone().enumerate() {
                    let pixel = &mut image[y * size + x];
                    *pixel = pixel.max(f64::from(disc.pixels[i * disc.width + j]) / 255.0);
                }
            }
        }
        stretch_to_bytes(&image, pixels);
    }
}

/// Brightness of a paddle's 256 levels at a contrast, through single precision as the generator
/// stores it.
pub(super) fn contrast_levels(contrast: f64) -> [f64; 256] {
    std::array::from_fn(|v| f64::from((v as f64 / 255.0 * contrast) as f32))
}

/// Pastes a paddle's line, keeping the brighter of the two, clipped to the image.
fn paste(image: &mut [f64], size: usize, patch: &Patch, at: Point, levels: &[f64; 256]) {
    let (half, side) = (patch.half, size as i32);
    let (left, right) = ((at.1 - half).max(0), (at.1 + half).min(side - 1));
    if left > right {
        return;
    }
    for (i, row) in patch.line.chunks_exact(patch.side()).enumerate() {
        let y = at.0 - half + i as i32;
        if y < 0 || y >= side {
            continue;
        }
        let from = &row[(left - at.1 + half) as usize..=(right - at.1 + half) as usize];
        let start = y as usize * size + left as usize;
        for (pixel, &value) in image[start..][..from.len()].iter_mut().zip(from) {
            *pixel = pixel.max(levels[usize::from(value)]);
        }
    }
}

/// The rows and columns that a marker reaches, and its brightness there, 0 to 255.
fn marker(spec: &Spec, at: Point) -> (std::ops::Range<usize>, std::ops::Range<usize>, Canvas) {
    // A resampled pixel is made of those within three pixels of its centre.
    let reach = spec.marker_radius.ceil() as i32 + 4;
    let size = spec.size as i32;
    let clip = |centre: i32| {
        let from = (centre - reach).clamp(0, size) as usize;
        from..((centre + reach + 1).clamp(0, size) as usize).max(from)
    };
    let (rows, columns) = (clip(at.0), clip(at.1));
    let fine = fine_marker(spec, at);
    let disc = resize_window(&fine, spec.size, spec.size, rows.clone(), columns.clone());
    (rows, columns, disc)
}

/// A marker on a canvas `antialias` times finer than the image.
pub fn fine_marker(spec: &Spec, at: Point) -> Canvas {
    let scale = spec.antialias as i32;
    let fine_size = spec.size * spec.antialias;
    let mut fine = Canvas::new(fine_size, fine_size);
    let radius = spec.marker_radius * spec.antialias as f64;
    let reach = radius.ceil() as i32;
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            if f64::from(dy * dy + dx * dx) <= radius * radius {
                fine.set((at.0 * scale + dy, at.1 * scale + dx), 255);
            }
        }
    }
    fine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::resize;

    #[test]
    fn a_marker_is_the_whole_marker() {
        for size in [32, 64, 128] {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            let end = size as i32 - 1;
            for at in [(0, 0), (end, end / 2), (3, end - 2), (size as i32 / 2, 9)] {
                let whole = resize(&fine_marker(&spec, at), size, size);
                let (rows, columns, part) = marker(&spec, at);
                let mut pasted = Canvas::new(size, size);
                for (i, y) in rows.enumerate() {
                    for (j, x) in columns.clone().enumerate() {
                        pasted.set((y as i32, x as i32), part.pixels[i * part.width + j]);
                    }
                }
                assert_eq!(pasted, whole, "size {size} at {at:?}");
            }
        }
    }

    #[test]
    fn a_wrong_buffer_is_refused() {
        let spec = Spec::official(32, Difficulty::Hard).unwrap();
        let generator = Generator::new(spec, 0).unwrap();
        let error = generator.generate(0, &mut [0; 100]).unwrap_err().to_string();
        assert!(error.contains("1024") && error.contains("100"), "{error}");
    }

    #[test]
    fn an_impossible_specification_ends() {
        let mut spec = Spec::official(32, Difficulty::Hard).unwrap();
        // Longer than the image is wide, and without a turn.
        spec.contour_length = 20;
        spec.continuity = 40.0;
        let generator = Generator::new(spec, 0).unwrap();
        let error = generator.generate(0, &mut [0; 1024]).unwrap_err().to_string();
        assert!(error.contains("contour_length"), "{error}");
    }
}

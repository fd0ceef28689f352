//! Are generated Pathfinder images distributed like those of the published generator?
//!
//! Each image is reduced to numbers ([`features`]); for each of them the official and the generated
//! images are compared by the two-sample Kolmogorov-Smirnov test, and as whole pictures by the
//! energy distance of their 8 x 8 block means. The generator's seed is fixed, so the outcome is too.
//!
//! `S4_LRA_RELEASE` may name a folder that holds `pathfinder32` and so on, such as the official
//! archive's; without it, a sample in `tests/data` is used (see its README). Run with `--nocapture`
//! to see every number.
//!
//! A test that cannot fail proves nothing: `wrong_specifications_are_noticed` changes one value of
//! the specification at a time and requires the same comparison to reject the images.
#![allow(clippy::print_stdout)] // figures for --nocapture

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use datasets::pathfinder::{Difficulty, Generated, Generator, ImageSource, Release, Spec};
use pathfinder::paddle::PaddleSet;
use pathfinder::raster::{Canvas, disc};
use pathfinder::resize::resize;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::kolmogorov_smirnov::kolmogorov_smirnov;

/// Chance that a right generator fails a comparison, shared among all its tests.
const SIGNIFICANCE: f64 = 0.01;

/// Official images read at most, should a whole archive be there.
const MOST: usize = 1000;

fn release(size: usize, level: Difficulty) -> Option<Release> {
    match std::env::var_os("S4_LRA_RELEASE") {
        // A partial archive is compared as far as it goes.
        Some(folder) => match Release::open(Path::new(&folder), size, level) {
            Ok(release) => Some(release),
            Err(error) => {
                println!("pathfinder{size} {level} is not compared: {error:#}");
                None
            }
        },
        None => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
            let folder: PathBuf = folder.join("tests/data/pathfinder/lra_release");
            Release::open(&folder, size, level).ok()
        }
    }
}

/// What is compared of an image.
struct Sample {
    label: u8,
    values: Vec<f64>,
    /// Means of 8 x 8 blocks of the image, row by row.
    blocks: Vec<f64>,
}

const FEATURES: [&str; 21] = [
    "mean",
    "pixels > 0",
    "pixels > 32",
    "pixels > 96",
    "pixels > 160",
    "pixels > 224",
    "components > 16",
    "components > 64",
    "largest component",
    "row of the centre",
    "column of the centre",
    "spread",
    "lag 2",
    "lag 4",
    "lag 6",
    "lag 8",
    "lag 10",
    "bend",
    "marker rows",
    "marker columns",
    "marker distance",
];

fn features(spec: &Spec, template: &Template, label: u8, pixels: &[u8]) -> Sample {
    let size = spec.size;
    let total: f64 = pixels.iter().map(|&p| f64::from(p)).sum();
    let share = |threshold: u8| {
        pixels.iter().filter(|&&p| p > threshold).count() as f64 / pixels.len() as f64
    };
    let moment = |f: &dyn Fn(f64, f64) -> f64| {
        let sum: f64 = pixels
            .iter()
            .enumerate()
            .map(|(i, &p)| f((i / size) as f64, (i % size) as f64) * f64::from(p))
            .sum();
        sum / total
    };
    let (row, column) = (moment(&|y, _| y), moment(&|_, x| x));
    let spread = moment(&|y, x| (y - row).powi(2) + (x - column).powi(2)).sqrt();
    let components = components(size, pixels, 16);
    let largest = components.iter().map(Vec::len).max().unwrap_or(0);
    let [a, b] = template.find(size, pixels);
    let (dy, dx) = ((a.0 - b.0) as f64, (a.1 - b.1) as f64);

    let mut values = vec![
        total / pixels.len() as f64,
        share(0),
        share(32),
        share(96),
        share(160),
        share(224),
        components.len() as f64,
        self::components(size, pixels, 64).len() as f64,
        largest as f64,
        row,
        column,
        spread,
    ];
    values.extend([2, 4, 6, 8, 10].map(|lag| autocorrelation(size, pixels, lag)));
    values.push(bend(size, &components));
    values.extend([(a.0 + b.0) as f64, (a.1 + b.1) as f64, dy.hypot(dx)]);
    assert_eq!(values.len(), FEATURES.len());

    let block = size / 8;
    let mut blocks = vec![0.0; 64];
    for (i, &p) in pixels.iter().enumerate() {
        blocks[i / size / block * 8 + i % size / block] += f64::from(p) / (block * block) as f64;
    }
    Sample { label, values, blocks }
}

/// Mean of the image's products with itself shifted by `lag` pixels in four directions, relative
/// to its mean square: shows how long paddles are, how far apart, how straight the paths.
fn autocorrelation(size: usize, pixels: &[u8], lag: usize) -> f64 {
    let diagonal = (lag as f64 / 2f64.sqrt()).round() as isize;
    let lag = lag as isize;
    let shifts = [(0, lag), (lag, 0), (diagonal, diagonal), (diagonal, -diagonal)];
    let side = size as isize;
    let mut sum = 0.0;
    for (i, &p) in pixels.iter().enumerate() {
        if p == 0 {
            continue;
        }
        let (y, x) = ((i / size) as isize, (i % size) as isize);
        for (dy, dx) in shifts {
            let (y, x) = (y + dy, x + dx);
            if (0..side).contains(&y) && (0..side).contains(&x) {
                sum += f64::from(p) * f64::from(pixels[(y * side + x) as usize]);
            }
        }
    }
    let square: f64 = pixels.iter().map(|&p| f64::from(p).powi(2)).sum();
    sum / 4.0 / square
}

/// Mean angle in degrees between each component's long axis and that of its nearest neighbour, by
/// their centres: how much paths turn from paddle to paddle, where paddles stand apart.
fn bend(size: usize, components: &[Vec<usize>]) -> f64 {
    let axes: Vec<(f64, f64, f64)> = components
        .iter()
        .filter(|c| c.len() >= 4)
        .map(|component| {
            let n = component.len() as f64;
            let place = |i: &usize| ((i / size) as f64, (i % size) as f64);
            let y = component.iter().map(|i| place(i).0).sum::<f64>() / n;
            let x = component.iter().map(|i| place(i).1).sum::<f64>() / n;
            let (mut yy, mut xx, mut yx) = (0.0, 0.0, 0.0);
            for (py, px) in component.iter().map(place) {
                yy += (py - y).powi(2);
                xx += (px - x).powi(2);
                yx += (py - y) * (px - x);
            }
            (y, x, 0.5 * (2.0 * yx).atan2(xx - yy))
        })
        .collect();
    let mut sum = 0.0;
    for (i, a) in axes.iter().enumerate() {
        let distance = |b: &(f64, f64, f64)| (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2);
        let others = axes.iter().enumerate().filter(|(j, _)| *j != i);
        if let Some((_, b)) = others.min_by(|p, q| distance(p.1).total_cmp(&distance(q.1))) {
            let angle = (a.2 - b.2).abs();
            sum += angle.min(std::f64::consts::PI - angle).to_degrees();
        }
    }
    sum / axes.len().max(1) as f64
}

/// The 8-connected sets of pixels above a threshold.
fn components(size: usize, pixels: &[u8], threshold: u8) -> Vec<Vec<usize>> {
    let mut seen = vec![false; pixels.len()];
    let mut found = Vec::new();
    for start in 0..pixels.len() {
        if seen[start] || pixels[start] <= threshold {
            continue;
        }
        seen[start] = true;
        let mut component = vec![start];
        let mut next = 0;
        while next < component.len() {
            let (y, x) = (component[next] / size, component[next] % size);
            for ny in y.saturating_sub(1)..(y + 2).min(size) {
                for nx in x.saturating_sub(1)..(x + 2).min(size) {
                    let i = ny * size + nx;
                    if !seen[i] && pixels[i] > threshold {
                        seen[i] = true;
                        component.push(i);
                    }
                }
            }
            next += 1;
        }
        found.push(component);
    }
    found
}

/// Finds the two markers of an image: the places that resemble a bright disc most.
struct Template {
    half: isize,
    disc: Vec<f64>,
}

impl Template {
    fn new(spec: &Spec) -> Self {
        let radius = (spec.marker_radius * spec.antialias as f64) as usize;
        let half = spec.marker_radius.ceil() as usize;
        // Even offsets about the centre, as a marker lies on its canvas.
        let fine_side = 4 * (half + 6) * spec.antialias;
        let centre = (fine_side / 2) as i32;
        let mut fine = Canvas::new(fine_side, fine_side);
        for (dy, dx) in disc(radius) {
            fine.set((centre + dy, centre + dx), 255);
        }
        let side = fine_side / spec.antialias;
        let image = resize(&fine, side, side);
        let centre = side / 2;
        let mut disc = Vec::new();
        for y in centre - half..=centre + half {
            for x in centre - half..=centre + half {
                disc.push(f64::from(image.pixels[y * side + x]));
            }
        }
        Self { half: half as isize, disc }
    }

    fn find(&self, size: usize, pixels: &[u8]) -> [(isize, isize); 2] {
        let side = size as isize;
        let mut errors = Vec::new();
        for y in 0..side {
            for x in 0..side {
                // A marker may be painted over by something brighter, but not darkened.
                let mut error = 0.0;
                let mut offsets = self.disc.iter();
                for py in y - self.half..=y + self.half {
                    for px in x - self.half..=x + self.half {
                        let wanted = offsets.next().unwrap();
                        let inside = (0..side).contains(&py) && (0..side).contains(&px);
                        if inside {
                            let found = f64::from(pixels[(py * side + px) as usize]);
                            error += (wanted - found).max(0.0) + 0.02 * (found - wanted).max(0.0);
                        } else {
                            error += wanted;
                        }
                    }
                }
                errors.push((error, (y, x)));
            }
        }
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let first = errors[0].1;
        let apart =
            |p: (isize, isize)| (p.0 - first.0).abs().max((p.1 - first.1).abs()) > self.half;
        let second = errors.iter().find(|e| apart(e.1)).unwrap().1;
        [first.min(second), first.max(second)]
    }
}

fn samples(spec: &Spec, source: &dyn ImageSource) -> Vec<Sample> {
    let template = Template::new(spec);
    (0..source.len().min(MOST))
        .into_par_iter()
        .map(|index| {
            let mut pixels = vec![0; spec.pixels()];
            let label = source.get(index, &mut pixels).unwrap();
            features(spec, &template, label, &pixels)
        })
        .collect()
}

/// Permutation test of the energy distance between two sets of vectors.
fn energy_test(a: &[&[f64]], b: &[&[f64]], rng: &mut impl Rng) -> f64 {
    const PERMUTATIONS: usize = 4999;
    let all: Vec<&[f64]> = a.iter().chain(b).copied().collect();
    let n = all.len();
    let distances: Vec<Vec<f32>> = all
        .par_iter()
        .map(|p| {
            all.iter()
                .map(|q| {
                    let sum: f64 = p.iter().zip(*q).map(|(x, y)| (x - y).powi(2)).sum();
                    sum.sqrt() as f32
                })
                .collect()
        })
        .collect();
    let rows: Vec<f64> =
        distances.iter().map(|row| row.iter().map(|&d| f64::from(d)).sum()).collect();
    let whole: f64 = rows.iter().sum();
    // From the sum within the first set and its row sums, all three parts follow.
    let statistic = |first: &[usize]| {
        let within: f64 = first
            .iter()
            .map(|&i| first.iter().map(|&j| f64::from(distances[i][j])).sum::<f64>())
            .sum();
        let touching: f64 = first.iter().map(|&i| rows[i]).sum();
        let between = touching - within;
        let other = whole - 2.0 * between - within;
        let (k, l) = (first.len() as f64, (n - first.len()) as f64);
        2.0 * between / (k * l) - within / (k * k) - other / (l * l)
    };
    let order: Vec<usize> = (0..n).collect();
    let observed = statistic(&order[..a.len()]);
    let shuffles: Vec<Vec<usize>> = (0..PERMUTATIONS)
        .map(|_| {
            let mut order = order.clone();
            let (first, _) = order.partial_shuffle(rng, a.len());
            first.to_vec()
        })
        .collect();
    let larger = shuffles.par_iter().filter(|first| statistic(first) >= observed).count();
    (larger + 1) as f64 / (PERMUTATIONS + 1) as f64
}

/// The outcome of comparing two sets of images.
struct Comparison {
    /// Name, means and probability of each test.
    tests: Vec<(String, f64, f64, f64)>,
}

impl Comparison {
    fn of(official: &[Sample], generated: &[Sample]) -> Self {
        let mut tests = Vec::new();
        let mut add = |name: String, a: &[f64], b: &[f64]| {
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            tests.push((name, mean(a), mean(b), kolmogorov_smirnov(a, b)));
        };
        for (i, name) in FEATURES.iter().enumerate() {
            let column = |set: &[Sample]| set.iter().map(|s| s.values[i]).collect::<Vec<_>>();
            add((*name).to_owned(), &column(official), &column(generated));
        }
        // Joined ends lie elsewhere than others.
        for label in [0, 1] {
            let column = |set: &[Sample]| {
                let set = set.iter().filter(|s| s.label == label);
                set.map(|s| s.values[FEATURES.len() - 1]).collect::<Vec<_>>()
            };
            let name = format!("marker distance, label {label}");
            add(name, &column(official), &column(generated));
        }
        let a: Vec<&[f64]> = official.iter().map(|s| s.blocks.as_slice()).collect();
        let b: Vec<&[f64]> = generated.iter().map(|s| s.blocks.as_slice()).collect();
        let b = &b[..b.len().min(400)];
        let p = energy_test(&a, b, &mut ChaCha8Rng::seed_from_u64(1));
        tests.push(("8 x 8 block means".to_owned(), f64::NAN, f64::NAN, p));
        Self { tests }
    }

    fn print(&self, title: &str) {
        println!("{title}: {:<28}{:>10}{:>11}{:>10}", "", "official", "generated", "p");
        for (name, a, b, p) in &self.tests {
            println!("    {name:<28}{a:>10.4}{b:>11.4}{p:>10.4}");
        }
    }

    /// The test with the smallest probability, corrected for their number.
    fn worst(&self) -> (&str, f64) {
        let worst = self.tests.iter().min_by(|a, b| a.3.total_cmp(&b.3)).unwrap();
        (&worst.0, (worst.3 * self.tests.len() as f64).min(1.0))
    }
}

/// Compares official images with `count` generated ones.
fn compare(title: &str, official: &[Sample], spec: &Spec, count: u64) -> Comparison {
    let generated = Generated::new(spec.clone(), 2024, 0..count).unwrap();
    let generated = samples(spec, &generated);
    let comparison = Comparison::of(official, &generated);
    comparison.print(title);
    comparison
}

#[test]
fn generated_images_are_like_the_published_ones() {
    let mut compared = 0;
    for (size, level, count) in [
        (32, Difficulty::Hard, 1000),
        (32, Difficulty::Intermediate, 1000),
        (32, Difficulty::Easy, 1000),
        (64, Difficulty::Hard, 500),
        (128, Difficulty::Hard, 500),
        (256, Difficulty::Hard, 200),
    ] {
        let Some(release) = release(size, level) else {
            continue;
        };
        let spec = Spec::official(size, level).unwrap();
        let official = samples(&spec, &release);
        let title = format!("pathfinder{size} {level}, {} official images", official.len());
        let comparison = compare(&title, &official, &spec, count);
        let (name, p) = comparison.worst();
        println!("    smallest corrected probability: {p:.4} ({name})\n");
        assert!(
            p > SIGNIFICANCE,
            "pathfinder{size} {level}: `{name}` differs, corrected p = {p:.2e}"
        );
        compared += 1;
    }
    assert!(compared > 0, "no official images were found");
}

/// One value of the specification is wrong, and the comparison must say so.
#[test]
fn wrong_specifications_are_noticed() {
    type Change = (&'static str, fn(&mut Spec));
    let at_32: [Change; 8] = [
        ("no distractors", |s| s.distractors = 0),
        ("continuity 0.7", |s| s.continuity = 0.7),
        ("13 paddles", |s| s.contour_length = 13),
        ("seed distance 5", |s| s.seed_distance = 5),
        ("marker radius 2", |s| s.marker_radius = 2.0),
        ("path contrast 1.8", |s| s.path_contrasts = vec![1.8]),
        ("thickness 1", |s| s.paddle_thickness = 1.0),
        ("padding 3", |s| s.padding = 3),
    ];
    let at_128: [Change; 6] = [
        ("no distractors", |s| s.distractors = 0),
        ("margin 2", |s| s.margins = vec![2]),
        ("margins 3, 4", |s| s.margins = vec![3, 4]),
        ("continuity 1", |s| s.continuity = 1.0),
        ("thickness 1", |s| s.paddle_thickness = 1.0),
        ("12 paddles", |s| s.contour_length = 12),
    ];
    for (size, changes) in [(32, &at_32[..]), (128, &at_128[..])] {
        let Some(release) = release(size, Difficulty::Hard) else {
            continue;
        };
        let right = Spec::official(size, Difficulty::Hard).unwrap();
        let official = samples(&right, &release);
        for (what, change) in changes {
            let mut wrong = right.clone();
            change(&mut wrong);
            let generated = Generated::new(wrong, 2024, 0..300).unwrap();
            // Features, such as what a marker looks like, are those of the right specification.
            let comparison = Comparison::of(&official, &samples(&right, &generated));
            let (name, p) = comparison.worst();
            println!("pathfinder{size}, {what}: corrected p = {p:.1e} ({name})");
            assert!(
                p < SIGNIFICANCE,
                "pathfinder{size}: {what} was not noticed, corrected p = {p:.2e}"
            );
        }
    }
}

/// Paddles that touch nothing else must be, grey level by grey level, among those that this
/// generator draws; the rest are paddles that touch, and markers.
#[test]
fn published_paddles_are_drawn_alike() {
    const FAINT: u8 = 16;
    for (size, least) in [(64, 0.70), (128, 0.93)] {
        let Some(release) = release(size, Difficulty::Hard) else {
            continue;
        };
        let spec = Spec::official(size, Difficulty::Hard).unwrap();
        let mut known = HashSet::new();
        for &margin in &spec.margins {
            for patch in PaddleSet::new(&spec, margin).patches {
                let grey = |&v: &u8| {
                    let bright = (f64::from(v) / 255.0 * spec.path_contrasts[0]) as f32;
                    (f64::from(bright) * 255.0 + 0.5) as u8
                };
                let image: Vec<u8> = patch.line.iter().map(grey).collect();
                let side = patch.side();
                known
                    .extend(components(side, &image, FAINT).iter().map(|c| shape(side, &image, c)));
            }
        }
        let (mut paddles, mut found) = (0, 0);
        let mut pixels = vec![0; spec.pixels()];
        for index in 0..release.len().min(MOST) {
            release.get(index, &mut pixels).unwrap();
            for component in components(size, &pixels, FAINT) {
                let columns = component.iter().map(|i| i % size);
                let rows = component.iter().map(|i| i / size);
                let width = columns.clone().max().unwrap() - columns.min().unwrap() + 1;
                let height = rows.clone().max().unwrap() - rows.min().unwrap() + 1;
                if width.max(height) <= 11 {
                    paddles += 1;
                    found += usize::from(known.contains(&shape(size, &pixels, &component)));
                }
            }
        }
        let share = f64::from(found as u32) / f64::from(paddles);
        println!("pathfinder{size}: {found} of {paddles} single components are known paddles");
        assert!(share > least, "{share:.3} of the paddles are known");
    }
}

/// The pixels of a component as rows, columns and values, relative to its first pixel.
fn shape(size: usize, pixels: &[u8], component: &[usize]) -> Vec<(isize, isize, u8)> {
    let mut component = component.to_vec();
    component.sort_unstable();
    let place = |i: usize| ((i / size) as isize, (i % size) as isize);
    let (y0, x0) = place(component[0]);
    component.iter().map(|&i| (place(i).0 - y0, place(i).1 - x0, pixels[i])).collect()
}

#[test]
fn labels_are_balanced() {
    let spec = Spec::official(32, Difficulty::Easy).unwrap();
    let generated = Generated::new(spec.clone(), 7, 0..10_000).unwrap();
    let ones: u32 = (0..generated.len())
        .into_par_iter()
        .map(|i| u32::from(generated.get(i, &mut vec![0; spec.pixels()]).unwrap()))
        .sum();
    // Four standard deviations of a binomial.
    assert!((f64::from(ones) - 5000.0).abs() < 200.0, "{ones} of 10,000");
}

/// The comparison of markers is worth something only if markers are found.
#[test]
fn markers_are_found() {
    for (size, least) in [(32, 85), (64, 95), (128, 95)] {
        let spec = Spec::official(size, Difficulty::Hard).unwrap();
        let template = Template::new(&spec);
        let generator = Generator::new(spec.clone(), 8).unwrap();
        let mut pixels = vec![0; spec.pixels()];
        let right = (0..100)
            .filter(|&index| {
                let [a, b] = generator.generate(index, &mut pixels).unwrap().markers;
                let as_found = |p: (i32, i32)| (p.0 as isize, p.1 as isize);
                let (a, b) = (as_found(a), as_found(b));
                template.find(size, &pixels) == [a.min(b), a.max(b)]
            })
            .count();
        println!("pathfinder{size}: both markers found in {right} of 100 images");
        assert!(right >= least, "{right} of 100 at {size} pixels");
    }
}

/// The tests themselves, on samples of known distributions.
#[test]
fn the_tests_hold_their_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let normal = |rng: &mut ChaCha8Rng, mean: f64| -> f64 {
        mean + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    };
    let (mut ks, mut energy, mut shifted) = (0, 0, 0);
    for _ in 0..200 {
        let a: Vec<f64> = (0..40).map(|_| normal(&mut rng, 0.0)).collect();
        let b: Vec<f64> = (0..150).map(|_| normal(&mut rng, 0.0)).collect();
        let c: Vec<f64> = (0..150).map(|_| normal(&mut rng, 1.0)).collect();
        ks += usize::from(kolmogorov_smirnov(&a, &b) < 0.05);
        shifted += usize::from(kolmogorov_smirnov(&a, &c) < 0.05);
    }
    assert!((3..=20).contains(&ks), "{ks} of 200 at 5%");
    assert!(shifted > 190, "{shifted}");
    for _ in 0..40 {
        let mut points = |n: usize, mean: f64| -> Vec<Vec<f64>> {
            (0..n).map(|_| (0..3).map(|_| normal(&mut rng, mean)).collect()).collect()
        };
        let (a, b) = (points(20, 0.0), points(30, 0.0));
        let a: Vec<&[f64]> = a.iter().map(Vec::as_slice).collect();
        let b: Vec<&[f64]> = b.iter().map(Vec::as_slice).collect();
        energy += usize::from(energy_test(&a, &b, &mut ChaCha8Rng::seed_from_u64(4)) < 0.05);
    }
    assert!(energy <= 8, "{energy} of 40 at 5%");
}

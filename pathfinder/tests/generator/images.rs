//! The Pathfinder generator against its naive twin, against Pillow, and against itself.

use pathfinder::patch::Patch;
use pathfinder::raster::Canvas;
use pathfinder::resize::resize;
use pathfinder::spec::OFFICIAL_SIZES;
use pathfinder::{Difficulty, Generator, Spec};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::reference;

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// The lines of a file of expectations, split into words.
fn expectations(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

#[test]
fn paddles_equal_those_drawn_with_pillow() {
    let mut count = 0;
    for words in expectations(include_str!("../data/pillow_paddles.txt")) {
        let spec = Spec::official(words[0].parse().unwrap(), Difficulty::Hard).unwrap();
        let margin = words[1].parse().unwrap();
        let degrees: f64 = words[2].parse().unwrap();
        let angle = degrees * std::f64::consts::PI / 180.0;
        let patch = Patch::draw(&spec, margin, angle);
        assert_eq!(digest(&patch.line), words[3], "line of {words:?}");
        assert_eq!(digest(&patch.mask), words[4], "mask of {words:?}");
        count += 1;
    }
    assert!(count > 300, "{count}");
}

#[test]
fn resized_images_equal_those_of_pillow() {
    for words in expectations(include_str!("../data/pillow_lanczos.txt")) {
        let size: Vec<usize> = words[..4].iter().map(|w| w.parse().unwrap()).collect();
        let mut image = Canvas::new(size[0], size[1]);
        let mut state = (size[0] * 1000 + size[1]) as u32;
        for pixel in &mut image.pixels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = (state >> 24) as u8;
        }
        let resized = resize(&image, size[2], size[3]);
        assert_eq!(digest(&resized.pixels), words[4], "{words:?}");
    }
}

#[test]
fn images_equal_the_reference() {
    for (size, level, count) in [
        (32, Difficulty::Easy, 12),
        (32, Difficulty::Intermediate, 8),
        (32, Difficulty::Hard, 8),
        (64, Difficulty::Hard, 2),
        (128, Difficulty::Easy, 2),
        (128, Difficulty::Hard, 2),
        (256, Difficulty::Hard, 1),
    ] {
        let spec = Spec::official(size, level).unwrap();
        compare_with_reference(&spec, count);
    }
    // Lists with more than one entry, as no published specification has them.
    let mut spec = Spec::official(32, Difficulty::Intermediate).unwrap();
    spec.path_contrasts = vec![0.5, 1.0];
    spec.paddle_contrasts = vec![0.6, 0.8, 1.0];
    spec.margins = vec![1, 2];
    spec.continuity = 0.7;
    compare_with_reference(&spec, 8);
}

/// Compares the first `count` images that took few attempts: the reference dilates whole images
/// for each paddle, so that an attempt takes it milliseconds, and most images take hundreds.
fn compare_with_reference(spec: &Spec, count: usize) {
    let generator = Generator::new(spec.clone(), 11).unwrap();
    let mut pixels = vec![0; spec.pixels()];
    (0..10_000u64)
        .filter(|&index| generator.generate(index, &mut pixels).unwrap().attempts <= 25)
        .take(count)
        .collect::<Vec<_>>()
        .into_par_iter()
        .for_each(|index| {
            let mut pixels = vec![0; spec.pixels()];
            let description = generator.generate(index, &mut pixels).unwrap();
            let (expected, label) = reference::generate(spec, 11, index);
            assert_eq!(description.label, label);
            assert!(pixels == expected, "image {index} of {spec:?} differs");
        });
}

/// The first images of seed 0, so that a change of the output does not go unnoticed. If it is
/// meant, raise `GENERATOR_VERSION`.
#[test]
fn images_are_the_same_as_ever() {
    let digests: Vec<String> = OFFICIAL_SIZES
        .iter()
        .map(|&size| {
            let spec = Spec::official(size, Difficulty::Hard).unwrap();
            let generator = Generator::new(spec.clone(), 0).unwrap();
            let mut hash = Sha256::new();
            let mut pixels = vec![0; spec.pixels()];
            for index in [0, 1, 2, 1 << 40] {
                let description = generator.generate(index, &mut pixels).unwrap();
                hash.update(&pixels);
                hash.update([description.label]);
            }
            format!("{size} {}", digest(&hash.finalize()))
        })
        .collect();
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 4] =
    ["32 aed273c3141a4cca", "64 b72766ef872c0288", "128 2c353df724a10307", "256 41135abcc046cad3"];

#[test]
fn an_image_depends_on_its_index_alone() {
    let spec = Spec::official(32, Difficulty::Hard).unwrap();
    let generator = Generator::new(spec.clone(), 5).unwrap();
    let make = |index: u64| {
        let mut pixels = vec![0; spec.pixels()];
        let description = generator.generate(index, &mut pixels).unwrap();
        (pixels, description)
    };
    let forwards: Vec<_> = (0..64).map(make).collect();
    let backwards: Vec<_> = (0..64).rev().map(make).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let parallel: Vec<_> = pool.install(|| (0..64).into_par_iter().map(make).collect());
        assert_eq!(parallel, forwards);
    }
    // Another seed or level gives other images; no two images are equal.
    let other = Generator::new(spec.clone(), 6).unwrap();
    let mut pixels = vec![0; spec.pixels()];
    other.generate(0, &mut pixels).unwrap();
    assert!(forwards.iter().all(|(image, _)| *image != pixels));
    for (i, (image, _)) in forwards.iter().enumerate() {
        assert!(forwards[..i].iter().all(|(earlier, _)| earlier != image));
    }
}

#[test]
fn labels_and_markers_agree_with_the_description() {
    for (size, count) in [(32, 200), (128, 20)] {
        let spec = Spec::official(size, Difficulty::Hard).unwrap();
        let generator = Generator::new(spec.clone(), 3).unwrap();
        let mut pixels = vec![0; spec.pixels()];
        for index in 0..count {
            let description = generator.generate(index, &mut pixels).unwrap();
            assert!(description.label <= 1);
            assert!(spec.margins.contains(&description.margin));
            assert!(description.distractors <= spec.distractors);
            assert_eq!(pixels.iter().max(), Some(&255));
            assert_eq!(pixels.iter().min(), Some(&0));
            for (y, x) in description.markers {
                // At 32 pixels a distractor may outshine the markers.
                let centre = pixels[y as usize * size + x as usize];
                assert!(centre >= 200, "marker of {centre} at {y}, {x}");
            }
        }
    }
}

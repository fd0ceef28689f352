//! Changes of pictures are what their published definitions say.

use anyhow::Result;
use datasets::examples::images::Colour;
use datasets::examples::pictures::decode;
use jpeg_encoder::{ColorType, Encoder};
use proptest::prelude::*;
use transformations::content::{Content, Kind, Picture};
use transformations::{ALL, Effect, Severity, Unchanged, find, seed};

fn apply(name: &str, picture: &Picture, severity: u8, example: usize) -> Result<Picture> {
    let transformation = find(name)?;
    let severity = Severity::new(severity)?;
    let random = &mut seed::random(1, name, severity, example);
    let content = Content::Picture(picture.clone());
    let changed = transformation.apply(&content, &3.into(), severity, random, &[])?;
    assert_eq!(changed.label, 3.into());
    match changed.content {
        Content::Picture(picture) => Ok(picture),
        other => panic!("{name} made {other:?}"),
    }
}

fn changed(name: &str, picture: &Picture, severity: u8) -> Picture {
    apply(name, picture, severity, 0).unwrap()
}

fn flat(width: usize, height: usize, colours: usize, value: f32) -> Picture {
    Picture { width, colours, values: vec![value; width * height * colours] }
}

/// White at one place of a black picture.
fn dot(side: usize, row: usize, column: usize) -> Picture {
    let black = flat(side, side, 1, 0.0);
    black.made_of(|y, x, _| if (y, x) == (row, column) { 1.0 } else { 0.0 })
}

/// A ring, bright on dark, with colours of its own, that has edges in all directions.
fn ring(side: usize, colours: usize) -> Picture {
    let centre = side as f32 / 2.0 - 0.5;
    flat(side, side, colours, 0.0).made_of(|row, column, colour| {
        let radius = (row as f32 - centre).hypot(column as f32 - centre) / side as f32;
        let lit = if (0.2..0.35).contains(&radius) { 0.8 } else { 0.1 };
        lit - 0.06 * colour as f32
    })
}

fn mean(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64
}

fn sd(values: &[f32]) -> f64 {
    let mean = mean(values);
    let squares = values.iter().map(|&value| (f64::from(value) - mean).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

fn distance(a: &Picture, b: &Picture) -> f64 {
    let squares = a.values.iter().zip(&b.values).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.values.len() as f64).sqrt()
}

fn close(a: f64, b: f64, share: f64) {
    assert!((a - b).abs() <= share * b.abs(), "{a} is not {b}");
}

#[test]
fn noise_has_the_published_strength() {
    // 32 and 28 pixels wide: one scale each; high enough for exact figures.
    let [cifar, digits] = [32, 28].map(|width| flat(width, 2000, 1, 0.5));
    for (severity, (small, large)) in (1..).zip([(0.04, 0.08), (0.06, 0.12), (0.08, 0.18)]) {
        close(sd(&changed("gaussian-noise", &cifar, severity).values), small, 0.02);
        // At 0.18 a little is clipped.
        close(sd(&changed("gaussian-noise", &digits, severity).values), large, 0.02);
    }
    for (severity, sd_of_one) in (1..).zip([0.06, 0.10, 0.12, 0.16, 0.20]) {
        close(sd(&changed("speckle-noise", &cifar, severity).values), 0.5 * sd_of_one, 0.02);
    }
    for (severity, photons) in (1..).zip([500.0, 250.0, 100.0, 75.0, 50.0f64]) {
        let noisy = changed("shot-noise", &cifar, severity);
        close(mean(&noisy.values), 0.5, 0.01);
        close(sd(&noisy.values), (0.5 / photons).sqrt(), 0.02);
        let counts = noisy.values.iter().map(|value| f64::from(*value) * photons);
        assert!(counts.into_iter().all(|count| (count - count.round()).abs() < 1e-3));
    }
    let black = flat(32, 10, 1, 0.0);
    assert_eq!(changed("shot-noise", &black, 5), black);
    assert_eq!(changed("speckle-noise", &black, 5), black);
}

#[test]
fn salt_and_pepper_have_equal_shares() {
    for (width, share) in [(32, 0.07), (28, 0.27)] {
        let noisy = changed("impulse-noise", &flat(width, 20_000, 1, 0.5), 5);
        let of = |level: f32| {
            let hit = noisy.values.iter().filter(|&&value| value == level).count();
            hit as f64 / noisy.values.len() as f64
        };
        close(of(1.0), share / 2.0, 0.04);
        close(of(0.0), share / 2.0, 0.04);
        close(of(0.5), 1.0 - share, 0.01);
    }
}

#[test]
fn a_blurred_dot_has_the_published_width() {
    let dot = |side| dot(side, side / 2, side / 2);
    let variance = |picture: &Picture, along: fn(usize, usize) -> usize| {
        let side = picture.width;
        let places = (0..side * side).map(|pixel| along(pixel / side, pixel % side) as f64);
        let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
            places
                .clone()
                .zip(&picture.values)
                .map(|(at, &weight)| of(at) * f64::from(weight))
                .sum()
        };
        let mean = weighted(&|at| at) / weighted(&|_| 1.0);
        weighted(&|at| (at - mean).powi(2)) / weighted(&|_| 1.0)
    };
    // Below one pixel, samples of the density have less variance than it has.
    for (side, severity, sigma) in [(33, 5, 1.0), (27, 1, 1.0), (27, 2, 2.0), (101, 4, 4.0)] {
        let blurred = changed("gaussian-blur", &dot(side), severity);
        close(mean(&blurred.values) * (side * side) as f64, 1.0, 1e-3);
        for along in [|row, _| row, |_, column| column] {
            close(variance(&blurred, along).sqrt(), sigma, 0.02);
        }
    }
    // A disc of radius r has a variance of r²/4 along each axis, in whole pixels nearly.
    let blurred = changed("defocus-blur", &dot(27), 3);
    close(variance(&blurred, |row, _| row), 6.0 * 6.0 / 4.0, 0.1);
    close(mean(&blurred.values) * f64::from(27 * 27), 1.0, 1e-3);
    // Motion goes along one line, of no more than 45 degrees.
    let moved = changed("motion-blur", &dot(101), 2);
    assert!(variance(&moved, |_, column| column) >= variance(&moved, |row, _| row));
    close(mean(&moved.values) * f64::from(101 * 101), 1.0, 1e-3);
}

#[test]
fn blurs_leave_what_is_flat() {
    for name in
        ["gaussian-blur", "defocus-blur", "glass-blur", "motion-blur", "pixelate", "zoom-blur"]
    {
        for colours in [1, 3] {
            let flat = flat(32, 32, colours, 0.4);
            for severity in 1..=5 {
                let blurred = changed(name, &flat, severity);
                assert!(distance(&blurred, &flat) < 1e-6, "{name} {severity}");
            }
        }
    }
}

#[test]
fn jpeg_files_have_the_published_quality() {
    for (width, qualities) in [(32, [80, 65, 58, 50, 40]), (28, [25, 18, 15, 10, 7])] {
        for (severity, quality) in (1..).zip(qualities) {
            let picture = ring(width as usize, 3);
            let mut file = Vec::new();
            let encoder = Encoder::new(&mut file, quality);
            encoder.encode(&picture.bytes(), width, width, ColorType::Rgb).unwrap();
            let (_, expected) = decode(&file, Colour::Rgb).unwrap();
            assert_eq!(changed("jpeg", &picture, severity).bytes(), expected);
        }
    }
}

#[test]
fn light_and_colours_change_as_hsv_says() {
    let picture = Picture { width: 1, colours: 3, values: vec![0.4, 0.2, 0.1, 0.0, 0.0, 0.0] };
    let brighter = changed("brightness", &picture, 5).values;
    for (value, expected) in brighter.iter().zip([0.9, 0.45, 0.225, 0.5, 0.5, 0.5]) {
        assert!((value - expected).abs() < 1e-6, "{brighter:?}");
    }
    let grey = flat(28, 2, 1, 0.25);
    assert_eq!(changed("brightness", &grey, 4), flat(28, 2, 1, 0.65));
    // S is 0.75; x 0.1 makes 0.075 of it, x 20 all of it.
    let weaker = changed("saturate", &picture, 2).values;
    assert!((weaker[2] - 0.4 * (1.0 - 0.075)).abs() < 1e-6 && (weaker[0] - 0.4).abs() < 1e-6);
    let stronger = changed("saturate", &picture, 5).values;
    assert!(stronger[2].abs() < 1e-6 && (stronger[1] - 0.4 / 3.0).abs() < 1e-6, "{stronger:?}");
    let refused = apply("saturate", &grey, 1, 0).unwrap_err();
    assert!(refused.is::<Unchanged>());
    assert_eq!(changed("inverted", &grey, 1), flat(28, 2, 1, 0.75));
}

#[test]
fn contrast_is_lost_about_the_mean() {
    let picture = ring(32, 3);
    for (severity, times) in (1..).zip([0.75, 0.5, 0.4, 0.3, 0.15]) {
        let paler = changed("contrast", &picture, severity);
        for colour in 0..3 {
            let of = |picture: &Picture| -> Vec<f32> {
                picture.values.iter().skip(colour).step_by(3).copied().collect()
            };
            close(mean(&of(&paler)), mean(&of(&picture)), 1e-4);
            close(sd(&of(&paler)), times * sd(&of(&picture)), 1e-4);
        }
    }
}

#[test]
fn pictures_are_moved_where_they_should_be() {
    // 3 of 28 pixels, to one of four corners.
    let moved = changed("translate", &dot(28, 10, 15), 3);
    let place = moved.values.iter().position(|&value| value == 1.0).unwrap();
    assert!([7, 13].contains(&(place / 28)) && [12, 18].contains(&(place % 28)));
    close(mean(&moved.values) * 784.0, 1.0, 1e-6);
    // Half the side is a quarter of the light.
    let block = flat(28, 28, 1, 0.0).made_of(|row, column, _| {
        if (6..22).contains(&row) && (6..22).contains(&column) { 1.0 } else { 0.0 }
    });
    let light = |picture: &Picture| mean(&picture.values);
    close(light(&changed("scale", &block, 5)), light(&block) / 4.0, 0.02);
    close(light(&changed("rotate", &block, 3)), light(&block), 0.02);
    // MNIST-C's shear also lengthens columns: by 1 / cos.
    close(light(&changed("shear", &block, 2)), light(&block) / 0.4f64.cos(), 0.02);
    // The middle row hardly moves in a shear, the others to the side.
    let column = flat(29, 29, 1, 0.0).made_of(|_, column, _| f32::from(u8::from(column == 14)));
    let sheared = changed("shear", &column, 3);
    assert!((sheared.at(14, 14, 0) - 1.0).abs() < 1e-6);
    let at =
        |row: usize| (0..29).map(|column| column as f32 * sheared.at(row, column, 0)).sum::<f32>();
    let by = (0.6f32.sin() * 5.0 - (at(19) - 14.0).abs()).abs();
    assert!(by < 1e-4, "{by}");
    assert!((at(19) + at(9) - 28.0).abs() < 1e-4);
    let striped = changed("stripe", &flat(28, 1, 1, 0.2), 3);
    let inverted = striped.values.iter().filter(|&&value| value > 0.5).count();
    assert_eq!((inverted, striped.values[6], striped.values[7]), (14, 0.8, 0.2));
}

#[test]
fn zooms_and_lines_are_as_published() {
    // What is in the middle stays in the middle; at the rim it moves out.
    let zoomed = changed("zoom-blur", &dot(32, 2, 2), 5);
    assert!(zoomed.at(2, 2, 0) > 0.05 && zoomed.at(1, 1, 0) > 0.01 && zoomed.at(3, 3, 0) < 0.05);
    let black = flat(28, 28, 1, 0.0);
    let dotted = changed("dotted-line", &black, 3);
    for column in 0..27 {
        let most = (0..28).map(|row| dotted.at(row, column, 0)).fold(0.0, f32::max);
        assert_eq!(most > 0.5, column / 2 % 2 == 1, "column {column}");
    }
    // Nearly every column has a bright pixel, but where the line leaves the picture.
    let whole = (0..20).filter(|&example| {
        let zigzag = apply("zigzag", &black, 3, example).unwrap();
        let brightest = |column| (0..28).map(|row| zigzag.at(row, column, 0)).fold(0.0, f32::max);
        assert!([0, 1, 26, 27].into_iter().all(|column| brightest(column) == 0.0));
        (3..24).all(|column| brightest(column) > 0.3)
    });
    assert!(whole.count() >= 10);
}

#[test]
fn fog_keeps_the_brightest_value_and_spots_of_mud_are_brown() {
    let foggy = changed("fog", &flat(32, 32, 3, 0.8), 5);
    assert!(foggy.values.iter().all(|&value| value <= 0.8 + 1e-6));
    assert!(sd(&foggy.values) > 0.05);
    let muddy = changed("spatter", &flat(32, 32, 3, 1.0), 5);
    let spots: Vec<&[f32]> = muddy.values.chunks(3).filter(|pixel| pixel[0] < 0.4).collect();
    assert!(
        !spots.is_empty() && spots.iter().all(|pixel| pixel[0] > pixel[1] && pixel[1] > pixel[2])
    );
}

#[test]
fn edges_of_a_block_are_its_outline() {
    let block = flat(28, 28, 1, 0.0).made_of(|row, column, _| {
        if (8..20).contains(&row) && (8..20).contains(&column) { 1.0 } else { 0.0 }
    });
    let edges = changed("canny-edges", &block, 3);
    for row in 0..28 {
        for column in 0..28 {
            let near = |at: usize| (6..=9).contains(&at) || (18..=21).contains(&at);
            let outline = near(row) || near(column);
            assert!(edges.at(row, column, 0) == 0.0 || outline, "{row} {column}");
        }
    }
    assert!((10..18).all(|row| (6..10).any(|column| edges.at(row, column, 0) == 1.0)));
    assert_eq!(changed("canny-edges", &flat(28, 28, 1, 0.7), 3), flat(28, 28, 1, 0.0));
}

#[test]
fn more_is_further_away() {
    // Not those that move about: a ring turned or moved further may be nearer to itself. Nor fog, whose
    // last two published strengths differ in kind.
    let names = [
        "gaussian-noise",
        "shot-noise",
        "impulse-noise",
        "speckle-noise",
        "gaussian-blur",
        "defocus-blur",
        "zoom-blur",
        "brightness",
        "contrast",
        "jpeg",
        "scale",
        "stripe",
    ];
    for name in names {
        for picture in [ring(28, 1), ring(32, 3)] {
            let far = |severity| {
                let each = (0..20).map(|example| {
                    distance(&apply(name, &picture, severity, example).unwrap(), &picture)
                });
                each.sum::<f64>()
            };
            let far: Vec<f64> = (1..=5).map(far).collect();
            assert!(far.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {far:?}");
        }
    }
}

#[test]
fn strengths_are_told_in_the_units_of_the_field() {
    let says = |name: &str| find(name).unwrap().strength(Severity::ALL[2]);
    assert_eq!(says("gaussian-noise"), "sd 0.08 at 32x32, else sd 0.18");
    assert_eq!(says("jpeg"), "quality 58 at 32x32, else quality 15");
    assert_eq!(says("rotate"), "±0.6 rad");
    assert_eq!(find("inverted").unwrap().severities(), Severity::ONE);
}

/// Pictures from one pixel to those of the data sets.
fn pictures() -> impl Strategy<Value = Picture> {
    let sizes = [(28, 28, 1), (32, 32, 3), (32, 32, 1), (1, 1, 1), (7, 1, 1), (1, 7, 1), (3, 2, 3)];
    prop::sample::select(sizes.to_vec()).prop_flat_map(|(width, height, colours)| {
        let level = prop_oneof![Just(0.0f32), Just(1.0), 0.0..1.0f32];
        prop::collection::vec(level, width * height * colours).prop_map(move |values| Picture {
            width,
            colours,
            values,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_picture_stays_a_picture(picture in pictures(), severity in 1..=5u8, seed: u64) {
        let severity = Severity::new(severity).unwrap();
        let all = ALL.iter().filter(|it| it.kinds().contains(&Kind::Picture));
        for it in all.filter(|it| it.effect() != Effect::Recomputed) {
            let content = Content::Picture(picture.clone());
            let again = || {
                let random = &mut seed::random(seed, it.name(), severity, 0);
                it.apply(&content, &1.into(), severity, random, &[])
            };
            match again() {
                Ok(changed) => {
                    prop_assert_eq!(&changed, &again().unwrap());
                    let Content::Picture(changed) = changed.content else { panic!("{}", it.name()) };
                    prop_assert_eq!(changed.width, picture.width);
                    prop_assert_eq!(changed.values.len(), picture.values.len());
                    let inside = changed.values.iter().all(|value| (0.0..=1.0).contains(value));
                    prop_assert!(inside, "{}", it.name());
                }
                Err(error) => prop_assert!(error.is::<Unchanged>(), "{}: {error:#}", it.name()),
            }
        }
    }
}

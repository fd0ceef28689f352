//! Changes of pictures of paths, on generated ones whose paths are known.

use std::path::Path;

use datasets::pathfinder::{ImageSource, Release};
use pathfinder::trace::Tracer;
use pathfinder::{Description, Difficulty, Generator, Spec};
use transformations::content::{Content, Picture};
use transformations::{Changed, Severity, Unchanged, find, seed};

fn apply(name: &str, picture: &Picture, label: u8, severity: Severity) -> anyhow::Result<Changed> {
    let random = &mut seed::random(2, name, severity, 0);
    let content = Content::Picture(picture.clone());
    find(name)?.apply(&content, &i64::from(label).into(), severity, random, &[])
}

fn generated(size: usize, level: Difficulty, count: u64) -> Vec<(Picture, Description)> {
    let generator = Generator::new(Spec::official(size, level).unwrap(), 11).unwrap();
    let image = |index| {
        let mut pixels = vec![0; size * size];
        let image = generator.generate(index, &mut pixels).unwrap();
        let values = pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        (Picture { width: size, colours: 1, values }, image)
    };
    (0..count).map(image).collect()
}

#[test]
fn a_cut_path_has_a_gap_and_nothing_else_changes() {
    for (size, count) in [(32, 200), (64, 20), (128, 40)] {
        for level in [Difficulty::Easy, Difficulty::Hard] {
            for (number, (picture, image)) in generated(size, level, count).iter().enumerate() {
                let severity = Severity::ALL[number % 5];
                let cut = apply("cut-path", picture, image.label, severity);
                if image.label == 0 {
                    assert!(cut.unwrap_err().is::<Unchanged>());
                    continue;
                }
                let Changed { content: Content::Picture(cut), label } = cut.unwrap() else {
                    panic!("no picture")
                };
                assert_eq!(label, 0.into());
                let path = image.paths.iter().find(|path| path[0] == image.markers[0]).unwrap();
                // Some dash is gone: it was bright about its middle and is dark.
                let length = Spec::official(size, level).unwrap().paddle_length as f64;
                let gone = path.windows(2).any(|ends| {
                    let (from, to) = (ends[1], ends[0]);
                    let (down, right) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
                    let part = length / 2.0 / down.hypot(right);
                    let middle =
                        (f64::from(from.0) + part * down, f64::from(from.1) + part * right);
                    let brightest = |picture: &Picture| {
                        let around = |at: f64| at.floor() as usize..=at.ceil() as usize;
                        let rows = around(middle.0).flat_map(|row| {
                            around(middle.1).map(move |column| picture.at(row, column, 0))
                        });
                        rows.fold(0.0, f32::max)
                    };
                    brightest(picture) > 0.2 && brightest(&cut) < 0.1
                });
                assert!(gone, "{size} {level} {number}");
                // What changed became darker, and is near the path.
                for row in 0..size {
                    for column in 0..size {
                        let (old, new) = (picture.at(row, column, 0), cut.at(row, column, 0));
                        let near = path.iter().any(|&(y, x)| {
                            let (down, right) =
                                (row as f64 - f64::from(y), column as f64 - f64::from(x));
                            down.hypot(right) < length + 5.0
                        });
                        assert!(old == new || (new < old && near), "{size} {level} {number}");
                    }
                }
            }
        }
    }
}

#[test]
fn paths_of_official_pictures_are_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../datasets/tests/data/pathfinder/lra_release");
    for size in [32, 64, 128] {
        let release = Release::open(&folder, size, Difficulty::Hard).unwrap();
        let tracer = Tracer::new(Spec::official(size, Difficulty::Hard).unwrap());
        let mut found = [[0; 2]; 2];
        for index in 0..release.len() {
            let mut pixels = vec![0; size * size];
            let label = release.get(index, &mut pixels).unwrap();
            found[usize::from(label)][usize::from(tracer.joining(&pixels).is_some())] += 1;
        }
        let [[_, mistaken], [missed, joined]] = found;
        assert!(missed == 0 && joined > 0, "{size}: {found:?}");
        // A path can come so near to another that nothing tells them apart.
        assert!(20 * mistaken <= release.len(), "{size}: {found:?}");
    }
}

#[test]
fn a_path_that_is_not_found_is_a_failure() {
    let black = Picture { width: 32, colours: 1, values: vec![0.0; 1024] };
    let error = apply("cut-path", &black, 1, Severity::ALL[0]).unwrap_err();
    assert!(!error.is::<Unchanged>() && error.to_string().contains("not found"), "{error}");
    let odd = Picture { width: 5, colours: 1, values: vec![0.0; 25] };
    let error = apply("cut-path", &odd, 1, Severity::ALL[0]).unwrap_err().to_string();
    assert!(error.contains("32, 64, 128"), "{error}");
}

#[test]
fn turned_and_mirrored_pictures_come_back() {
    let (picture, _) = generated(32, Difficulty::Easy, 1).remove(0);
    let times = |name: &str, count: usize| {
        (0..count).fold(picture.clone(), |picture, _| {
            match apply(name, &picture, 1, Severity::ALL[0]).unwrap().content {
                Content::Picture(picture) => picture,
                other => panic!("{other:?}"),
            }
        })
    };
    for name in ["flip-horizontal", "flip-vertical", "rotate-180"] {
        assert_ne!(times(name, 1), picture);
        assert_eq!(times(name, 2), picture);
    }
    assert_eq!(times("rotate-90", 2), times("rotate-180", 1));
    assert_eq!(times("rotate-90", 3), times("rotate-270", 1));
    assert_eq!(times("rotate-90", 4), picture);
    assert_eq!(times("flip-horizontal", 1).at(3, 0, 0), picture.at(3, 31, 0));
    assert_eq!(times("flip-vertical", 1).at(3, 0, 0), picture.at(28, 0, 0));
    // What was on the right is above after a quarter turn to the left.
    assert_eq!(times("rotate-90", 1).at(0, 7, 0), picture.at(7, 31, 0));
}

//! Pathfinder on disk: the published layout read and written, and the cache.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::batch::{Labels, Sequences};
use datasets::hold_out::hold_out_tenths;
use datasets::pathfinder::cache::{Opened, file_name};
use datasets::pathfinder::export::{BATCH, MANIFEST};
use datasets::pathfinder::{
    Cached, Difficulty, Generated, Generator, ImageSource, Pixels, Release, Spec, png_image,
    write_release,
};
use datasets::split::Split;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pathfinder/lra_release")
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn message(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

// Reading.

#[test]
fn published_layouts_are_read() {
    for (size, level, count) in [
        (32, Difficulty::Hard, 200),
        (32, Difficulty::Intermediate, 20),
        (32, Difficulty::Easy, 20),
        (64, Difficulty::Hard, 20),
        (128, Difficulty::Hard, 40),
    ] {
        let release = Release::open(&samples(), size, level).unwrap();
        assert_eq!((release.len(), release.side()), (count, size));
        let mut pixels = vec![0; size * size];
        let labels: usize = (0..count)
            .map(|i| {
                let label = release.get(i, &mut pixels).unwrap();
                assert_eq!((pixels.iter().min(), pixels.iter().max()), (Some(&0), Some(&255)));
                usize::from(label)
            })
            .sum();
        assert!(labels > 0 && labels < count, "{labels} of {count}");
    }
}

#[test]
fn images_come_in_the_order_of_the_metadata_files_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let level = folder.path().join("pathfinder32/curv_contour_length_14");
    fs::create_dir_all(level.join("metadata")).unwrap();
    for batch in [10, 9, 0, 2] {
        let lines =
            format!("imgs/{batch} sample_1.png 1 1 1.0\nimgs/{batch} sample_0.png 0 0 1.0\n");
        fs::write(level.join(format!("metadata/{batch}.npy")), lines).unwrap();
    }
    fs::write(level.join("metadata/.11.npy.partial-7"), "rubbish").unwrap();
    let release = Release::open(folder.path(), 32, Difficulty::Hard).unwrap();
    let paths: Vec<&str> = release.entries().iter().map(|e| e.path.as_str()).collect();
    assert_eq!(
        paths,
        [0, 2, 9, 10]
            .map(|b| [format!("imgs/{b}/sample_1.png"), format!("imgs/{b}/sample_0.png")])
            .concat()
    );
    // The folder of the size itself will do, and one that holds the archive's.
    assert!(Release::open(&folder.path().join("pathfinder32"), 32, Difficulty::Hard).is_ok());
    assert!(Release::open(samples().parent().unwrap(), 32, Difficulty::Hard).is_ok());
}

#[test]
fn the_empty_image_is_left_out_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for (size, level) in
        [(32, "curv_baseline"), (32, "curv_contour_length_14"), (64, "curv_baseline")]
    {
        let metadata = folder.path().join(format!("pathfinder{size}/{level}/metadata"));
        fs::create_dir_all(&metadata).unwrap();
        for batch in 0..2 {
            let lines: String =
                (171..174).map(|n| format!("imgs/{batch} sample_{n}.png {n} 1\n")).collect();
            fs::write(metadata.join(format!("{batch}.npy")), lines).unwrap();
        }
    }
    let easy = Release::open(folder.path(), 32, Difficulty::Easy).unwrap();
    assert_eq!(easy.len(), 5);
    assert!(easy.entries().iter().all(|e| e.path != "imgs/0/sample_172.png"));
    assert!(easy.entries().iter().any(|e| e.path == "imgs/1/sample_172.png"));
    assert_eq!(Release::open(folder.path(), 32, Difficulty::Hard).unwrap().len(), 6);
    assert_eq!(Release::open(folder.path(), 64, Difficulty::Easy).unwrap().len(), 6);
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = Release::open(folder.path(), 128, Difficulty::Hard).unwrap_err();
    let text = message(&error);
    for part in ["pathfinder128", "curv_contour_length_14", "lra_release", "generate-data"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains(&folder.path().display().to_string()), "{text}");

    let level = folder.path().join("pathfinder128/curv_contour_length_14");
    fs::create_dir_all(&level).unwrap();
    let text = message(&Release::open(folder.path(), 128, Difficulty::Hard).unwrap_err());
    assert!(text.contains("metadata"), "{text}");
    fs::create_dir_all(level.join("metadata")).unwrap();
    let text = message(&Release::open(folder.path(), 128, Difficulty::Hard).unwrap_err());
    assert!(text.contains("no .npy file"), "{text}");
}

#[test]
fn bad_images_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let level = folder.path().join("pathfinder32/curv_contour_length_14");
    fs::create_dir_all(level.join("metadata")).unwrap();
    fs::create_dir_all(level.join("imgs/0")).unwrap();
    let lines: String = (0..4).map(|n| format!("imgs/0 sample_{n}.png {n} 1 1.0\n")).collect();
    fs::write(level.join("metadata/0.npy"), lines).unwrap();
    let good = png_image::encode(32, &[7; 1024]).unwrap();
    fs::write(level.join("imgs/0/sample_0.png"), &good).unwrap();
    fs::write(level.join("imgs/0/sample_1.png"), &good[..good.len() / 2]).unwrap();
    let large = png_image::encode(64, &[7; 4096]).unwrap();
    fs::write(level.join("imgs/0/sample_2.png"), large).unwrap();
    let release = Release::open(folder.path(), 32, Difficulty::Hard).unwrap();
    let mut pixels = vec![0; 1024];
    assert_eq!(release.get(0, &mut pixels).unwrap(), 1);
    assert_eq!(pixels, [7; 1024]);
    for (index, reason) in [(1, "too early"), (2, "64 x 64"), (3, "not there")] {
        let text = message(&release.get(index, &mut pixels).unwrap_err());
        assert!(text.contains(&format!("sample_{index}.png")), "{text}");
        assert!(text.contains(reason), "{text}");
    }
    assert!(message(&release.get(4, &mut pixels).unwrap_err()).contains("there are 4"));
    assert!(release.get(0, &mut [0; 10]).is_err());
}

#[test]
fn a_release_is_divided() {
    let release = || Release::open(&samples(), 32, Difficulty::Hard).unwrap();
    let (train, [tests, val]) = hold_out_tenths(release().len(), 42);
    let test = Split::new(Pixels(release())).subset(tests.clone()).unwrap();
    assert_eq!((train.len(), val.len(), test.len()), (160, 20, 20));
    let mut pixels = vec![0; 1024];
    let label = release().get(tests[3], &mut pixels).unwrap();
    let batch = test.batch(&[3]).unwrap();
    assert_eq!(
        (batch.sequences, batch.labels),
        (Sequences::Bytes(pixels), Labels::Classes(vec![label.into()]))
    );
}

// Writing.

/// Every file below a folder, with its contents.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_written_is_read_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec::official(32, Difficulty::Hard).unwrap();
    let count = BATCH + 5;
    let summary = write_release(folder.path(), &spec, count, 9, &go_on).unwrap();
    assert_eq!((summary.kept, summary.written), (0, count));
    assert!(!summary.interrupted);

    let release = Release::open(folder.path(), 32, Difficulty::Hard).unwrap();
    assert_eq!(release.len() as u64, count);
    let generated = Generated::new(spec.clone(), 9, 0..count).unwrap();
    let (mut a, mut b) = (vec![0; 1024], vec![0; 1024]);
    for index in 0..release.len() {
        let label = release.get(index, &mut a).unwrap();
        assert_eq!(generated.get(index, &mut b).unwrap(), label);
        assert_eq!(a, b);
    }

    // The metadata look like the published ones.
    let line = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let first = text.lines().next().unwrap();
        first.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = line(release.folder().join("metadata/0.npy"));
    let theirs = line(samples().join("pathfinder32/curv_contour_length_14/metadata/0.npy"));
    assert_eq!(ours.len(), 11);
    // All but the label.
    assert_eq!((&ours[..3], &ours[4..]), (&theirs[..3], &theirs[4..]));

    // The same again keeps everything; a batch that lost its metadata is made anew, the same.
    let before = tree(folder.path());
    let summary = write_release(folder.path(), &spec, count, 9, &go_on).unwrap();
    assert_eq!((summary.kept, summary.written), (count, 0));
    fs::remove_file(release.folder().join("metadata/1.npy")).unwrap();
    fs::write(release.folder().join("imgs/1/sample_0.png"), b"half a fi").unwrap();
    fs::create_dir(release.folder().join("imgs/.1.partial")).unwrap();
    let summary = write_release(folder.path(), &spec, count, 9, &go_on).unwrap();
    assert_eq!((summary.kept, summary.written), (BATCH, 5));
    assert!(tree(folder.path()) == before);

    // More can be asked for, less or other images cannot.
    let summary = write_release(folder.path(), &spec, count + 3, 9, &go_on).unwrap();
    assert_eq!((summary.kept, summary.written), (BATCH, 8));
    let release = Release::open(folder.path(), 32, Difficulty::Hard).unwrap();
    assert_eq!(release.len() as u64, count + 3);
    let text = message(&write_release(folder.path(), &spec, count, 9, &go_on).unwrap_err());
    assert!(text.contains("at least as many"), "{text}");
    let text = message(&write_release(folder.path(), &spec, count + 3, 8, &go_on).unwrap_err());
    assert!(text.contains("seed 9") && text.contains("seed 8"), "{text}");
}

#[test]
fn writing_can_be_interrupted_and_resumed() {
    let spec = Spec::official(32, Difficulty::Easy).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let seen = AtomicU64::new(0);
    let stop = |done: u64| {
        assert!((1..=60).contains(&done), "{done}");
        if seen.fetch_add(1, Ordering::Relaxed) >= 10 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let summary = write_release(folder.path(), &spec, 60, 1, &stop).unwrap();
    assert!(summary.interrupted);
    assert_eq!(summary.written, 0);
    // Nothing half-made is listed.
    assert!(Release::open(folder.path(), 32, Difficulty::Easy).is_err());
    assert_eq!(fs::read_dir(summary.folder.join("imgs")).unwrap().count(), 0);
    let summary = write_release(folder.path(), &spec, 60, 1, &go_on).unwrap();
    assert_eq!((summary.written, summary.interrupted), (60, false));
    let release = Release::open(folder.path(), 32, Difficulty::Easy).unwrap();
    assert_eq!(release.len(), 60);
}

#[test]
fn folders_of_others_are_left_alone() {
    let spec = Spec::official(32, Difficulty::Hard).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let level = folder.path().join("pathfinder32/curv_contour_length_14");
    fs::create_dir_all(level.join("metadata")).unwrap();
    fs::write(level.join("metadata/0.npy"), "imgs/0 sample_0.png 0 1\n").unwrap();
    let text = message(&write_release(folder.path(), &spec, 5, 0, &go_on).unwrap_err());
    assert!(text.contains("did not make"), "{text}");
    assert!(!level.join(MANIFEST).exists());

    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let text = message(&write_release(&file, &spec, 5, 0, &go_on).unwrap_err());
    assert!(text.contains("a file is where a folder is needed"), "{text}");
    assert!(write_release(folder.path(), &spec, 0, 0, &go_on).is_err());
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_explained() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write anywhere.
    if fs::write(folder.path().join("probe"), "x").is_err() {
        let spec = Spec::official(32, Difficulty::Hard).unwrap();
        let text = message(&write_release(folder.path(), &spec, 5, 0, &go_on).unwrap_err());
        assert!(text.contains("permissions"), "{text}");
        let generated = Generated::new(spec, 0, 0..5).unwrap();
        let text = message(&Cached::open(folder.path(), generated).unwrap_err());
        assert!(text.contains("permissions"), "{text}");
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

// The cache.

fn small(seed: u64, indices: std::ops::Range<u64>) -> Generated {
    let spec = Spec::official(32, Difficulty::Easy).unwrap();
    Generated::new(spec, seed, indices).unwrap()
}

/// Compares every image of a cache with the generator's.
fn check(cache: &Cached) {
    let [mut a, mut b] = [vec![0; 1024], vec![0; 1024]];
    let indices = 3..43;
    let generated = small(5, indices);
    for index in 0..generated.len() {
        let label = cache.get(index, &mut a).unwrap();
        assert_eq!(generated.get(index, &mut b).unwrap(), label);
        assert!(a == b, "image {index} differs");
    }
}

#[test]
fn a_cache_fills_as_it_is_read_and_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cached::open(&folder.path().join("new/folder"), small(5, 3..43)).unwrap();
    assert_eq!(*cache.opened(), Opened::Created);
    assert!(cache.path().ends_with("pathfinder32-easy-seed5-3-43.cache"));
    cache.get(7, &mut [0; 1024]).unwrap();
    assert_eq!(cache.hits(), 0);
    check(&cache);
    assert_eq!(cache.hits(), 1);
    check(&cache);
    assert_eq!(cache.hits(), 41);
    drop(cache);
    let cache = Cached::open(&folder.path().join("new/folder"), small(5, 3..43)).unwrap();
    assert_eq!(*cache.opened(), Opened::Reused);
    check(&cache);
    assert_eq!(cache.hits(), 40);
    assert!(cache.get(40, &mut [0; 1024]).is_err());
    assert!(cache.get(0, &mut [0; 1023]).is_err());
}

#[test]
fn a_cache_can_be_filled_at_once_and_by_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cached::open(folder.path(), small(5, 3..43)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| check(&cache));
        }
    });
    let cache = Cached::open(folder.path(), small(5, 43..143)).unwrap();
    cache.fill(&|done| done < 30).unwrap();
    cache.fill(&|_| true).unwrap();
    let hits = cache.hits();
    assert!((30..100).contains(&hits), "{hits}");
    cache.fill(&|_| true).unwrap();
    assert_eq!(cache.hits(), hits + 100);
}

#[test]
fn caches_of_other_images_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.cache");
    let open = |generated: Generated| {
        let cache = Cached::open_file(&path, generated).unwrap();
        cache.fill(&|_| true).unwrap();
        cache.opened().clone()
    };
    let replaced = |opened: Opened, why: &str| match opened {
        Opened::Replaced(reason) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(open(small(5, 3..43)), Opened::Created);
    replaced(open(small(6, 3..43)), "seed");
    replaced(open(small(6, 4..44)), "range");
    let mut spec = Spec::official(32, Difficulty::Easy).unwrap();
    spec.continuity = 1.1;
    replaced(open(Generated::new(spec, 6, 4..44).unwrap()), "specification");
    replaced(open(small(5, 3..43)), "specification");
    assert_eq!(open(small(5, 3..43)), Opened::Reused);

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    replaced(open(small(5, 3..43)), "bytes instead of");
    fs::write(&path, &bytes[..50]).unwrap();
    replaced(open(small(5, 3..43)), "header");
    fs::write(&path, "").unwrap();
    replaced(open(small(5, 3..43)), "empty");
    let mut damaged = bytes.clone();
    damaged[100] = 1;
    fs::write(&path, damaged).unwrap();
    replaced(open(small(5, 3..43)), "damaged");
    check(&Cached::open_file(&path, small(5, 3..43)).unwrap());

    // A file that is no cache is not touched.
    fs::write(&path, "my only copy of something else").unwrap();
    let text = message(&Cached::open_file(&path, small(5, 3..43)).unwrap_err());
    assert!(text.contains("left alone"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), b"my only copy of something else");
    assert!(Cached::open_file(folder.path(), small(5, 3..43)).is_err());
    assert!(Cached::open(folder.path(), small(5, 3..3)).is_err());
}

#[test]
fn damaged_slots_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cached::open(folder.path(), small(5, 3..43)).unwrap();
    check(&cache);
    let path = cache.path().to_owned();
    drop(cache);
    let bytes = fs::read(&path).unwrap();
    let slot = (bytes.len() - 128) / 40;
    for (i, damage) in [
        (0usize, 0..1usize), // a pixel
        (1, 500..1024),      // the end of an image, as if never written
        (2, 1024..1025),     // the label
        (3, 1032..1040),     // the checksum
        (4, 0..slot),        // all of it
    ] {
        let mut damaged = bytes.clone();
        let start = 128 + i * slot;
        for byte in &mut damaged[start + damage.start..start + damage.end] {
            *byte = if damage.len() == 1 { *byte ^ 1 } else { 0 };
        }
        // Another image's slot, whole, in the wrong place.
        let (from, to) = (128 + 20 * slot, 128 + 30 * slot);
        damaged.copy_within(from..from + slot, to);
        fs::write(&path, damaged).unwrap();
        let cache = Cached::open(folder.path(), small(5, 3..43)).unwrap();
        assert_eq!(*cache.opened(), Opened::Reused);
        check(&cache);
        assert_eq!(cache.hits(), 38);
    }
}

/// Where the killed process writes; set only for it.
const KILLED: &str = "S4_PATHFINDER_TEST_CACHE";

#[cfg(unix)]
#[test]
fn a_killed_process_leaves_no_wrong_image() {
    let images = || {
        let spec = Spec::official(128, Difficulty::Easy).unwrap();
        Generated::new(spec, 2, 0..4000).unwrap()
    };
    if let Some(folder) = std::env::var_os(KILLED) {
        let cache = Cached::open(Path::new(&folder), images()).unwrap();
        cache.fill(&|_| true).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut filled = 0;
    for round in 0..3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "pathfinder_files::a_killed_process_leaves_no_wrong_image"])
            .env(KILLED, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let path = folder.path().join(file_name(&images()));
        for _ in 0..1000 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            // Until the file is there and some of it is filled.
            let blocks =
                fs::metadata(&path).map_or(0, |m| std::os::unix::fs::MetadataExt::blocks(&m));
            if blocks > 2000 * (round + 1) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = Cached::open(folder.path(), images()).unwrap();
        assert_eq!(*cache.opened(), Opened::Reused);
        let (mut a, mut b) = (vec![0; 128 * 128], vec![0; 128 * 128]);
        let generator = Generator::new(Spec::official(128, Difficulty::Easy).unwrap(), 2).unwrap();
        for index in (0..4000).step_by(37) {
            let label = cache.get(index, &mut a).unwrap();
            assert_eq!(generator.generate(index as u64, &mut b).unwrap().label, label);
            assert!(a == b, "image {index} differs");
        }
        assert!(cache.hits() >= filled);
        filled = cache.hits();
    }
    assert!(filled > 0);
}

#[test]
fn sources_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Cached>();
    shared::<Release>();
    shared::<Generated>();
    shared::<Split>();
}

//! Processes that are killed at random moments.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::binary::{lra_bench, succeed, train_small};
use crate::kills::{assert_cache_survives, assert_training_survives, kill, kills, moment};
use crate::training::train;

fn resume(folder: &Path, run: &str) -> Command {
    let mut command = lra_bench(folder);
    command.args(["train", "--resume", run, "--device", "cpu"]);
    command
}

#[test]
fn killed_runs_resume_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = |run: &str| train(path, run, 300);
    assert_training_survives(path, kills(5), start, |run| resume(path, run), kill);
}

/// The cache of generated images is filled while the run is killed; what is half-written must not
/// count.
#[test]
fn killed_caches_hold_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = [
        "model.d_model=4",
        "model.n_layers=1",
        "train.batch_size=8",
        "train.eval_batch_size=8",
        "train.checkpoint_every=1000",
        "data.count=400",
        "data.eval_count=8",
    ];
    let start = |run: &str, cache: &str| {
        let mut command = train_small(path, "pathfinder", &settings);
        command.args(["--run-dir", run, "--max-steps", "40"]);
        command.args(["--set", &format!("data.cache={cache:?}")]);
        command
    };
    assert_cache_survives(path, 1.0, start);
}

#[test]
fn killed_generation_of_data_goes_on_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generate = |out: &str| {
        let mut command = lra_bench(path);
        command.args(["generate-data", "--task", "pathfinder", "--count", "1200", "--out", out]);
        command
    };
    let begin = Instant::now();
    succeed(&mut generate("whole"));
    let span = begin.elapsed();
    for number in 0..kills(5).div_ceil(2) {
        let mut child = generate("killed").spawn().unwrap();
        std::thread::sleep(moment(span, number) + Duration::from_millis(20));
        let _ = child.kill();
        child.wait().unwrap();
    }
    // What a killed process leaves of a small file, in either folder.
    let level = path.join("killed/pathfinder32/curv_contour_length_14");
    for left in [level.join(".0.partial"), level.join("metadata/.1.partial")] {
        fs::write(left, b"half").unwrap();
    }
    succeed(&mut generate("killed"));
    let (killed, whole) = (files(&path.join("killed")), files(&path.join("whole")));
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&killed), names(&whole));
    for ((name, killed), (_, whole)) in killed.iter().zip(&whole) {
        assert!(killed == whole, "{name} differs");
    }
}

/// All files below a folder, by name, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

//! Data that fails on the way, numbers that are none, files that were damaged.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use training::run_dir::best_checkpoint;

use crate::binary::{fail, lra_bench, succeed, train_small};
use crate::kills::assert_same;
use crate::training::{BEGINS, ENDLESS, saved_step, start, train};

/// A folder `pictures` of two classes, as small as can be.
fn pictures(folder: &Path) {
    for number in 0..80u8 {
        let class = folder.join("pictures").join(["dark", "light"][usize::from(number % 2)]);
        fs::create_dir_all(&class).unwrap();
        let file = File::create(class.join(format!("{number}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 4, 4);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels: Vec<u8> = (0..16).map(|i| number + i + 128 * (number % 2)).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
}

fn train_pictures(folder: &Path, run: &str, steps: u32, settings: &[&str]) -> Command {
    let tiny = ["model.d_model=8", "model.n_layers=1", "train.batch_size=4", "train.workers=1"];
    let mut command = train_small(folder, "folder", &[&tiny[..], settings].concat());
    command.args(["--data", "pictures", "--run-dir", run, "--max-steps", &steps.to_string()]);
    command
}

fn resume(folder: &Path, run: &str) -> Command {
    let mut command = lra_bench(folder);
    command.args(["train", "--resume", run, "--device", "cpu"]);
    command
}

#[test]
fn a_file_that_becomes_unreadable_ends_a_saved_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pictures(path);
    let (mut child, mut stderr) = start(&mut train_pictures(path, "run", ENDLESS, &[]));
    let picture = path.join("pictures/dark/4.png");
    let good = fs::read(&picture).unwrap();
    fs::write(&picture, &good[..good.len() - 20]).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{BEGINS}{text}");
    for words in ["dark/4.png", "is saved", "--resume run"] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    fs::write(&picture, good).unwrap();
    let steps = saved_step(&path.join("run")).unwrap() + 20;
    succeed(resume(path, "run").args(["--max-steps", &steps.to_string()]));
    succeed(&mut train_pictures(path, "whole", steps.try_into().unwrap(), &[]));
    assert_same(&path.join("whole"), &path.join("run"));
}

/// Whichever of them has the picture in its part of a batch.
#[test]
fn a_file_that_one_of_two_processes_cannot_read_ends_a_saved_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pictures(path);
    let mut command = train_pictures(path, "run", ENDLESS, &[]);
    let (mut child, mut stderr) = start(command.args(["--processes", "2", "--timeout", "60"]));
    let picture = path.join("pictures/dark/4.png");
    let good = fs::read(&picture).unwrap();
    fs::write(&picture, &good[..good.len() - 20]).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    for words in ["dark/4.png", "is saved", "--resume run"] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    fs::write(&picture, good).unwrap();
    let steps = saved_step(&path.join("run")).unwrap() + 2;
    succeed(resume(path, "run").args(["--max-steps", &steps.to_string()]));
}

#[test]
fn data_may_be_gone_for_a_moment_and_not_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pictures(path);
    let (data, away) = (path.join("pictures"), path.join("away"));
    let (mut child, mut stderr) = start(&mut train_pictures(path, "run", ENDLESS, &[]));
    fs::rename(&data, &away).unwrap();
    thread::sleep(Duration::from_millis(300));
    fs::rename(&away, &data).unwrap();
    thread::sleep(Duration::from_millis(1000));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    fs::rename(&data, &away).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{BEGINS}{text}");
    let step = saved_step(&path.join("run")).unwrap();
    assert!(step > 0 && text.contains(&format!("Step {step} is saved")), "{text}");
    fs::rename(&away, &data).unwrap();
    let next = (step + 1).to_string();
    succeed(resume(path, "run").args(["--max-steps", &next]));
}

#[test]
fn a_batch_that_cannot_be_normalised_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pictures(path);
    let settings = ["model.norm=\"batch\"", "data.max_length=1", "train.batch_size=1"];
    let words = ["batch norm needs more than one value a channel", "train.batch_size"];
    fail(&mut train_pictures(path, "run", 10, &settings), 1, &words);
}

/// After one step at such a rate the model's outputs are no numbers any more.
#[test]
fn weights_whose_loss_is_not_finite_are_never_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut command = train(path, "run", 1);
    command.args(["--set", "train.optimizer.lr=1e30", "--set", "train.schedule.warmup_steps=0"]);
    let (_, stderr) = succeed(&mut command);
    assert!(stderr.contains("never the best: the loss is not finite"), "{stderr}");
    assert!(!best_checkpoint(&path.join("run")).exists());
    let summary = fs::read(path.join("run/summary.json")).unwrap();
    assert!(serde_json::from_slice::<Value>(&summary).unwrap()["best"].is_null());
}

/// What is no file where one belongs neither hangs nor ends a run that can go on without it.
#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 2));
    let log = path.join("run/train.log");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let said = succeed(resume(path, "run").args(["--max-steps", "3"])).1;
    assert!(said.contains("warning: there is no log: "), "{said}");
    let last = path.join("run/checkpoints/last.safetensors");
    fs::remove_file(&last).unwrap();
    assert!(Command::new("mkfifo").arg(&last).status().unwrap().success());
    fail(&mut resume(path, "run"), 1, &["cannot read checkpoint", "it is no file"]);
}

#[test]
fn a_byte_that_changed_in_a_checkpoint_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 27));
    for name in ["last", "best"] {
        let file = path.join(format!("run/checkpoints/{name}.safetensors"));
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.len() - 5; // in a tensor
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    let evaluate = ["evaluate", "run", "--device", "cpu"];
    fail(lra_bench(path).args(evaluate), 1, &["best.safetensors", "damaged", "checksum"]);
    fail(&mut resume(path, "run"), 1, &["last.safetensors", "damaged", "checksum"]);
}

//! Nothing is left out of data in silence: what a folder of files can hold besides, what is said of
//! it, and where it can be kept.

#[cfg(target_os = "linux")]
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::{evaluate, fail, lra_bench, records, run, succeed, train_small};
#[cfg(target_os = "linux")]
use crate::privileges::without_privileges;
use audio_data::wav_out::wav_bytes;
use toml::Table;

/// A model that trains in a moment.
const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=8",
    "train.batch_size=4",
    "train.eval_batch_size=4",
    "train.workers=1",
    "train.log_every=1",
    "train.eval_every=\"epoch\"",
];

/// `train` of the tiny model on `data` for a step, as `run`, anew.
fn train(folder: &Path, data: &str) -> Command {
    let _ = fs::remove_dir_all(folder.join("run"));
    let mut command = train_small(folder, "folder", TINY);
    command.args(["--run-dir", "run", "--max-steps", "1", "--data", data]);
    command
}

/// What training on `data` says on standard error.
#[track_caller]
fn said(folder: &Path, data: &str) -> String {
    succeed(&mut train(folder, data)).1
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "`{line}` is not in: {text}");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A PNG of 24 x 16 pixels.
fn png(color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 24, 16);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette([0; 6].as_slice());
    }
    let size = 24 * 16 * color.samples() * depth as usize / 8;
    encoder.write_header().unwrap().write_image_data(&vec![1; size]).unwrap();
    bytes
}

fn grey() -> Vec<u8> {
    png(png::ColorType::Grayscale, png::BitDepth::Eight)
}

/// A picture of the same size.
fn jpeg(name: &str) -> Vec<u8> {
    let pictures = "../datasets/tests/data/pictures";
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join(pictures);
    fs::read(pictures.join(name).with_extension("jpg")).unwrap()
}

/// `pictures` with two classes of 20.
fn pictures(folder: &Path) -> PathBuf {
    let dir = folder.join("pictures");
    for i in 0..20 {
        write(&dir.join(format!("a/{i}.png")), &grey());
        write(&dir.join(format!("b/{i}.png")), &grey());
    }
    dir
}

fn sound(frequency: f32) -> Vec<u8> {
    let tone: Vec<_> = (0..400).map(|i| 0.5 * (i as f32 * frequency).sin()).collect();
    wav_bytes(&tone, 8_000).unwrap()
}

/// `sounds` with two classes of 20.
fn sounds(folder: &Path) -> PathBuf {
    let dir = folder.join("sounds");
    for i in 0..20 {
        write(&dir.join(format!("a/{i}.wav")), &sound(0.1));
        write(&dir.join(format!("b/{i}.wav")), &sound(0.2));
    }
    dir
}

#[test]
fn pictures_of_every_form_are_read_and_the_rest_is_told() {
    use png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    let (path, dir) = (folder.path(), pictures(folder.path()));
    // JPEG beside PNG, folders below a class, suffixes in any case, contents that decide.
    for (name, bytes) in [
        ("a/x.jpg", jpeg("colour")),
        ("a/deep/er/x.JPEG", jpeg("grey")),
        ("b/x.Jpg", jpeg("cmyk")),
        ("b/x.PNG", png(ColorType::Rgb, BitDepth::Sixteen)),
        ("b/really-a-jpeg.png", jpeg("progressive")),
        ("b/indexed.png", png(ColorType::Indexed, BitDepth::Eight)),
        ("b/alpha.png", png(ColorType::GrayscaleAlpha, BitDepth::Sixteen)),
    ] {
        write(&dir.join(name), &bytes);
    }
    let stderr = said(path, "pictures");
    assert_has(&stderr, &["47 PNG and JPEG files of 24 x 16 pixels of 2 classes"]);
    assert!(!stderr.contains("left out") && !stderr.contains("skipped"), "{stderr}");
    succeed(train(path, "pictures").arg("--strict"));

    let whole = jpeg("colour");
    for (name, bytes) in [
        ("a/cut.jpg", &whole[..whole.len() * 3 / 4]),
        ("a/cut.png", &grey()[..60]),
        ("b/empty.png", b""),
        ("b/text.jpg", b"no picture at all"),
        ("a/1.gif", b"GIF89a"),
        ("b/2.GIF", b"GIF89a"),
        ("b/deep/3.gif", b"GIF89a"),
        ("b/4.gif", b"GIF89a"),
        ("labels.csv", b"1,2"),
        ("a/Thumbs.db", b""),
        (".DS_Store", b""),
        ("__MACOSX/a/._1.png", b""),
        ("b/.hidden.png", b""),
    ] {
        write(&dir.join(name), bytes);
    }
    let stderr = said(path, "pictures");
    let lines = [
        "47 PNG and JPEG files",
        "skipped: a/cut.jpg: it is no readable JPEG: it is damaged or ends too early",
        "skipped: a/cut.png: ",
        "skipped: b/empty.png: the file is empty",
        "left out: PNG or JPEG files that cannot be read: 4 (a/cut.jpg, a/cut.png, b/empty.png, ...)",
        "left out: .gif files: 4 (a/1.gif, b/2.GIF, b/4.gif, ...)",
        "left out: files outside the folders of classes: 1 (labels.csv)",
        "left out: hidden files and folders: 1 (b/.hidden.png)",
        "passed over: files of the operating system: 3 (",
    ];
    assert_has(&stderr, &lines);
    let mut evaluation = lra_bench(path);
    evaluation.args(["evaluate", "run", "--device", "cpu"]);
    assert_has(&succeed(&mut evaluation).1, &lines[1..]);
    let words = ["--strict", ".gif files: 4 (a/1.gif", "labels.csv", "cannot be read: 4"];
    fail(evaluation.arg("--strict"), 1, &words);
    fail(train(path, "pictures").arg("--strict"), 1, &words);
    assert!(!path.join("run").exists(), "nothing is left behind");
}

#[test]
fn a_class_without_a_file_is_an_error_and_one_that_the_run_does_not_know_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, dir) = (folder.path(), pictures(folder.path()));
    fs::create_dir(dir.join("c")).unwrap();
    fail(&mut train(path, "pictures"), 1, &["class `c`", "pictures/c", "remove its folder"]);
    write(&dir.join("c/1.gif"), b"GIF89a");
    fail(&mut train(path, "pictures"), 1, &["class `c`", ".gif files: 1 (c/1.gif)"]);
    write(&dir.join("c/1.jpg"), b"damaged");
    fail(&mut train(path, "pictures"), 1, &["class `c`", "cannot be read: 1 (c/1.jpg)"]);
    fs::remove_dir_all(dir.join("c")).unwrap();
    said(path, "pictures");
    let before = evaluate(path, "run", &[])["count"].clone();

    (0..5).for_each(|i| write(&dir.join(format!("d/{i}.png")), &grey()));
    let mut evaluation = lra_bench(path);
    evaluation.args(["evaluate", "run", "--device", "cpu"]);
    let line = "left out: classes that the run does not know: 1 (d, 5 files)";
    assert_has(&succeed(&mut evaluation).1, &[line]);
    assert_eq!(evaluate(path, "run", &[])["count"], before);
    fail(evaluation.arg("--strict"), 1, &["does not know: 1 (d, 5 files)"]);

    // The same of sound, where it shows only when it is decoded.
    sounds(path);
    (0..3).for_each(|i| write(&path.join(format!("sounds/c/{i}.wav")), b"RIFF"));
    fail(&mut train(path, "sounds"), 1, &["none of the 3 files of the class `c`"]);
}

#[test]
fn every_class_is_trained_on_and_files_that_come_later_move_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // By the hash alone, the only file of one class or another would not be trained on.
    let dir = pictures(path);
    (0..12).for_each(|i| write(&dir.join(format!("alone-{i:02}/only.png")), &grey()));
    let (_, stderr) = succeed(train(path, "pictures").args(["--set", "data.split_by=class"]));
    assert_has(&stderr, &["note: classes without a file in the test part: 1", "the val part: "]);
    assert!(!stderr.contains("without a file in the train part"), "{stderr}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert_has(&config, &["split_by = \"class\"", "names = \"nfc\"", "to_train = [", "\"alone-"]);
    let members = |run: &str| evaluate(path, run, &[])["confusion_matrix"].clone();
    let before = members("run");

    // A run from before these settings keeps its parts, and says what is missing.
    let mut old: Table = config.parse().unwrap();
    let data = old["data"].as_table_mut().unwrap();
    for key in ["split_by", "names", "to_train"] {
        assert!(data.remove(key).is_some(), "{key}");
    }
    fs::write(path.join("run/config.toml"), old.to_string()).unwrap();
    let (_, stderr) = succeed(lra_bench(path).args(["evaluate", "run", "--device", "cpu"]));
    assert_has(&stderr, &["note: classes without a file in the train part: "]);
    assert_ne!(members("run"), before);
    fs::write(path.join("run/config.toml"), &config).unwrap();

    let counts = |matrix: &serde_json::Value| -> Vec<u64> {
        let row = |row: &serde_json::Value| -> u64 {
            row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
        };
        matrix.as_array().unwrap().iter().map(row).collect()
    };
    for i in 0..12 {
        (0..6).for_each(|j| write(&dir.join(format!("alone-{i:02}/{j}.png")), &grey()));
    }
    let after = counts(&members("run"));
    assert!(counts(&before).iter().zip(&after).all(|(before, after)| before <= after));
    let resumed = ["train", "--resume", "run", "--max-steps", "2", "--device", "cpu"];
    succeed(lra_bench(path).args(resumed));
    let resumed: Table = fs::read_to_string(path.join("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!(resumed["data"], config.parse::<Table>().unwrap()["data"]);
}

#[test]
fn classes_are_divided_each_by_itself_and_notes_are_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let (path, dir) = (folder.path(), pictures(folder.path()));
    (0..10).for_each(|i| write(&dir.join(format!("c/{i}.png")), &grey()));
    write(&dir.join("a/readme.txt"), b"about these pictures");
    let stderr = said(path, "pictures");
    assert_has(&stderr, &["40 to train on, 5 to validate, 5 to test"]);
    assert_has(&stderr, &["passed over: notes: 1 (a/readme.txt)"]);
    let counts = |split: &str| -> Vec<u64> {
        let matrix = evaluate(path, "run", &["--split", split])["confusion_matrix"].clone();
        let matrix: Vec<Vec<u64>> = serde_json::from_value(matrix).unwrap();
        matrix.iter().map(|row| row.iter().sum()).collect()
    };
    assert_eq!((counts("val"), counts("test")), (vec![2, 2, 1], vec![2, 2, 1]));
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert_has(&config, &["split_by = \"stratified\"", "[data.borders]", "kind = \"image\""]);

    // Files that come later move none of these.
    let held_out = |name: &str| -> Vec<String> {
        evaluate(path, "run", &["--predictions", name]);
        let text = fs::read_to_string(path.join(name)).unwrap();
        let rows = records(&text);
        rows.into_iter().skip(1).map(|mut record| record.remove(1)).collect()
    };
    let before = held_out("before.csv");
    (10..90).for_each(|i| write(&dir.join(format!("c/{i}.png")), &grey()));
    let after = held_out("after.csv");
    assert!(after.len() > before.len(), "{after:?}");
    let is_new = |file: &&String| !before.contains(file);
    let of_c = |file: &&String| {
        let number = file.strip_prefix("pictures/c/").and_then(|name| name.strip_suffix(".png"));
        number.is_some_and(|number| number.parse::<u32>().unwrap() >= 10)
    };
    assert!(before.iter().all(|file| after.contains(file)));
    assert!(after.iter().filter(is_new).all(|file| of_c(&file)), "{after:?}");
}

#[test]
fn names_that_macos_takes_apart_are_the_same_names() {
    let folder = tempfile::tempdir().unwrap();
    let (path, dir) = (folder.path(), pictures(folder.path()));
    (0..30).for_each(|i| write(&dir.join(format!("élan/à{i}.png")), &grey()));
    said(path, "pictures");
    let here = evaluate(path, "run", &[]);

    let mac = path.join("mac");
    fs::create_dir(&mac).unwrap();
    fs::rename(dir.join("a"), mac.join("a")).unwrap();
    fs::rename(dir.join("b"), mac.join("b")).unwrap();
    (0..30).for_each(|i| write(&mac.join(format!("e\u{301}lan/a\u{300}{i}.png")), &grey()));
    let there = evaluate(path, "run", &["--data", "mac"]);
    for key in ["classes", "count", "confusion_matrix", "loss"] {
        assert_eq!(there[key], here[key], "{key}");
    }
}

#[test]
fn names_of_any_kind_are_told_on_one_line_and_pasted_as_one_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = path.join(format!("it's \"{}\" | of\nmine", "x".repeat(220)));
    fs::rename(pictures(path), &data).unwrap();
    write(&data.join("a/two\nlines.gif"), b"");
    write(&data.join(format!("a/{}.gif", "y".repeat(250))), b"");
    write(&data.join("a/two\nlines.png"), &grey());
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"a/not-\xFF-unicode.png");
        write(&data.join(name), &grey());
    }
    let mut command = train_small(path, "folder", TINY);
    command.args(["--run-dir", "my | run's", "--max-steps", "1"]).arg("--data").arg(&data);
    let (_, stderr) = succeed(&mut command);
    assert_has(&stderr, &["left out: .gif files: 2 (a/two\\nlines.gif, a/yyyy"]);
    let line = stderr.lines().find(|line| line.starts_with("left out")).unwrap();
    assert!(line.len() < 300, "{line}");
    fail(&mut command, 1, &["--resume \"my | run's\""]);
    let (markdown, _) = succeed(lra_bench(path).args(["report", "my | run's", "--markdown"]));
    let row = markdown.lines().nth(2).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 17, "{row}");
    assert!(row.contains("my \\| run's"), "{row}");
}

#[cfg(target_os = "linux")]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn what_may_not_be_read_is_a_warning() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let (path, dir) = (folder.path(), pictures(folder.path()));
    for name in ["lost+found", "private", "a/private"] {
        fs::create_dir(dir.join(name)).unwrap();
        set_mode(&dir.join(name), 0o000);
    }
    write(&dir.join("a/secret.png"), &grey());
    set_mode(&dir.join("a/secret.png"), 0o000);
    write(&dir.join(OsStr::from_bytes(b"caf\xe9/1.png")), &grey());
    symlink("nowhere", dir.join("a/dangling.png")).unwrap();
    symlink("loop", dir.join("loop")).unwrap();
    symlink("..", dir.join("a/up")).unwrap();
    symlink(dir.join("b/1.png"), dir.join("a/twin.png")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("a/pipe.png")).status().unwrap().success());
    let (_, stderr) = succeed(without_privileges(&mut train(path, "pictures")));
    let lines = [
        "40 PNG files of 24 x 16 pixels of 2 classes",
        "left out: folders that you may not list: 2 (",
        "passed over: files of the operating system: 1 (lost+found)",
        "skipped: a/secret.png: cannot read it",
        "left out: files in classes whose names are not Unicode: 1 (caf",
        "left out: links to nothing: 2 (a/dangling.png, loop)",
        "passed over: links to what is there already: 2 (a/twin.png, a/up)",
        "left out: pipes and devices: 1 (a/pipe.png)",
    ];
    assert_has(&stderr, &lines);
    let words = ["--strict", "folders that you may not list: 2"];
    fail(without_privileges(train(path, "pictures").arg("--strict")), 1, &words);
    for name in ["lost+found", "private", "a/private"] {
        set_mode(&dir.join(name), 0o755);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn reading_needs_no_write_access() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    sounds(path);
    let home = path.join("home");
    fs::create_dir(&home).unwrap();
    let at_home = |command: &mut Command| {
        without_privileges(command).env("HOME", &home).env_remove("XDG_CACHE_HOME");
        run(command)
    };

    // A complete cache that is read-only is read, whatever the task.
    succeed(&mut train(path, "sounds"));
    let mut small = train_small(path, "pathfinder", TINY);
    small.args(["--set", "data.count=8", "--set", "data.eval_count=4"]);
    succeed(small.args(["--run-dir", "paths", "--max-steps", "4"]));
    let cache = path.join("data/cache");
    let places = [cache.join("audio"), cache.clone(), path.join("data")];
    places.iter().for_each(|place| set_mode(place, 0o555));
    for entry in fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            set_mode(&entry, 0o444);
        }
    }
    for run in ["run", "paths"] {
        let (output, stderr) = at_home(lra_bench(path).args(["evaluate", run, "--device", "cpu"]));
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("cannot"), "{stderr}");
    }

    // What is not there is kept in the user's cache, which is said, or where --cache says.
    write(&path.join("sounds/a/more.wav"), &sound(0.3));
    let (output, stderr) = at_home(&mut train(path, "sounds"));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_has(&stderr, &["cannot write the cache data/cache/audio", "home/.cache/s4/data/audio"]);
    let (_, stderr) = at_home(&mut train(path, "sounds"));
    assert!(!stderr.contains("cannot write"), "what is in the user's cache is read: {stderr}");
    write(&path.join("sounds/a/even-more.wav"), &sound(0.3));
    let (output, stderr) = at_home(train(path, "sounds").args(["--cache", "kept"]));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(path.join("kept/audio").is_dir() && !stderr.contains("cannot write"), "{stderr}");

    // Where neither can be written, the option is named.
    set_mode(&home.join(".cache/s4/data"), 0o555);
    set_mode(&home.join(".cache/s4/data/audio"), 0o555);
    write(&path.join("sounds/a/yet-more.wav"), &sound(0.3));
    let (output, stderr) = at_home(&mut train(path, "sounds"));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_has(&stderr, &["--cache DIR", "no permission"]);
    places.iter().rev().for_each(|place| set_mode(place, 0o755));
    File::open(&cache).unwrap();
}

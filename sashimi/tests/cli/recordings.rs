//! What a folder of recordings can hold: sound that players play, files that are left out and told,
//! names of any kind; and where what is made of it goes.

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use crate::privileges::without_privileges;
use audio_data::wav_out::wav_bytes;
use hound::{SampleFormat, WavSpec, WavWriter};

/// A model that trains in a moment.
const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=4",
    "data.length=256",
    "data.val_count=8",
    "train.batch_size=2",
    "train.workers=1",
    "train.log_every=5",
    "preview.count=0",
];

fn sashimi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sashimi"));
    command.current_dir(folder).stdin(Stdio::null());
    command.env("RUST_BACKTRACE", "1").env("OMP_NUM_THREADS", "1");
    command
}

/// `train` of the tiny model on `data` for a step, as `run`, anew.
fn train(folder: &Path, data: &str) -> Command {
    let _ = fs::remove_dir_all(folder.join("run"));
    let mut command = train_tiny(folder, data);
    command.args(["--run-dir", "run"]);
    command
}

fn train_tiny(folder: &Path, data: &str) -> Command {
    let mut command = sashimi(folder);
    command.args(["train", "--data", data, "--preset", "small", "--device", "cpu"]);
    command.args(["--max-steps", "1"]);
    for setting in TINY {
        command.args(["--set", setting]);
    }
    command
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output, stderr)
}

/// What a command that must succeed writes to standard output and to standard error.
#[track_caller]
fn succeed(command: &mut Command) -> (String, String) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

#[track_caller]
fn fail(command: &mut Command, words: &[&str]) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_has(stderr.split("error: ").last().unwrap(), words);
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "`{line}` is not in: {text}");
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/spoken-digits")
}

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../audio-data/tests/data");
    fs::read(fixtures.join(name)).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `clips` with five recordings, and the bytes of one.
fn clips(folder: &Path) -> Vec<u8> {
    for index in 10..15 {
        let clip = fs::read(corpus().join(format!("4_nicolas_{index}.wav"))).unwrap();
        write(&folder.join(format!("clips/good-{index}.wav")), &clip);
    }
    fs::read(folder.join("clips/good-10.wav")).unwrap()
}

/// A WAV of floats, `scale` times as large as they should be.
fn floats(samples: &[f32], scale: f32) -> Vec<u8> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut wav = WavWriter::new(&mut bytes, spec).unwrap();
    samples.iter().for_each(|&x| wav.write_sample(x * scale).unwrap());
    wav.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn what_players_play_is_read_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let good = clips(path);
    let size = |size: u32| {
        let mut bytes = good.clone();
        bytes[40..44].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    let samples = good.len() as u32 - 44;
    // A chunk of odd size before the data, padded with what is no zero.
    let padded = [&good[..36], b"LIST\x05\0\0\0INFO?x", &good[36..]].concat();
    let sizes = [0_u64, samples.into(), u64::from(samples) / 2].map(u64::to_le_bytes).concat();
    let unknown = u32::MAX.to_le_bytes();
    let long = [b"BW64", &unknown[..], b"WAVEds64", &24_u32.to_le_bytes(), &sizes, &good[12..40]];
    let long = [long.concat(), unknown.to_vec(), good[44..].to_vec()].concat();
    let mp3 = fixture("mp3-id3-no-info-frame-stereo-44kHz.mp3");
    for (name, bytes) in [
        ("placeholder-a.wav", size(2_000_000_000)),
        ("placeholder-b.wav", size(0xFFFF_1000)),
        ("oversized.wav", size(samples + 16)),
        ("padded.wav", padded),
        ("long.bw64", long),
        ("cut.mp3", mp3[1000..mp3.len() - 100].to_vec()),
        ("a-law.wav", fixture("a-law-mono-8kHz.wav")),
        ("mu-law.WAV", fixture("mu-law-mono-8kHz.wav")),
        ("adpcm.wav", fixture("ms-adpcm-mono-8kHz.wav")),
        ("phone.m4a", fixture("aac-mono-16kHz.m4a")),
        ("lossless.m4a", fixture("alac-mono-16kHz.m4a")),
        ("mac.aiff", fixture("aiff-16bit-mono-8kHz.aiff")),
        ("mac.caf", fixture("caf-float-mono-8kHz.caf")),
    ] {
        write(&path.join("clips").join(name), &bytes);
    }
    let (_, stderr) = succeed(train(path, "clips").arg("--strict"));
    let notes = [
        "note: headers that promise more than there is, files read to their end: 3 (oversized.wav, ",
        "note: files that begin inside an MP3 frame, read from the next one: 1 (cut.mp3)",
    ];
    assert_has(&stderr, &["data: 18 recordings", notes[0], notes[1]]);
    assert!(!stderr.contains("skipped") && !stderr.contains("left out"), "{stderr}");

    let wave64 = b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0 and so on";
    for (name, bytes) in [
        ("voice.opus", fixture("opus-mono-16kHz.opus")),
        ("long.w64", wave64.to_vec()),
        ("old.au", b".snd\0\0\0\x18 and so on".to_vec()),
        ("short.wav", size(samples + 4000)),
    ] {
        write(&path.join("clips").join(name), &bytes);
    }
    let lines = [
        "skipped: voice.opus: it is Opus, which is not supported",
        "skipped: long.w64: it is Wave64, which is not supported",
        "skipped: old.au: it is Sun audio (AU), which is not supported",
        "skipped: short.wav: it is truncated",
        "left out: audio files that cannot be read: 4 (long.w64, old.au, short.wav, ...)",
        notes[0],
    ];
    // The cache remembers what is to be said.
    for _ in 0..2 {
        let (_, stderr) = succeed(&mut train(path, "clips"));
        assert_has(&stderr, &lines);
        assert_has(&stderr, &["data: 18 recordings"]);
    }
    let (_, stderr) = succeed(sashimi(path).args(["evaluate", "run", "--device", "cpu"]));
    assert_has(&stderr, &lines);
    fail(train(path, "clips").arg("--strict"), &["cannot read "]);
}

#[test]
fn a_sound_is_one_whatever_its_floats_are_scaled_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    clips(path);
    let wave = |i: i32| (i as f32 * 0.05).sin() * (i as f32 * 0.003).cos() * 0.8;
    let sound: Vec<f32> = (0..2000).map(wave).collect();
    write(&path.join("whole.wav"), &wav_bytes(&sound, 8000).unwrap());
    for (name, scale) in [("within", 1.0), ("hot", 1.7), ("scaled", 32768.0)] {
        write(&path.join(format!("clips/{name}.wav")), &floats(&sound, scale));
    }
    let (_, stderr) = succeed(&mut train(path, "clips"));
    let line = "note: floats beyond full scale, divided by their peak: 2 (hot.wav, scaled.wav)";
    assert_has(&stderr, &[line]);
    let mut score = sashimi(path);
    score.args(["score", "run", "--device", "cpu", "whole.wav"]);
    score.args(["clips/within.wav", "clips/hot.wav", "clips/scaled.wav"]);
    let (scores, _) = succeed(&mut score);
    let bits: BTreeSet<_> = scores.lines().map(|line| line.split(' ').next().unwrap()).collect();
    // Rounded to 16 bits, the first is another sound by a hair.
    assert!(bits.len() <= 2 && scores.lines().count() == 4, "{scores}");
    let bits: Vec<f64> = bits.iter().map(|bits| bits.parse().unwrap()).collect();
    assert!((bits[0] - bits[bits.len() - 1]).abs() < 0.02, "{scores}");
}

#[test]
fn what_is_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let good = clips(path);
    for (name, bytes) in [
        ("deep/er/below.wav", &good[..]),
        ("cover.jpg", b"picture"),
        ("deep/notes.txt", b"notes"),
        ("README", b"read me"),
        (".hidden.wav", &good),
        ("._good-10.wav", b"resource fork"),
        ("Thumbs.db", b""),
    ] {
        write(&path.join("clips").join(name), bytes);
    }
    let (_, stderr) = succeed(&mut train(path, "clips"));
    let lines = [
        "left out: .jpg files: 1 (cover.jpg)",
        "left out: .txt files: 1 (deep/notes.txt)",
        "left out: files without a suffix: 1 (README)",
        "left out: hidden files and folders: 1 (.hidden.wav)",
        "passed over: files of the operating system: 2 (",
    ];
    assert_has(&stderr, &lines);
    assert_has(&stderr, &["data: 6 recordings"]);
    let mut evaluation = sashimi(path);
    evaluation.args(["evaluate", "run", "--device", "cpu"]);
    assert_has(&succeed(&mut evaluation).1, &lines);
    fail(evaluation.arg("--strict"), &["--strict", ".jpg files: 1 (cover.jpg)", "README"]);
    fail(train(path, "clips").arg("--strict"), &["--strict", ".jpg files: 1 (cover.jpg)"]);
    assert!(!path.join("run").exists(), "nothing is left behind");
}

#[test]
fn names_do_not_depend_on_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    clips(path);
    let all = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path());
    let all: BTreeSet<_> = all.collect();
    for (i, clip) in all.into_iter().take(24).enumerate() {
        let clip = fs::read(clip).unwrap();
        write(&path.join(format!("here/élan {i}.wav")), &clip);
        write(&path.join(format!("mac/e\u{301}lan {i}.wav")), &clip);
    }
    succeed(&mut train(path, "here"));
    let score = |data: &str| {
        let command = ["evaluate", "run", "--device", "cpu", "--json", "--data", data];
        let (json, _) = succeed(sashimi(path).args(command));
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        (object["count"].clone(), object["bits_per_sample"].clone())
    };
    assert_eq!(score("here"), score("mac"));
    let config = path.join("run/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("names = \"nfc\""), "{text}");
    // A run from before the setting keeps its parts.
    fs::write(&config, text.replace("names = \"nfc\"\n", "")).unwrap();
    assert_ne!(score("here"), score("mac"));

    // A run is called after its data, as far as a folder's name can be.
    let data = format!("{}| of mine", "x".repeat(230));
    fs::rename(path.join("clips"), path.join(&data)).unwrap();
    let (_, stderr) = succeed(&mut train_tiny(path, &data));
    assert_has(&stderr, &["sashimi generate runs/audio/xxx"]);
}

/// A folder with a trained `run` in it, made once; nothing may be changed there.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sashimi-recordings");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        clips(&folder);
        succeed(&mut train(&folder, "clips"));
        folder
    })
}

/// `generate` of moments of sound into `out`.
fn generate(out: &Path, args: &[&str]) -> Command {
    let mut command = sashimi(trained());
    command.args([
        "generate",
        "run",
        "--device",
        "cpu",
        "--no-check",
        "--seconds",
        "0.01",
        "--out",
    ]);
    command.arg(out).args(args);
    command
}

#[test]
fn generated_files_replace_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let prefix = corpus().join("0_george_0.wav");
    let prefix = prefix.to_str().unwrap();
    let all: [&[&str]; 7] = [
        &[],
        &["--temperature", "0.5"],
        &["--top-k", "5"],
        &["--top-p", "0.5"],
        &["--seed", "1"],
        &["--precision", "int16"],
        &["--prefix", prefix],
    ];
    let mut names = BTreeSet::new();
    for args in all {
        names.extend(succeed(&mut generate(out, args)).0.lines().map(str::to_owned));
    }
    assert_eq!((names.len(), fs::read_dir(out).unwrap().count()), (7, 7), "{names:?}");
    for part in ["temperature0.5", "top-k5", "top-p0.5", "seed1", "int16", "after-0_george_0"] {
        assert_eq!(names.iter().filter(|name| name.contains(part)).count(), 1, "{part}");
    }
    let path = out.join("step1-seed0-000.wav");
    let whole = fs::read(&path).unwrap();
    let again = |seconds: &str| {
        let mut command = sashimi(trained());
        command.args(["generate", "run", "--device", "cpu", "--no-check", "--seconds", seconds]);
        command.arg("--out").arg(out);
        command
    };
    // The same command makes the same file, and a longer one begins with it.
    succeed(&mut again("0.01"));
    assert!(fs::read(&path).unwrap() == whole);
    succeed(&mut again("0.02"));
    let longer = fs::read(&path).unwrap();
    assert!(longer.len() > whole.len() && longer[44..].starts_with(&whole[44..]));
    for seconds in ["0.01", "0.02"] {
        let other = if seconds == "0.01" { longer.clone() } else { longer[..100].repeat(2) };
        fs::write(&path, &other).unwrap();
        fail(&mut again(seconds), &["step1-seed0-000.wav", "--overwrite", "--out"]);
        assert!(fs::read(&path).unwrap() == other);
    }
    succeed(again("0.01").arg("--overwrite"));
    assert!(fs::read(&path).unwrap() == whole);
}

#[cfg(target_os = "linux")]
#[test]
fn more_samples_are_generated_than_files_may_be_open() {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mut command = generate(folder.path(), &["--count", "150"]);
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(|| {
            let few = libc::rlimit { rlim_cur: 100, rlim_max: 100 };
            libc::setrlimit(libc::RLIMIT_NOFILE, &few);
            Ok(())
        });
    }
    let (names, _) = succeed(&mut command);
    assert_eq!(names.lines().count(), 150);
}

#[cfg(target_os = "linux")]
#[test]
fn places_that_cannot_be_written_are_told_with_another() {
    use std::os::unix::fs::PermissionsExt;
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    clips(path);
    let (work, home) = (path.join("work"), path.join("home"));
    fs::create_dir(&work).unwrap();
    fs::create_dir(&home).unwrap();
    set_mode(&work, 0o555);
    let at_work = |command: &mut Command| {
        without_privileges(command).env("HOME", &home).env_remove("XDG_CACHE_HOME");
        command.current_dir(&work);
        run(command)
    };
    let run_dir = path.join("run");
    let train = |more: &[&str]| {
        let _ = fs::remove_dir_all(&run_dir);
        let mut command = train_tiny(path, path.join("clips").to_str().unwrap());
        command.arg("--run-dir").arg(&run_dir).args(more);
        command
    };
    let (output, stderr) = at_work(&mut train(&[]));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_has(&stderr, &["cannot write the cache data/cache/audio", ".cache/s4/data/audio is"]);
    fs::remove_dir_all(home.join(".cache")).unwrap();
    let kept = path.join("kept");
    let (output, stderr) = at_work(&mut train(&["--cache", kept.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("cannot write"), "{stderr}");

    // Reading needs no write access: neither to the cache nor to the run.
    let places = [kept.join("audio"), kept.clone(), run_dir.clone()];
    places.iter().for_each(|place| set_mode(place, 0o555));
    let run_dir = run_dir.to_str().unwrap();
    let (output, stderr) = at_work(sashimi(path).args(["evaluate", run_dir, "--device", "cpu"]));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("cannot"), "{stderr}");
    let (output, stderr) =
        at_work(sashimi(path).args(["generate", run_dir, "--device", "cpu", "--no-check"]));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_has(&stderr, &["cannot make the folder", "samples", "--out DIR"]);
    places.iter().rev().for_each(|place| set_mode(place, 0o755));
    set_mode(&work, 0o755);
}

//! The program itself, on folders of good and bad files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use audio_data::wav_out::wav_bytes;
use serde_json::Value;

fn audio_data(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_audio-data")).args(args).output().unwrap()
}

/// Standard output of a call that must succeed and say nothing else.
fn inspect(folder: &Path, args: &[&str]) -> String {
    let output = audio_data(&[&["inspect", folder.to_str().unwrap()], args].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn inspect_json(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&inspect(folder, &[&["--json"], args].concat())).unwrap()
}

/// Exit code and standard error of a call that must fail and print nothing.
fn failure(args: &[&str]) -> (i32, String) {
    let output = audio_data(args);
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn tone(rate: u32, seconds: f32, amplitude: f32) -> Vec<f32> {
    let length = (rate as f32 * seconds) as usize;
    (0..length).map(|i| amplitude * (i as f32 * 0.1).sin()).collect()
}

fn write_tone(path: &Path, rate: u32, seconds: f32, amplitude: f32) {
    fs::write(path, wav_bytes(&tone(rate, seconds, amplitude), rate).unwrap()).unwrap();
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// One of everything that can be wrong with a file, and one good file.
fn zoo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    write_tone(&at("sub/good.wav"), 16_000, 2.0, 0.5);

    write_tone(&at("clipped.wav"), 16_000, 1.0, 1.5);
    write_tone(&at("faint.wav"), 16_000, 1.0, 0.0005);
    write_tone(&at("silent.wav"), 16_000, 1.0, 0.0);
    write_tone(&at("short.wav"), 16_000, 0.05, 0.5);
    let shifted: Vec<_> = tone(16_000, 1.0, 0.5).iter().map(|x| x + 0.1).collect();
    fs::write(at("shifted.wav"), wav_bytes(&shifted, 16_000).unwrap()).unwrap();

    let good = fs::read(at("sub/good.wav")).unwrap();
    fs::write(at("truncated.wav"), &good[..good.len() / 2]).unwrap();
    fs::write(at("header-only.wav"), wav_bytes(&[], 16_000).unwrap()).unwrap();
    fs::write(at("empty.wav"), "").unwrap();
    fs::write(at("text.wav"), "not a sound at all").unwrap();
    File::create(at("sparse.wav")).unwrap().set_len(2 << 30).unwrap();
    fs::copy(fixtures().join("opus-mono-16kHz.opus"), at("adios.opus")).unwrap();
    // Neither is an audio file.
    fs::create_dir(at("folder.wav")).unwrap();
    fs::write(at("notes.txt"), "notes").unwrap();
    folder
}

#[test]
fn every_kind_of_damage_is_reported_and_the_rest_is_read() {
    let folder = zoo();
    let report = inspect_json(folder.path(), &[]);
    assert_eq!((&report["files"], &report["readable"]), (&12.into(), &6.into()));
    assert!((report["seconds"].as_f64().unwrap() - 6.05).abs() < 1e-9);
    let problems: Vec<_> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| ["kind", "path", "detail"].map(|key| p[key].as_str().unwrap()))
        .collect();
    for (found, expected) in problems.iter().zip([
        ["unreadable", "adios.opus", "it is Opus"],
        ["unreadable", "empty.wav", "the file is empty"],
        ["unreadable", "header-only.wav", "no samples"],
        ["unreadable", "sparse.wav", "begins with zeros"],
        ["unreadable", "text.wav", "begins with \"not a sound "],
        ["unreadable", "truncated.wav", "promises 32000 samples (2.000 s), the file holds 15989"],
        ["silent", "faint.wav", "never above -66 dBFS"],
        ["silent", "silent.wav", "digital silence"],
        ["clipped", "clipped.wav", "53."],
        ["dc_offset", "shifted.wav", "+10.1% of full scale"],
        ["short", "short.wav", "50 ms"],
    ]) {
        assert_eq!(found[..2], expected[..2]);
        assert!(found[2].contains(expected[2]), "{found:?}");
        assert!(!found[2].contains("cannot read"), "the name twice: {found:?}");
    }
    assert_eq!(problems.len(), 11);
    let good = report["each"].as_array().unwrap().iter().find(|x| x["path"] == "sub/good.wav");
    let good = good.unwrap();
    assert_eq!((&good["frames"], &good["encoding"]), (&32_000.into(), &"16-bit PCM".into()));
    assert!((good["peak_dbfs"].as_f64().unwrap() + 6.02).abs() < 0.01);
    assert_eq!(report["layout"]["found"]["name"], "folder");
}

#[test]
fn the_text_says_what_the_json_says() {
    let folder = zoo();
    let text = inspect(folder.path(), &[]);
    for line in [
        "12 files, 00:00:06 in all",
        "layout     folder (",
        "shortest 0.05 s (short.wav), median 1.00 s, longest 2.00 s (sub/good.wav)",
        "rates      16,000 Hz: 6\n",
        "encodings  16-bit PCM: 6\n",
        "peak 0.0 dBFS",
        "\nUnreadable: 6 files\n  adios.opus: it is Opus",
        "\nSilent: 2 files\n",
        "\nClipped: 1 file\n",
        "\nBesides\n  left out: .txt files: 1 (notes.txt)\n",
        "\n  6 files cannot be read: repair or remove what is listed\n",
    ] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
}

#[test]
fn long_lists_are_cut_in_the_text_only() {
    let folder = tempfile::tempdir().unwrap();
    write_tone(&folder.path().join("good.wav"), 16_000, 1.0, 0.5);
    (0..15).for_each(|i| fs::write(folder.path().join(format!("{i:02}.wav")), "").unwrap());
    let text = inspect(folder.path(), &[]);
    assert!(text.contains("09.wav") && !text.contains("10.wav:"), "{text}");
    assert!(text.contains("and 5 more; --json lists all"), "{text}");
    assert_eq!(inspect_json(folder.path(), &[])["problems"].as_array().unwrap().len(), 15);
}

#[test]
fn formats_are_counted_and_resampling_is_announced() {
    let report = inspect_json(&fixtures(), &["--rate", "22050"]);
    assert_eq!(report["rates"], serde_json::json!({ "8000": 6, "16000": 6, "44100": 2 }));
    assert_eq!(report["channels"], serde_json::json!({ "1": 12, "2": 2 }));
    let encodings = report["encodings"].as_object().unwrap();
    for (name, count) in [("FLAC", 2), ("MP3", 2), ("AAC", 2), ("mu-law", 1), ("ALAC", 1)] {
        assert_eq!(encodings[name], count, "{name}");
    }
    assert_eq!(encodings.len(), 11);
    let notes: Vec<_> =
        report["recommendations"].as_array().unwrap().iter().map(|x| x.as_str().unwrap()).collect();
    assert_eq!(
        notes,
        [
            "6 files at 8,000 Hz will be resampled to 22,050 Hz; nothing is in them above 4,000 Hz",
            "6 files at 16,000 Hz will be resampled to 22,050 Hz; nothing is in them above 8,000 Hz",
            "2 files at 44,100 Hz will be resampled to 22,050 Hz",
            "the channels of 2 files will be averaged",
            "1 file cannot be read: repair or remove what is listed",
        ]
    );
    // Without a wish, the rate that most files have.
    assert_eq!(inspect_json(&fixtures(), &[])["rate"], 16_000);
}

#[test]
fn one_file_is_inspected_like_a_folder_of_one() {
    let folder = zoo();
    let good = folder.path().join("sub/good.wav");
    assert!(inspect(&good, &[]).contains("1 file, 00:00:02 in all"));
    let bad = folder.path().join("truncated.wav");
    let (code, message) = failure(&["inspect", bad.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(message.starts_with("error: cannot read ") && message.contains("truncated.wav: it is"));
}

#[test]
fn the_parts_of_a_data_set_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..10 {
        write_tone(&folder.path().join(format!("7_george_{i}.wav")), 8_000, 0.2, 0.5);
    }
    let report = inspect_json(folder.path(), &[]);
    let found = &report["layout"]["found"];
    assert_eq!((&found["name"], &found["parts"]["test"]), (&"fsdd".into(), &5.into()));
    assert_eq!(report["rate"], 8_000);
}

#[test]
fn nothing_to_inspect_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("notes.txt"), "notes").unwrap();
    let (code, message) = failure(&["inspect", path]);
    assert_eq!(code, 1);
    assert!(message.contains(path) && message.contains("no audio files"), "{message}");
    assert!(message.contains(".wav, .flac, .ogg or .mp3"), "{message}");
    let (code, message) = failure(&["inspect", "no/such/folder"]);
    assert_eq!(code, 1);
    assert!(message.contains("no/such/folder; check the path"), "{message}");
    let (code, message) = failure(&["inspect", path, "--rate", "5"]);
    assert_eq!(code, 1);
    assert!(message.contains("5 Hz; choose one from"), "{message}");
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    for args in [&["inspect"][..], &["listen"], &["inspect", ".", "--rate", "fast"], &[]] {
        assert_eq!(failure(args).0, 2, "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_audio-data"))
        .arg("inspect")
        .arg(fixtures())
        .stdout(writer)
        .status()
        .unwrap();
    assert!(status.success());
}

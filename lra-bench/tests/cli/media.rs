//! Tasks on images, audio and folders of files, as a user runs them: from files in the official
//! formats to an evaluation, and what is said where something is wrong.

use std::f32::consts::TAU;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use audio_data::wav_out::wav_bytes;
use datasets::batch::{Batch, Sequences};
use datasets::tasks::{self, Splits};
use lra_bench::experiment::{Experiment, Preset};
use lra_bench::objective::Supervised;
use serde_json::Value;
use tch::Device;
use toml::Table;
use training::objective::{Objective, Phase};

use crate::binary::{
    assert_same, fail, lra_bench, predict, predictions, records, run, succeed, train_small,
    with_input,
};

/// A model that trains in a moment.
const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=8",
    "train.batch_size=4",
    "train.eval_batch_size=4",
    "train.workers=1",
    "train.log_every=5",
    "train.eval_every=\"epoch\"",
];

/// `train` of the tiny model on `data`, anew.
fn train(folder: &Path, task: &str, data: &Path, steps: u32, settings: &[&str]) -> Command {
    let _ = fs::remove_dir_all(folder.join(run_of(task)));
    let mut command = train_small(folder, task, &[TINY, settings].concat());
    command.arg("--run-dir").arg(run_of(task)).arg("--data").arg(data);
    command.args(["--max-steps", &steps.to_string()]);
    command
}

fn run_of(task: &str) -> String {
    format!("run-{task}")
}

/// The object that `evaluate` prints for the run of a task.
#[track_caller]
fn evaluate(folder: &Path, task: &str, arguments: &[&str]) -> Value {
    crate::binary::evaluate(folder, &run_of(task), arguments)
}

fn config_of(folder: &Path, task: &str) -> String {
    fs::read_to_string(folder.join(run_of(task)).join("config.toml")).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn write_tone(path: &Path, rate: u32, frequency: f32, samples: usize) {
    let tone: Vec<f32> =
        (0..samples).map(|i| 0.5 * (TAU * frequency * i as f32 / rate as f32).sin()).collect();
    write(path, &wav_bytes(&tone, rate).unwrap());
}

/// Ten records a batch, each class once, its colour the class's.
fn write_cifar(dir: &Path) {
    let names = (1..=5).map(|n| format!("data_batch_{n}.bin")).chain(["test_batch.bin".to_owned()]);
    for (batch, name) in names.enumerate() {
        let mut records = Vec::new();
        for class in 0..10 {
            records.push(class);
            for colour in 0..3 {
                records.extend([25 * class + colour + 5 * batch as u8; 1024]);
            }
        }
        write(&dir.join(name), &records);
    }
}

#[test]
fn cifar_is_read_grey_and_in_colour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let batches = path.join("data/cifar-10-batches-bin");
    write_cifar(&batches);
    for task in ["image", "scifar"] {
        let (_, stderr) = succeed(&mut train(path, task, &path.join("data"), 3, &[]));
        assert!(stderr.contains("45 images to train on, 5 to validate, 10 to test"), "{stderr}");
        let object = evaluate(path, task, &[]);
        assert_eq!(object["count"], 10);
        assert_eq!(object["classes"][0], "airplane");
    }

    let records = fs::read(batches.join("data_batch_2.bin")).unwrap();
    write(&batches.join("data_batch_2.bin"), &records[..records.len() - 1]);
    fail(&mut train(path, "image", &batches, 1, &[]), 1, &["data_batch_2.bin", "cut off"]);
    fs::remove_file(batches.join("data_batch_2.bin")).unwrap();
    let words = ["image", "not in", "data_batch_1.bin", "cifar-10-binary.tar.gz", "fetch-data"];
    fail(&mut train(path, "image", &batches, 1, &[]), 1, &words);
}

#[test]
fn mnist_is_permuted_and_fashion_has_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mnist");
    for (task, first) in [("psmnist", "0"), ("fashion-mnist", "T-shirt/top")] {
        succeed(&mut train(path, task, &mnist, 2, &[]));
        assert_eq!(evaluate(path, task, &[])["classes"][0], first);
    }
    let none = path.join("none");
    let words = ["Fashion-MNIST is not in", "none", "train-images-idx3-ubyte", "amazonaws"];
    fail(&mut train(path, "fashion-mnist", &none, 1, &[]), 1, &words);

    let batch = |task: &str| -> Batch {
        let data: Table = format!("dir = {mnist:?}").parse().unwrap();
        tasks::find(task).unwrap().open(&data, false).unwrap().test.batch(&[3]).unwrap()
    };
    let (plain, permuted) = (batch("smnist"), batch("psmnist"));
    let (Sequences::Bytes(plain), Sequences::Bytes(permuted)) =
        (plain.sequences, permuted.sequences)
    else {
        panic!()
    };
    // Position 1 of the reversed binary numbers of ten digits is 512, position 3 is 768.
    assert_eq!((permuted[0], permuted[1], permuted[3]), (plain[0], plain[512], plain[768]));
    assert_ne!(plain, permuted);
}

#[test]
fn larger_pathfinder_images_are_generated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = [TINY, &["data.count=8", "data.eval_count=4"]].concat();
    let mut command = train_small(path, "pathfinder64", &settings);
    let (_, stderr) = succeed(command.args(["--max-steps", "2"]));
    assert!(stderr.contains("images of 64 x 64"), "{stderr}");
    let cache = path.join("cache");
    let data: Table = format!("count = 1\neval_count = 1\ncache = {cache:?}").parse().unwrap();
    let splits = tasks::find("path-256").unwrap().open(&data, false).unwrap();
    assert_eq!(splits.train.batch(&[0]).unwrap().length, 65_536);
}

/// Three words, of which the lists name two clips each.
fn write_speech_commands(dir: &Path) {
    let (mut val, mut test) = (String::new(), String::new());
    for (number, word) in ["go", "yes", "zebra"].iter().enumerate() {
        for clip in 0..8 {
            let name = format!("{word}/{clip:08x}_nohash_0.wav");
            let samples = if clip == 0 { 12_000 } else { 16_000 };
            write_tone(&dir.join(&name), 16_000, 200.0 * (1 + number) as f32, samples);
            match clip {
                0 | 1 => val += &format!("{name}\n"),
                2 | 3 => test += &format!("{name}\n"),
                _ => {}
            }
        }
    }
    write(&dir.join("validation_list.txt"), val.as_bytes());
    write(&dir.join("testing_list.txt"), test.as_bytes());
    write(&dir.join("_background_noise_/tap.wav"), &wav_bytes(&[0.0; 100], 16_000).unwrap());
}

#[test]
fn speech_commands_train_with_the_words_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = path.join("words");
    write_speech_commands(&data);
    let all = ["data.words=\"all\""];
    let (_, stderr) = succeed(&mut train(path, "speech-commands", &data, 2, &all));
    assert!(stderr.contains("only 3 of 35 words"), "{stderr}");
    assert!(stderr.contains("12 to train on, 6 to validate, 6 to test"), "{stderr}");
    // Known words come in the official order, others last; what the data decided is kept.
    let object = evaluate(path, "speech-commands", &[]);
    assert_eq!(object["classes"], serde_json::json!(["go", "yes", "zebra"]));
    let config = config_of(path, "speech-commands");
    assert!(config.contains("[data.scale]") && config.contains("zebra"), "{config}");

    // The run's words are asked for, whatever else there is.
    write_tone(&data.join("apple/00000000_nohash_0.wav"), 16_000, 300.0, 16_000);
    assert_eq!(evaluate(path, "speech-commands", &[])["classes"], object["classes"]);
    fs::remove_dir_all(data.join("zebra")).unwrap();
    let again = ["evaluate", "run-speech-commands", "--device", "cpu"];
    fail(lra_bench(path).args(again), 1, &["`zebra`", "apple, go, yes"]);
}

#[test]
fn speech_commands_say_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = path.join("words");
    let words = ["no Speech Commands", "words", "speech_commands_v0.02.tar.gz", "fetch-data"];
    fail(&mut train(path, "speech-commands", &data, 1, &[]), 1, &words);
    write_speech_commands(&data);
    let clip = data.join("go/00000005_nohash_0.wav");
    let bytes = fs::read(&clip).unwrap();
    write(&clip, &bytes[..1000]);
    let (_, stderr) = succeed(&mut train(path, "speech-commands", &data, 1, &[]));
    assert!(stderr.contains("skipped: go/00000005_nohash_0.wav"), "{stderr}");
    assert!(stderr.contains("only 2 of 10 words"), "{stderr}");

    let of = |setting| train(path, "speech-commands", &data, 1, &[setting]);
    fail(&mut of("data.classes=[\"go\", \"bed\"]"), 1, &["`bed`", "go, yes, zebra"]);
    fail(&mut of("data.classes=[\"go\"]"), 1, &["only `go`", "two"]);
    fail(&mut of("data.every=0"), 1, &["data.every", "at least 1"]);
    fail(&mut of("data.split_by=\"index\""), 2, &["data.split_by", "speech-commands"]);
    fail(&mut of("data.words=\"two\""), 2, &["data.words"]);

    fs::remove_file(data.join("testing_list.txt")).unwrap();
    fail(&mut of("train.seed=1"), 1, &["no testing_list.txt"]);
    fs::remove_file(data.join("validation_list.txt")).unwrap();
    fail(&mut of("train.seed=1"), 1, &["neither testing_list.txt nor validation_list.txt"]);
}

/// Four speakers, ten digits, ten recordings of each, of different lengths.
fn write_fsdd(dir: &Path) {
    for (speaker, name) in ["ann", "bob", "cy", "dee"].iter().enumerate() {
        for digit in 0..10 {
            for index in [0, 5, 10] {
                let samples = 300 + 40 * digit + 10 * index + speaker;
                let path = dir.join(format!("recordings/{digit}_{name}_{index}.wav"));
                write_tone(&path, 8_000, 100.0 * (1 + digit) as f32, samples);
            }
        }
    }
}

#[test]
fn spoken_digits_are_divided_by_speaker_or_by_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = path.join("digits");
    write_fsdd(&data);
    let of = |settings: &[&str]| train(path, "fsdd", &data, 2, settings);
    let (_, stderr) = succeed(&mut of(&[]));
    assert!(stderr.contains("60 to train on, 30 to validate, 30 to test"), "{stderr}");
    assert!(stderr.contains("val: cy; test: dee"), "{stderr}");
    let object = evaluate(path, "fsdd", &[]);
    assert_eq!(
        (&object["count"], &object["rate"], &object["every"]),
        (&30.into(), &1.0.into(), &1.into())
    );
    assert!(object["accuracy_by_length"].as_array().unwrap().len() > 1, "{object}");
    // A speaker who comes later does not move those that the run held out.
    for digit in 0..10 {
        write_tone(&data.join(format!("recordings/{digit}_eve_0.wav")), 8_000, 100.0, 100);
    }
    assert_eq!(evaluate(path, "fsdd", &[])["count"], 30);

    let (_, stderr) = succeed(&mut of(&["data.held_out.test=[\"ann\"]"]));
    assert!(stderr.contains("val: eve; test: ann"), "{stderr}");
    let (_, stderr) = succeed(&mut of(&["data.split_by=\"index\""]));
    assert!(stderr.contains("40 to train on, 40 to validate, 50 to test"), "{stderr}");
    let names = ["`zoe`", "ann, bob, cy, dee, eve"];
    fail(&mut of(&["data.held_out.val=[\"zoe\"]"]), 1, &names);
    let both = ["data.held_out.val=[\"ann\"]", "data.held_out.test=[\"ann\"]"];
    fail(&mut of(&both), 1, &["`ann` both"]);
    let index = ["data.held_out.val=[\"ann\"]", "data.split_by=\"index\""];
    fail(&mut of(&index), 1, &["held_out", "split_by"]);
    let none = path.join("none");
    fail(&mut train(path, "fsdd", &none, 1, &[]), 1, &["no spoken digits", "none", "fetch-data"]);
}

#[test]
fn padding_and_decimation_change_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_fsdd(path);
    let open = |settings: &str| {
        let cache = path.join("cache");
        let data = format!("dir = {path:?}\ncache = {cache:?}\n{settings}").parse().unwrap();
        tasks::find("fsdd").unwrap().open(&data, false).unwrap()
    };
    let (all, every_third) = (open(""), open("every = 3"));
    let values =
        |splits: &Splits, index: usize| match splits.test.batch(&[index]).unwrap().sequences {
            Sequences::Values { values, features: 1 } => values,
            other => panic!("{other:?}"),
        };
    for index in [0, 17] {
        let kept: Vec<_> = values(&all, index).into_iter().step_by(3).collect();
        assert_eq!(values(&every_third, index), kept);
        assert_eq!(every_third.test.length(index), kept.len());
    }
    // Standardised by what is measured on the training split.
    let train: Vec<f32> = (0..all.train.len())
        .flat_map(|i| match all.train.batch(&[i]).unwrap().sequences {
            Sequences::Values { values, .. } => values,
            other => panic!("{other:?}"),
        })
        .collect();
    let mean = train.iter().sum::<f32>() / train.len() as f32;
    let variance = train.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / train.len() as f32;
    assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");

    let settings: Vec<_> = TINY.iter().map(ToString::to_string).collect();
    let task = tasks::find("fsdd").unwrap();
    let experiment = Experiment::preset(task, Preset::Small, &settings).unwrap().value;
    let model = Supervised::new(&experiment, &all.shape, Device::Cpu).unwrap();
    let indices = [0, 29, 11];
    let scores = |indices: &[usize]| {
        let batch = model.upload(&all.test.batch(indices).unwrap()).unwrap();
        model.outputs(&batch, Phase::Eval).unwrap()
    };
    let together = scores(&indices);
    for (row, index) in indices.into_iter().enumerate() {
        let alone = scores(&[index]);
        let difference = (together.get(row as i64) - alone.get(0)).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{index}: {difference}");
    }
}

/// Low tones and high ones, an octave apart: with every second sample left out, and nothing said
/// about it, the low ones are the high ones.
fn write_tones(dir: &Path) -> PathBuf {
    for i in 0..60 {
        let (low, samples) = (200.0 + 2.0 * i as f32, 300 + i);
        write_tone(&dir.join(format!("low/{i}.wav")), 8_000, low, samples);
        write_tone(&dir.join(format!("high/{i}.wav")), 8_000, 2.0 * low, samples);
    }
    dir.to_owned()
}

#[test]
fn a_model_hears_at_half_the_sampling_rate_what_it_learned_at_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = write_tones(&path.join("tones"));
    let settings = [
        "model.d_model=16",
        "train.batch_size=16",
        "train.optimizer.lr=0.02",
        "train.schedule.warmup_steps=5",
        "train.schedule.total_steps=120",
    ];
    let (_, stderr) = succeed(&mut train(path, "folder", &data, 120, &settings));
    assert!(stderr.contains("120 recordings of 2 classes at 8000 Hz"), "{stderr}");
    let accuracy = |arguments: &[&str]| {
        let object = evaluate(path, "folder", arguments);
        (object["accuracy"].as_f64().unwrap(), object["every"].as_u64().unwrap())
    };
    let (whole, one) = accuracy(&[]);
    let (half, two) = accuracy(&["--rate", "2"]);
    let (unaware, _) = accuracy(&["--every", "2"]);
    assert_eq!((one, two), (1, 2));
    assert!(whole > 0.9 && half > 0.9, "{whole} {half}");
    assert!(unaware < 0.75, "the test shows nothing: {unaware}");
    let odd = ["evaluate", "run-folder", "--rate", "1.5", "--device", "cpu"];
    fail(lra_bench(path).args(odd), 2, &["--rate 1.5", "--every K"]);
}

#[test]
fn any_folder_of_pictures_or_texts_trains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let pictures = path.join("pictures");
    let picture = |name: &str, side: u32, level: u8| {
        let file = pictures.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut encoder = png::Encoder::new(File::create(file).unwrap(), side, side);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels = vec![level; (side * side) as usize];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    };
    for i in 0..30 {
        picture(&format!("dark/{i}.png"), 6, i);
        picture(&format!("light/{i}.png"), 6, 255 - i);
    }
    let (_, stderr) = succeed(&mut train(path, "folder", &pictures, 2, &[]));
    assert!(stderr.contains("60 PNG files of 6 x 6 pixels of 2 classes"), "{stderr}");
    let object = evaluate(path, "folder", &["--rate", "2", "--every", "1"]);
    assert_eq!(object["classes"], serde_json::json!(["dark", "light"]));
    // Of files that come later the old ones stay in their parts.
    let before = object["count"].as_u64().unwrap();
    picture("dark/later-7.png", 6, 0);
    assert!(evaluate(path, "folder", &[])["count"].as_u64().unwrap() >= before);
    let of = |data: &Path, settings: &[&str]| train(path, "folder", data, 1, settings);
    fail(&mut of(&pictures, &["data.every=2"]), 1, &["data.every", "audio", "PNG"]);
    picture("dark/wide.png", 7, 0);
    fail(&mut of(&pictures, &[]), 1, &["0.png", "6 x 6", "wide.png", "7 x 7"]);

    let texts = path.join("texts");
    for i in 0..30 {
        write(&texts.join(format!("long/{i}.txt")), "a long text, ".repeat(i + 2).as_bytes());
        write(&texts.join(format!("short/{i}.txt")), "ä".repeat(i % 3).as_bytes());
    }
    let (_, stderr) = succeed(&mut of(&texts, &[]));
    assert!(stderr.contains("60 text files of 2 classes"), "{stderr}");
    assert!(evaluate(path, "folder", &[])["loss"].as_f64().unwrap().is_finite());

    write(&texts.join("short/a.wav"), b"RIFF");
    fail(&mut of(&texts, &[]), 1, &["1 audio files and 60 text files"]);
    let empty = path.join("empty");
    fs::create_dir(&empty).unwrap();
    fail(&mut of(&empty, &[]), 1, &["empty/<class>/*.{wav"]);
    write(&empty.join("a/1.txt"), b"one");
    fail(&mut of(&empty, &[]), 1, &["only `a`"]);
    write(&empty.join("b/1.txt"), b"one");
    fail(&mut of(&empty, &[]), 1, &["of the 2 files", "data.seed"]);
    fail(&mut train_small(path, "folder", &[]), 2, &["--data DIR"]);
}

/// Writes a square picture, grey or in colour.
fn write_picture(path: &Path, pixels: &[u8], color: png::ColorType) {
    let side = ((pixels.len() / color.samples()) as f64).sqrt() as u32;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), side, side);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

#[test]
fn a_picture_is_taken_for_what_evaluate_takes_it_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mnist");
    let idx = mnist.join("t10k-images-idx3-ubyte.gz").display().to_string();
    for task in ["smnist", "psmnist"] {
        succeed(&mut train(path, task, &mnist, 2, &[]));
        let evaluated = predictions(path, &run_of(task));
        let predicted = predict(path, &run_of(task), std::slice::from_ref(&idx));
        assert_same(&predicted, &evaluated);
        assert_eq!(predicted[7][0], format!("{idx}[7]"));
    }

    write_cifar(&path.join("cifar"));
    let records = fs::read(path.join("cifar/test_batch.bin")).unwrap();
    for (number, record) in records.chunks(3073).enumerate() {
        let pixels = (0..1024).flat_map(|i| [0, 1, 2].map(|colour| record[1 + 1024 * colour + i]));
        let picture = path.join(format!("pictures/{number}.png"));
        write_picture(&picture, &pixels.collect::<Vec<_>>(), png::ColorType::Rgb);
    }
    for task in ["image", "scifar"] {
        succeed(&mut train(path, task, &path.join("cifar"), 2, &[]));
        let predicted = predict(path, &run_of(task), &["pictures".to_owned()]);
        assert_same(&predicted, &predictions(path, &run_of(task)));
    }

    let settings = [TINY, &["data.count=8", "data.eval_count=4"]].concat();
    let mut paths = train_small(path, "pathfinder", &settings);
    succeed(paths.args(["--max-steps", "2", "--run-dir", "run-pathfinder"]));
    let config: Table = config_of(path, "pathfinder").parse().unwrap();
    let mut data = config["data"].as_table().unwrap().clone();
    data.insert("cache".to_owned(), path.join("data/cache").display().to_string().into());
    let splits = tasks::find("pathfinder").unwrap().open(&data, false).unwrap();
    for number in 0..4 {
        let Sequences::Bytes(pixels) = splits.test.batch(&[number]).unwrap().sequences else {
            panic!()
        };
        let picture = path.join(format!("paths/{number}.png"));
        write_picture(&picture, &pixels, png::ColorType::Grayscale);
    }
    let predicted = predict(path, "run-pathfinder", &["paths".to_owned()]);
    assert_same(&predicted, &predictions(path, "run-pathfinder"));
}

#[test]
fn a_sound_is_taken_for_what_evaluate_takes_it_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_speech_commands(&path.join("words"));
    write_fsdd(&path.join("digits"));
    write_tones(&path.join("tones"));
    for i in 0..9 {
        // At another rate than most.
        write_tone(&path.join(format!("tones/low/fast-{i}.wav")), 11_025, 210.0, 400);
    }
    let all = ["data.words=\"all\""];
    for (task, data, settings) in
        [("speech-commands", "words", &all[..]), ("fsdd", "digits", &[]), ("folder", "tones", &[])]
    {
        succeed(&mut train(path, task, &path.join(data), 2, settings));
        let evaluated = predictions(path, &run_of(task));
        let files: Vec<_> = evaluated.iter().map(|record| record[1].clone()).collect();
        let predicted = predict(path, &run_of(task), &files);
        assert_same(&predicted, &evaluated);
        assert!(predicted.iter().map(|record| &record[0]).eq(&files));
    }
}

#[test]
fn files_of_a_folder_are_told_apart_and_those_that_cannot_be_read_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for i in 0..30 {
        let level = |level| vec![level; 36];
        write_picture(&path.join(format!("pictures/dark/{i}.png")), &level(i), GREY);
        write_picture(&path.join(format!("pictures/light/{i}.png")), &level(255 - i), GREY);
        write(&path.join(format!("texts/long/{i}.txt")), "a long text, ".repeat(9).as_bytes());
        write(&path.join(format!("texts/short/{i}.txt")), b"no");
    }
    for data in ["texts", "pictures"] {
        succeed(&mut train(path, "folder", &path.join(data), 2, &[]));
        let evaluated = predictions(path, "run-folder");
        let files: Vec<_> = evaluated.iter().map(|record| record[1].clone()).collect();
        assert_same(&predict(path, "run-folder", &files), &evaluated);
        if data == "texts" {
            // A line is what a file of it would be.
            let mut command = lra_bench(path);
            command.args(["predict", "run-folder", "--device", "cpu", "--csv", "-"]);
            let (text, _) = with_input(&mut command, "no\n\nno\r\n");
            let rows = records(&text);
            let [_, first, second] = &rows[..] else { panic!("{text}") };
            assert_eq!((&*first[0], &*second[0]), ("-:1", "-:3"));
            assert_eq!(first[1..], second[1..]);
        }
    }

    // One line an input; the rest goes on after what cannot be read.
    write(&path.join("new/a.gif"), b"GIF89a");
    write(&path.join("new/cut.png"), b"\x89PNG");
    write_picture(&path.join("new/deep/wide.png"), &[0; 49], GREY);
    write_picture(&path.join("new/deep/right.png"), &[0; 36], GREY);
    let predict = |arguments: &[&str]| {
        let mut command = lra_bench(path);
        command.args(["predict", "run-folder", "--device", "cpu"]).args(arguments);
        command
    };
    let (output, stderr) = run(&mut predict(&["new", "pictures/dark/1.png", "none.png"]));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for words in [
        "left out: .gif files: 1 (a.gif)",
        "skipped: new/cut.png: it is neither a readable PNG nor a JPEG",
        "skipped: new/deep/wide.png: it has 7 x 7 pixels, expected 6 x 6",
        "skipped: cannot read none.png: it does not exist",
        "error: 3 of 5 inputs could not be read",
    ] {
        assert!(stderr.contains(words), "`{words}` is not in: {stderr}");
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("%  new/deep/right.png"), "{text}");
    assert!(lines[1].ends_with("%  pictures/dark/1.png"), "{text}");
    assert_eq!(lines.len(), 2);

    let (json, _) = succeed(&mut predict(&["--json", "new/deep/right.png"]));
    let object: Value = serde_json::from_str(&json).unwrap();
    let probabilities = object["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-12 && probabilities.len() == 2, "{json}");
    let label = object["label"].as_str().unwrap();
    assert_eq!(object["probability"], probabilities[label], "{json}");
    assert_eq!(object["file"], "new/deep/right.png");

    let (printed, _) = succeed(&mut predict(&["--csv", "pictures"]));
    let (nothing, _) = succeed(&mut predict(&["--csv", "pictures", "--out", "all.csv"]));
    assert_eq!(nothing, "");
    assert_eq!(fs::read_to_string(path.join("all.csv")).unwrap(), printed);
    assert_eq!(printed.lines().count(), 61);

    fail(&mut predict(&["-"]), 2, &["`-` is for text", "pictures of 6 x 6 pixels"]);
    fail(&mut predict(&["texts"]), 1, &["1 of 1 inputs"]);
    fail(&mut predict(&[]), 2, &["FILE|DIR"]);
    // What a run from before does not say is asked for.
    let config = config_of(path, "folder");
    let older = config.replace("kind = \"image\"\n", "");
    assert_ne!(older, config);
    write(&path.join("run-folder/config.toml"), older.as_bytes());
    fail(&mut predict(&["new"]), 1, &["data.kind", "kind = \"image\"", "[data]"]);
}

#[test]
fn arrays_train_and_are_taken_for_what_evaluate_takes_them_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Two features, of which the first only counts.
    let rows = |i: usize, level: f64| -> Vec<[f64; 2]> {
        (0..20 + i % 5).map(|at| [1e6 + at as f64, level + (i + at) as f64 % 3.0]).collect()
    };
    let npy = |rows: &[[f64; 2]]| {
        let text =
            format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, 2), }}", rows.len());
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{text:<width$}\n", width = length - 1).bytes());
        bytes.extend(rows.as_flattened().iter().flat_map(|value| value.to_le_bytes()));
        bytes
    };
    let csv = |rows: &[[f64; 2]]| {
        let lines = rows.iter().map(|[a, b]| format!("{a},{b}\n"));
        format!("time,level\n{}", lines.collect::<String>())
    };
    for i in 0..20 {
        write(&path.join(format!("arrays/low/{i}.npy")), &npy(&rows(i, 0.0)));
        write(&path.join(format!("arrays/high/{i}.csv")), csv(&rows(i, 50.0)).as_bytes());
    }
    write(&path.join("arrays/low/cut.npy"), &npy(&rows(0, 0.0))[..200]);
    write(&path.join("arrays/README.txt"), b"two features");
    let data = path.join("arrays");
    let learn = [
        "train.optimizer.lr=0.02",
        "train.schedule.warmup_steps=1",
        "train.schedule.total_steps=60",
    ];
    let (_, stderr) = succeed(&mut train(path, "folder", &data, 60, &learn));
    for words in [
        "40 arrays of 2 features of 2 classes",
        "skipped: low/cut.npy: it is no readable array of NumPy: it is damaged or ends too early",
        "left out: files outside the folders of classes: 1 (README.txt)",
    ] {
        assert!(stderr.contains(words), "`{words}` is not in: {stderr}");
    }
    assert_eq!(evaluate(path, "folder", &[])["accuracy"], 1.0);
    let config = config_of(path, "folder");
    assert!(
        config.contains("kind = \"array\"") && config.contains("[[data.features]]"),
        "{config}"
    );
    let evaluated = predictions(path, "run-folder");
    let files: Vec<_> = evaluated.iter().map(|record| record[1].clone()).collect();
    assert_same(&predict(path, "run-folder", &files), &evaluated);

    // The same numbers are the same example in either form.
    write(&path.join("same.csv"), csv(&rows(3, 0.0)).as_bytes());
    let both = ["arrays/low/3.npy".to_owned(), "same.csv".to_owned()];
    let predicted = predict(path, "run-folder", &both);
    assert_eq!(predicted[0][1..], predicted[1][1..]);
    write(&path.join("one.csv"), b"1\n2\n");
    let mut command = lra_bench(path);
    command.args(["predict", "run-folder", "one.csv", "--device", "cpu"]);
    let (output, stderr) = run(&mut command);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("skipped: one.csv: it has 1 features, expected 2"), "{stderr}");
    write(&path.join("arrays/low/one.csv"), b"1\n2\n");
    fail(&mut train(path, "folder", &data, 1, &[]), 1, &["one.csv has 1", "has 2", "the same"]);
}

const GREY: png::ColorType = png::ColorType::Grayscale;

/// The presets of all tasks are there, valid and of their task.
#[test]
fn every_preset_is_valid() {
    for task in tasks::TASKS {
        for preset in [Preset::Paper, Preset::Small] {
            let experiment = Experiment::preset(task, preset, &[]).unwrap().value;
            assert_eq!(experiment.task, task.name);
        }
    }
}

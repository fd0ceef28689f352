//! Files whose labels are numbers: `targets.csv` from training to predictions, and what is said of a
//! table that is wrong.

use std::fs;
use std::path::Path;
use std::process::Command;

use s4_stream::Model;
use serde_json::{Value, json};

use crate::binary::{evaluate, fail, lra_bench, records, succeed, train_small, with_input};
use crate::events::Events;
use crate::text_files::write;

const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=8",
    "train.batch_size=8",
    "train.workers=1",
    "train.eval_every=\"epoch\"",
];

/// `train` on the folder `data` for some steps, as `run`, anew.
fn train(folder: &Path, steps: u32, settings: &[&str]) -> Command {
    let _ = fs::remove_dir_all(folder.join("run"));
    let mut command = train_small(folder, "folder", &[TINY, settings].concat());
    command.args(["--run-dir", "run", "--data", "data", "--max-steps", &steps.to_string()]);
    command
}

/// Sequences of numbers with their mean and their length, in folders of folders.
fn write_arrays(folder: &Path, count: usize) {
    let mut table = "file,mean,length\n".to_owned();
    for number in 0..count {
        let (value, length) = (number * 7 % 10, 20 + number % 5);
        let name = format!("part{}/deep/{number}.csv", number % 2);
        write(&folder.join("data").join(&name), &format!("{value}\n").repeat(length));
        table += &format!("{name},{value},{length}\n");
    }
    write(&folder.join("data/targets.csv"), &table);
}

#[track_caller]
fn predictions(folder: &Path) -> Vec<Vec<String>> {
    evaluate(folder, "run", &["--predictions", "predictions.csv"]);
    records(&fs::read_to_string(folder.join("predictions.csv")).unwrap())
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

#[track_caller]
fn assert_close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-5, "{found} and {expected}");
}

/// Recordings of spoken digits, and how loud they are: 10 log₁₀ of the mean square.
fn write_levels(folder: &Path) {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sashimi/corpus/spoken-digits");
    fs::create_dir_all(folder.join("data/wav")).unwrap();
    let mut table = "file,level in dB\n".to_owned();
    for entry in fs::read_dir(digits).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".wav") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let samples = bytes[44..].chunks_exact(2);
        let count = samples.len() as f64;
        let square =
            |pair: &[u8]| (f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).powi(2);
        let level = 10.0 * (samples.map(square).sum::<f64>() / count).log10();
        table += &format!("wav/{name},{level:.3}\n");
        fs::write(folder.join("data/wav").join(name), bytes).unwrap();
    }
    write(&folder.join("data/targets.csv"), &table);
}

#[test]
fn the_level_of_speech_is_learned_and_said_in_decibels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_levels(path);
    let settings =
        ["model.d_model=16", "data.max_length=2000", "data.cache=\"cache\"", "train.log_every=1"];
    let (_, stderr) = succeed(&mut train(path, 80, &settings));
    let origin = "350 recordings with the target level in dB at 8000 Hz in data: 280 to train on, \
                  35 to validate, 35 to test";
    assert!(stderr.contains(origin), "{stderr}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    for line in ["targets = \"targets.csv\"", "name = \"level in dB\"", "metric = \"val/rmse\""] {
        assert!(config.contains(line), "{config}");
    }

    // Better than the mean of the training files, which is what the figures of the table say.
    let object = evaluate(path, "run", &["--predictions", "predictions.csv"]);
    let [target] = object["targets"].as_array().unwrap().as_slice() else { panic!("{object}") };
    let of_mean = &target["training_mean"];
    assert_eq!((&object["count"], &target["name"]), (&json!(35), &json!("level in dB")));
    assert!(target["rmse"].as_f64() < Some(0.9 * of_mean["rmse"].as_f64().unwrap()), "{object}");
    let mut evaluated = records(&fs::read_to_string(path.join("predictions.csv")).unwrap());
    let heading = ["example", "file", "target level in dB", "prediction level in dB"];
    assert_eq!(evaluated.remove(0), heading);
    let table = fs::read_to_string(path.join("data/targets.csv")).unwrap();
    for record in &evaluated {
        let row = format!("{},{}", record[1].strip_prefix("data/").unwrap(), record[2]);
        assert!(table.contains(row.trim_end_matches('0')), "{row}");
    }
    let count = evaluated.len() as f64;
    let mean_of = |of: &dyn Fn(f64, f64) -> f64| {
        evaluated.iter().map(|row| of(number(&row[2]), number(&row[3]))).sum::<f64>() / count
    };
    let (mean, squares) = (mean_of(&|t, _| t), mean_of(&|t, value| (value - t).powi(2)));
    let r2 = 1.0 - squares / mean_of(&|t, _| (t - mean).powi(2));
    for errors in [&object, target] {
        assert_close(&errors["mae"], mean_of(&|t, value| (value - t).abs()));
        assert_close(&errors["rmse"], squares.sqrt());
        assert_close(&errors["r2"], r2);
    }
    let guess = of_mean["value"].as_f64().unwrap();
    assert_close(&of_mean["mae"], mean_of(&|t, _| (guess - t).abs()));
    let (text, _) = succeed(lra_bench(path).args(["evaluate", "run", "--device", "cpu"]));
    for words in ["folder test: rmse ", "\nlevel in dB  ", "\ntraining mean  "] {
        assert!(text.contains(words), "{text}");
    }

    // Files get the same numbers, to the last bit.
    let predict = |form: &[&str], files: usize| {
        let files = evaluated.iter().take(files).map(|record| &record[1]);
        let mut command = lra_bench(path);
        succeed(command.args(["predict", "run", "--device", "cpu"]).args(form).args(files)).0
    };
    let mut predicted = records(&predict(&["--csv"], evaluated.len()));
    assert_eq!(predicted.remove(0), ["file", "level in dB"]);
    assert_eq!(predicted.len(), evaluated.len());
    for (predicted, evaluated) in predicted.iter().zip(&evaluated) {
        assert_eq!([&predicted[0], &predicted[1]], [&evaluated[1], &evaluated[3]]);
    }
    let object: Value = serde_json::from_str(&predict(&["--json"], 1)).unwrap();
    assert_eq!(object["file"], *evaluated[0][1]);
    assert!(object["values"]["level in dB"].as_f64().unwrap() < 0.0, "{object}");
    let text = predict(&[], 2);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "level in dB  file");
    assert!(lines.len() == 3 && lines[1].ends_with(&evaluated[0][1]), "{text}");

    let (report, _) = succeed(lra_bench(path).args(["report", "run", "--json"]));
    let report: Value = serde_json::from_str(&report).unwrap();
    let row = &report["experiments"][0];
    assert_eq!(row["metric"], json!({ "name": "rmse", "better": "lower" }));
    assert_eq!((&row["chance"], &row["test"]["mean"]), (&Value::Null, &target["rmse"]));
    assert!(succeed(lra_bench(path).args(["report", "run"])).0.contains("rmse ↓"));

    let events = Events::read(&path.join("run"));
    assert!(events.tags("confusion").is_empty());
    assert!(!events.scalars("val/r2").is_empty() && !events.tags("predictions/sheet").is_empty());
    let shown = events.texts("predictions/table");
    assert!(shown[0].starts_with("| example | level in dB | guess |\n|---|---|---|"), "{shown:?}");

    // A run knows its targets: a table with others is no matter, one without them an error.
    write(
        &path.join("data/targets.csv"),
        &table.replace("file,", "file,room,").replace("wav,", "wav,x,"),
    );
    assert_eq!(evaluate(path, "run", &[])["targets"][0]["rmse"], target["rmse"]);
    write(&path.join("data/targets.csv"), &table.replace("level", "volume"));
    let again = ["evaluate", "run", "--device", "cpu"];
    fail(lra_bench(path).args(again), 1, &["no target `level in dB`", "it has volume in dB"]);
}

#[test]
fn several_targets_are_judged_by_the_loss_and_stepped_in_their_units() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_arrays(path, 60);
    let (_, stderr) = succeed(&mut train(path, 60, &["model.layer.bidirectional=false"]));
    assert!(stderr.contains("60 arrays of 1 features with the targets mean, length"), "{stderr}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("metric = \"val/loss\"\nmode = \"min\""), "{config}");
    let object = evaluate(path, "run", &[]);
    let target = &object["targets"][0];
    assert!(target["r2"].as_f64().unwrap() > 0.5, "{object}");
    let both = object["targets"].as_array().unwrap().iter();
    let rmse: f64 = both.map(|target| target["rmse"].as_f64().unwrap()).sum();
    assert_close(&object["rmse"], rmse / 2.0);
    let (table, _) = succeed(lra_bench(path).args(["report", "run"]));
    assert!(table.contains("loss ↓") && table.contains("with the targets mean, length"), "{table}");

    let run = path.join("run");
    let weights = run.join("checkpoints/best.safetensors");
    let model = Model::load_classifier(&run.join("config.toml"), &weights).unwrap();
    assert_eq!(model.quantities().collect::<Vec<_>>(), ["mean", "length"]);
    let config: toml::Table = config.parse().unwrap();
    let scale = &config["data"]["features"][0];
    let [mean, std] = ["mean", "std"].map(|key| scale[key].as_float().unwrap());
    for record in &predictions(path)[1..3] {
        let text = fs::read_to_string(path.join(&record[1])).unwrap();
        let mut engine = model.engine(1).unwrap();
        let mut values = Vec::new();
        for line in text.lines() {
            let input = ((number(line) - mean) / (std + 1e-5)) as f32;
            values = engine.step_values(&[input]).unwrap().to_vec();
        }
        for (value, expected) in values.iter().zip([&record[3], &record[5]]) {
            assert!((f64::from(*value) - number(expected)).abs() < 1e-3, "{value} {expected}");
        }
    }
}

#[test]
fn texts_and_pictures_have_targets_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut table = "file,letters\n".to_owned();
    for number in 0..40 {
        write(&path.join(format!("data/{number}.txt")), &"a".repeat(number));
        table += &format!("{number}.txt,{number}\n");
    }
    write(&path.join("data/targets.csv"), &table);
    let (_, stderr) = succeed(&mut train(path, 5, &[]));
    assert!(stderr.contains("40 text files with the target letters in data: 32 to"), "{stderr}");
    assert!(!stderr.contains("left out"), "{stderr}");
    let mut command = lra_bench(path);
    command.args(["predict", "run", "-", "--device", "cpu", "--csv"]);
    let predicted = records(&with_input(&mut command, "aaa\naaaaaa\n").0);
    assert_eq!((&*predicted[0][1], &*predicted[2][0]), ("letters", "-:2"));

    fs::remove_dir_all(path.join("data")).unwrap();
    let mut table = "file,grey\n".to_owned();
    for number in 0..40u8 {
        let file = path.join(format!("data/{number}.png"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut encoder = png::Encoder::new(fs::File::create(file).unwrap(), 4, 4);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[6 * number; 16]).unwrap();
        table += &format!("{number}.png,{}\n", f64::from(number) / 1e6);
    }
    write(&path.join("data/targets.csv"), &table);
    let (_, stderr) = succeed(&mut train(path, 5, &[]));
    assert!(stderr.contains("40 PNG files of 4 x 4 pixels with the target grey"), "{stderr}");
    let found = evaluate(path, "run", &[]);
    let rmse = found["rmse"].as_f64().unwrap();
    assert!(rmse > 0.0 && rmse < 1e-3, "{found}");
}

#[test]
fn rows_and_files_without_each_other_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_arrays(path, 60);
    let file = path.join("data/targets.csv");
    let table = fs::read_to_string(&file).unwrap();
    let wrong = table
        .replace("part0/deep/0.csv,", "nowhere.csv,")
        .replace("part1/deep/1.csv,7,", "part1/deep/1.csv,seven,")
        .replace("part0/deep/2.csv,4,", "part0/deep/2.csv,,");
    write(&file, &wrong);
    let (_, stderr) = succeed(&mut train(path, 1, &[]));
    for line in [
        "skipped: part0/deep/2.csv: line 4 has `` for `mean`, expected a number",
        "skipped: part1/deep/1.csv: line 3 has `seven` for `mean`",
        "left out: files with a target that is no number: 2 (part0/deep/2.csv, part1/deep/1.csv)",
        "left out: files without a row of targets: 1 (part0/deep/0.csv)",
        "left out: rows of targets without a file: 1 (nowhere.csv)",
        "57 arrays of 1 features",
    ] {
        assert!(stderr.contains(line), "`{line}` is not in: {stderr}");
    }
    let strict = ["--strict forbids", "without a row of targets: 1", "no number: 2"];
    fail(train(path, 1, &[]).arg("--strict"), 1, &strict);
}

#[test]
fn a_wrong_table_of_targets_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_arrays(path, 60);
    let file = path.join("data/targets.csv");
    let table = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let again = format!("{table}{}\n", lines[1]);
    let ragged = format!("{table}x.csv,1\n");
    let same: String =
        lines[1..].iter().map(|l| format!("{},1\n", l.split(',').next().unwrap())).collect();
    let same = format!("file,one\n{same}");
    let words: &[(&str, &[&str])] = &[
        ("", &["data/targets.csv", "expected a heading `file,NAME,...`"]),
        ("name,mean\na.csv,1\n", &["begins with `name,mean`", "data.classes"]),
        (&table.replace(',', ";"), &["begins with `file;mean;length`"]),
        (&table.replace("length", "mean"), &["two columns are called `mean`"]),
        (&again, &["`part0/deep/0.csv` has two rows, in lines 2 and 62"]),
        (&ragged, &["line 62 has 2 cells, expected 3"]),
        ("file,mean\n", &["no array file that can be read has targets", "without a row"]),
        (&same, &["the target `one` is the same in all examples"]),
    ];
    for (text, words) in words {
        write(&file, text);
        fail(&mut train(path, 1, &[]), 1, words);
    }
    fs::remove_file(&file).unwrap();
    let missing = ["data.targets=\"numbers.csv\""];
    fail(&mut train(path, 1, &missing), 1, &["cannot read", "data/numbers.csv"]);
    write(&path.join("data/numbers.csv"), &table);
    let (_, stderr) = succeed(&mut train(path, 1, &missing));
    assert!(stderr.contains("with the targets mean, length") && !stderr.contains("left out"));
}

#[test]
fn named_classes_go_before_a_table_of_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_arrays(path, 60);
    let classes = "data.classes=[\"part0\", \"part1\"]";
    let (_, stderr) = succeed(&mut train(path, 1, &[classes]));
    assert!(stderr.contains("60 arrays of 1 features of 2 classes in data"), "{stderr}");
    assert!(stderr.contains("files outside the folders of classes: 1 (targets.csv)"), "{stderr}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("metric = \"val/accuracy\""), "{config}");
    // A run on classes stays one, whatever comes to its folder.
    assert_eq!(evaluate(path, "run", &[])["classes"], json!(["part0", "part1"]));
    let both = [classes, "data.targets=\"targets.csv\""];
    fail(&mut train(path, 1, &both), 1, &["data.classes", "data.targets", "leave one out"]);
}

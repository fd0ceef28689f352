//! Forecasts from a CSV file to a chart.

use std::f64::consts::TAU;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary::{evaluate, fail, lra_bench, records, succeed, train_small};
use crate::events::Events;

const TINY: &[&str] = &[
    "model.d_model=4",
    "model.layer.ssm.d_state=4",
    "data.context=48",
    "data.horizon=12",
    "train.batch_size=16",
    "train.workers=1",
    "train.eval_every=10",
];

/// Hours of two waves, one a day long; a cell and a row are missing.
fn write_waves(path: &Path, rows: usize) {
    let mut text = "when,date,low\n".to_owned();
    for row in (0..rows).filter(|row| *row != 30) {
        let (day, hour) = (row / 24 + 1, row % 24);
        let wave = 20.0 + 5.0 * (TAU * row as f64 / 24.0).sin() + (row * 7 % 13) as f64 / 13.0;
        let low = if row == 20 { String::new() } else { format!("{:.4}", wave / 2.0) };
        writeln!(text, "{wave:.4},2020-01-{day:02} {hour:02}:00:00,{low}").unwrap();
    }
    fs::write(path, text).unwrap();
}

fn train(folder: &Path, run: &str, steps: u32, settings: &[&str]) -> Command {
    let mut command = train_small(folder, "series", &[TINY, settings].concat());
    command.args(["--run-dir", run, "--data", "waves.csv", "--max-steps", &steps.to_string()]);
    command
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_series_is_learned_continued_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_waves(&path.join("waves.csv"), 600);
    let settings =
        ["data.features=\"M\"", "data.quantiles=[0.1, 0.5, 0.9]", "train.optimizer.lr=0.02"];
    let (_, stderr) = succeed(&mut train(path, "run", 60, &settings));
    for words in [
        "600 rows of 2 columns, 1h apart: 420 to train on, 60 to validate, 120 to test",
        "windows of 48 + 12 steps: 361, 49, 109",
        "note: missing rows, as the one before: 1 (2020-01-02 06:00:00)",
        "note: missing values, as the one before: 1 (low 2020-01-01 20:00:00)",
    ] {
        assert!(stderr.contains(words), "{words}\n{stderr}");
    }
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    for line in ["metric = \"val/mse\"", "name = \"when\"", "step = \"1h\""] {
        assert!(config.contains(line), "{config}");
    }

    // Better than a wave's hours of yesterday, scored on the same windows.
    let object = evaluate(path, "run", &["--predictions", "windows.csv"]);
    let mut baseline = lra_bench(path);
    baseline.args(["baseline", "--task", "series", "--data", "waves.csv", "--json"]);
    for setting in ["data.features=\"M\"", "data.context=48", "data.horizon=12"] {
        baseline.args(["--set", setting]);
    }
    let (lines, _) = succeed(&mut baseline);
    let baselines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let names: Vec<_> = baselines.iter().map(|it| it["baseline"].as_str().unwrap()).collect();
    assert_eq!(names, ["last", "season", "ridge"]);
    for baseline in &baselines {
        assert_eq!(baseline["count"], object["count"]);
    }
    assert!(number(&object["mse"]) < number(&baselines[0]["mse"]), "{object} {lines}");
    assert!(number(&baselines[2]["mse"]) < number(&baselines[1]["mse"]), "{lines}");
    assert!((0.0..=1.0).contains(&number(&object["coverage"])), "{object}");
    // Which hardly trained is the regression that the baseline is.
    let hardly = ["data.features=\"M\"", "train.optimizer.lr=1e-9", "model.layer.ssm.lr=1e-9"];
    succeed(&mut train(path, "begun", 1, &hardly));
    let begun = number(&evaluate(path, "begun", &[])["mse"]);
    assert!((begun / number(&baselines[2]["mse"]) - 1.0).abs() < 1e-3, "{begun} {lines}");
    assert_eq!(object["columns"][1]["name"], "low");
    let windows = records(&fs::read_to_string(path.join("windows.csv")).unwrap());
    assert_eq!(
        (windows.len(), &windows[0]),
        (110, &["example", "mse", "mae"].map(str::to_owned).to_vec())
    );
    let mean: f64 =
        windows[1..].iter().map(|row| row[1].parse::<f64>().unwrap()).sum::<f64>() / 109.0;
    assert!((mean / number(&object["mse"]) - 1.0).abs() < 1e-4, "{mean} {object}");

    // The last window of the test part is the file's last rows, told from those before.
    let forecast = |arguments: &[&str]| {
        let mut command = lra_bench(path);
        command.args(["predict", "run", "waves.csv", "--device", "cpu"]).args(arguments);
        succeed(&mut command).0
    };
    assert_eq!(forecast(&["--backtest", "--out", "back.csv", "--plot", "back.svg"]), "");
    let back = records(&fs::read_to_string(path.join("back.csv")).unwrap());
    let heading = [
        "date",
        "when",
        "when 0.1",
        "when 0.9",
        "when came",
        "low",
        "low 0.1",
        "low 0.9",
        "low came",
    ];
    assert_eq!(back[0], heading);
    assert_eq!((back.len(), back[1][0].as_str()), (13, "2020-01-25 12:00:00"));
    let channels: toml::Table = config.parse().unwrap();
    let std = |column: usize| channels["data"]["channels"][column]["std"].as_float().unwrap();
    let square = |row: &Vec<String>, at: usize, std: f64| {
        let of = |at: usize| row[at].parse::<f64>().unwrap();
        ((of(at) - of(at + 3)) / std).powi(2)
    };
    let squares = back[1..].iter().map(|row| square(row, 1, std(0)) + square(row, 5, std(1)));
    let mse = squares.sum::<f64>() / 24.0;
    let last: f64 = windows[109][1].parse().unwrap();
    assert!((mse / last - 1.0).abs() < 1e-3, "{mse} {last}");
    let svg = fs::read_to_string(path.join("back.svg")).unwrap();
    for words in
        ["<polygon", "what came", "forecast, 0.1 to 0.9", "steps after 2020-01-25 11:00:00"]
    {
        assert!(svg.contains(words), "{words}");
    }
    let ahead = records(&forecast(&["--csv"]));
    assert_eq!((ahead[0].len(), ahead[1][0].as_str()), (7, "2020-01-26 00:00:00"));
    let (json, text) = (forecast(&["--json"]), forecast(&[]));
    assert_eq!((json.lines().count(), text.lines().count()), (12, 13));
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["values"]["when"].as_f64().unwrap().to_string(), ahead[1][1]);

    let events = Events::read(&path.join("run"));
    assert!(!events.pictures("predictions/sheet").is_empty(), "curves in TensorBoard");
}

#[test]
fn forecasts_resume_as_if_they_had_not_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_waves(&path.join("waves.csv"), 300);
    let official = [
        "model.forecast.decoder=\"positions\"",
        "model.forecast.linear=false",
        "model.forecast.ridge=false",
        "data.calendar=\"one-hot\"",
        "data.horizon_calendar=false",
        "data.horizon_mask=false",
        "model.dropout=0.2",
        "train.eval_every=5", // also where the first part ends
    ];
    succeed(&mut train(path, "whole", 12, &official));
    succeed(&mut train(path, "parts", 5, &official));
    let resume = ["train", "--resume", "parts", "--device", "cpu", "--max-steps", "12"];
    succeed(lra_bench(path).args(resume));
    let [whole, parts] = ["whole", "parts"].map(|run| evaluate(path, run, &["--split", "val"]));
    assert_eq!(whole["mse_by_step"], parts["mse_by_step"]);
    for backbone in ["lstm", "transformer"] {
        let choice = format!("model.backbone=\"{backbone}\"");
        succeed(&mut train(path, backbone, 3, &[&choice, "model.norm=\"layer\""]));
    }
    let (table, _) = succeed(lra_bench(path).args(["report", "whole", "lstm"]));
    assert!(table.contains("mse ↓") && table.contains("S, 48 to 12"), "{table}");
}

#[test]
fn a_base_of_series_is_adapted_to_forecasts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_waves(&path.join("waves.csv"), 300);
    let like = train(path, "base", 10, &[]);
    let said = succeed(lra_bench(path).arg("pretrain").args(like.get_args())).1;
    assert!(said.contains("predicted from those before it"), "{said}");
    // 12 of the 60 positions are to be told, and hold nothing to be found.
    let question = evaluate(path, "base", &["--split", "val"]);
    assert_eq!(number(&question["count"]), 48.0 * 19.0, "{question}");
    let adapting = ["--init-from", "base", "--adapt", "full"];
    let said = succeed(train(path, "adapted", 10, &[]).args(adapting)).1;
    for words in ["taken: encoder", "new here: forecast.linear", "that of ridge regression"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}

#[test]
fn generated_signals_are_trained_evaluated_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let small =
        ["model.d_model=4", "model.layer.ssm.d_state=4", "train.workers=1", "train.batch_size=4"];
    let few = ["data.count=20", "data.eval_count=6", "train.eval_every=2"];
    for (task, own, figure) in [
        ("adding", &["data.length=60"][..], "rmse"),
        ("copying", &["data.symbols=5", "data.blanks=50"], "accuracy"),
        ("delay", &["data.length=60", "data.delay=10", "data.dt=0.01", "data.limit=20.0"], "mse"),
        (
            "reconstruct",
            &["data.length=60", "data.memory=15", "data.dt=0.01", "data.limit=20.0"],
            "mse",
        ),
    ] {
        let mut command = train_small(path, task, &[&small[..], &few, own].concat());
        succeed(command.args(["--run-dir", task, "--max-steps", "2"]));
        let resume = ["train", "--resume", task, "--device", "cpu", "--max-steps", "4"];
        succeed(lra_bench(path).args(resume));
        let object = evaluate(path, task, &[]);
        assert_eq!(object["count"], if task == "copying" { 30 } else { 6 }, "{object}");
        assert!(number(&object[figure]).is_finite(), "{object}");
    }
    // What as many numbers keep of the whole signal: all of it, if they are as many as its samples.
    let errors = [8, 20, 60].map(|states| {
        let mut command = lra_bench(path);
        command.args(["baseline", "--task", "reconstruct", "--json", "--set", "data.eval_count=6"]);
        for set in ["data.length=60", "data.memory=15", "data.dt=0.01", "data.limit=20.0"] {
            command.args(["--set", set]);
        }
        command.args(["--set", &format!("model.layer.ssm.d_state={states}")]);
        let (stdout, _) = succeed(&mut command);
        number(&serde_json::from_str::<Value>(&stdout).unwrap()["mse"])
    });
    assert!(errors[0] > errors[1] && errors[1] > 1e-3, "{errors:?}");
    assert!(errors[2] < 1e-9, "{errors:?}");
    fail(lra_bench(path).args(["baseline", "--task", "delay"]), 2, &["delay has no baseline"]);
}

#[test]
fn what_cannot_be_continued_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_waves(&path.join("waves.csv"), 300);
    write_waves(&path.join("short.csv"), 40);
    fs::write(path.join("other.csv"), "date,a\n2020-01-01,1\n2020-01-02,2\n").unwrap();
    succeed(&mut train(path, "run", 2, &[]));
    let predict = |arguments: &[&str], code, words: &[&str]| {
        let mut command = lra_bench(path);
        fail(command.args(["predict", "run", "--device", "cpu"]).args(arguments), code, words);
    };
    predict(&["short.csv"], 1, &["short.csv has 40 rows, 1h apart; the model is to know 48"]);
    predict(&["other.csv"], 1, &["other.csv", "no column `low`; it has date, a"]);
    predict(&["waves.csv", "short.csv"], 2, &["name one CSV file"]);
    predict(&["waves.csv", "--plot", "a.svg", "--column", "b"], 1, &["nothing of a column `b`"]);
    let baseline = ["baseline", "--task", "smnist"];
    fail(
        lra_bench(path).args(baseline).arg("--data").arg(crate::binary::mnist()),
        2,
        &["smnist has no baseline"],
    );
    let long = ["--set", "model.forecast.linear=true"];
    let mut command = lra_bench(path);
    command.args(["--task", "smnist", "--preset", "small", "--max-steps", "1", "--data"]);
    fail(command.arg(crate::binary::mnist()).args(long), 1, &["model.forecast is for series"]);
}

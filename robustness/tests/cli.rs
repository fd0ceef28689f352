//! The program, on small runs whose weights are as they were drawn.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lra_bench::objective::Supervised;
use sashimi::objective::NextCode;
use serde_json::Value;
use tch::Device;
use training::imported::Imported;
use training::objective::Objective;
use training::run::Experiment;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A run of `lra-bench` in `folder`, of a tiny model.
fn classifier(folder: &Path, task: &str, settings: &[&str]) -> PathBuf {
    let text =
        format!("task = \"{task}\"\n[model]\nd_model = 8\nn_layers = 1\n[train]\nsteps = 1\n");
    let settings: Vec<String> = settings.iter().map(|it| (*it).to_owned()).collect();
    let read = lra_bench::experiment::Experiment::parse("a.toml", &text, &settings).unwrap();
    let mut experiment = read.value;
    let splits = experiment.open(false).unwrap();
    let model = Supervised::new(&experiment, &splits.shape, Device::Cpu).unwrap();
    let run = folder.join(task);
    imported(&run, program::config::to_toml(&experiment).unwrap(), model.params().state_dict());
    run
}

/// A run of `sashimi` in `folder`, of a tiny model.
fn codes(folder: &Path) -> PathBuf {
    let settings = [
        format!("data.dir={:?}", project().join("sashimi/corpus/spoken-digits")),
        format!("data.cache={:?}", folder.join("cache")),
        "data.length=1024".to_owned(),
        "model.d_model=4".to_owned(),
        "model.n_layers=1".to_owned(),
    ];
    let read = sashimi::experiment::Experiment::parse("a.toml", SMALL, &settings).unwrap();
    let mut experiment = read.value;
    sashimi::data::Audio::open(&mut experiment.data, false).unwrap();
    let model = NextCode::new(&experiment, Device::Cpu).unwrap();
    let run = folder.join("codes");
    imported(&run, program::config::to_toml(&experiment).unwrap(), model.params().state_dict());
    run
}

const SMALL: &str = include_str!("../../configs/audio/small.toml");

fn imported(run: &Path, config: String, weights: s4_core::state_dict::StateDict) {
    let origin = "drawn".to_owned();
    Imported { origin, config, seed: 0, weights, step: 1 }.write(run).unwrap();
}

fn robustness(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_robustness"))
        .args(arguments)
        .current_dir(folder)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap()
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = robustness(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn fail(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = robustness(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

fn mnist(folder: &Path) -> PathBuf {
    let dir = project().join("lra-bench/tests/data/mnist");
    classifier(folder, "smnist", &[&format!("data.dir={dir:?}")])
}

fn listops(folder: &Path) -> PathBuf {
    let cache = format!("data.cache={:?}", folder.join("cache"));
    let lengths = "data.lengths=[10, 60]";
    classifier(folder, "listops", &[&cache, lengths, "data.count=50", "data.eval_count=60"])
}

/// Rows of results by their slices, without what differs from sitting to sitting.
fn rows(path: &Path) -> Vec<Value> {
    let mut results: Value =
        serde_json::from_slice(&fs::read(path.join("results.json")).unwrap()).unwrap();
    results["rows"].as_array_mut().unwrap().drain(..).collect()
}

#[test]
fn a_suite_runs_is_told_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    mnist(path);
    let run = ["run", "smnist", "--suite", "quick", "--examples", "12", "--device", "cpu"];
    let table = succeed(path, &[&run[..], &["--out", "a"]].concat());
    for words in ["gaussian-noise", "label 3", "worst group", "fgsm", "unchanged"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    // Nothing of it depends on threads, and predictions that are kept are the same ones.
    let output = Command::new(env!("CARGO_BIN_EXE_robustness"))
        .args(run)
        .args(["--out", "b", "--cache", "other"])
        .current_dir(path)
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    succeed(path, &[&run[..], &["--out", "c"]].concat());
    let of = rows(&path.join("a"));
    assert_eq!(of, rows(&path.join("b")));
    assert_eq!(of, rows(&path.join("c")));
    // Every change has all examples, as members, failures or with nothing to change.
    for row in &of {
        let count = |of: &Value| of.as_array().map_or(0, Vec::len);
        if row["slice"]["idiom"] == "transformation" {
            let members = count(&row["slice"]["members"]);
            assert_eq!(members, count(&row["verdicts"]));
            assert_eq!(members + count(&row["failed"]) + count(&row["unchanged"]), 12, "{row}");
        }
    }
    let page = succeed(path, &["report", "a", "--html"]);
    assert!(page.contains("<html") && page.contains("gaussian-noise"));
    let compared = succeed(path, &["compare", "a", "b", "--fail-on-regression"]);
    assert!(compared.contains("clean/all"), "{compared}");
}

#[test]
fn regressions_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    listops(path);
    let run = ["run", "listops", "--suite", "quick", "--examples", "60", "--device", "cpu"];
    succeed(path, &[&run[..], &["--out", "a"]].concat());
    // As if the first model had been right everywhere, and the second nowhere.
    let text = fs::read_to_string(path.join("a/results.json")).unwrap();
    for (name, value) in [("right", 1.0), ("wrong", 0.0)] {
        let mut results: Value = serde_json::from_str(&text).unwrap();
        for row in results["rows"].as_array_mut().unwrap() {
            for verdict in row["verdicts"].as_array_mut().unwrap() {
                verdict["value"] = value.into();
            }
        }
        fs::create_dir(path.join(name)).unwrap();
        fs::write(path.join(name).join("results.json"), results.to_string()).unwrap();
    }
    let error = fail(path, &["compare", "right", "wrong", "--fail-on-regression"], 1);
    assert!(error.contains("significantly worse on"), "{error}");
    succeed(path, &["compare", "wrong", "right", "--fail-on-regression"]);
    succeed(path, &["compare", "right", "wrong"]);
}

#[test]
fn sets_are_frozen_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    listops(path);
    let freeze = ["freeze", "listops", "--transformation", "permute-arguments", "--test", "inv"];
    succeed(path, &[&freeze[..], &["--examples", "20", "--out", "kept"]].concat());
    fs::write(path.join("mine.toml"), "name = \"mine\"\nevaluation_sets = [\"kept\"]\n").unwrap();
    let table = succeed(path, &["run", "listops", "--suite", "mine.toml", "--device", "cpu"]);
    assert!(table.contains("kept v1 (inv)"), "{table}");
    let error = fail(path, &[&freeze[..], &["--out", "kept"]].concat(), 1);
    assert!(error.contains("frozen"), "{error}");
}

#[test]
fn attacks_of_one_budget_are_taken_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    mnist(path);
    let suite = "name = \"mine\"\nexamples = 12\n\
                 [[attack]]\nname = \"fgsm\"\nbudgets = [\"8/255\", \"32/255\"]\n\
                 [[attack]]\nname = \"square\"\nbudgets = [\"32/255\"]\nexamples = 8\nsteps = 20\n";
    fs::write(path.join("mine.toml"), suite).unwrap();
    let run = ["run", "smnist", "--suite", "mine.toml", "--device", "cpu", "--out", "a"];
    succeed(path, &run);
    let rows = rows(&path.join("a"));
    let of = |name: &str| -> Option<HashMap<u64, f64>> {
        let row = rows.iter().find(|row| row["slice"]["name"] == name)?;
        let members = row["slice"]["members"].as_array().unwrap().iter();
        let values = row["verdicts"].as_array().unwrap().iter();
        let number = |value: &Value| value.as_f64().unwrap();
        Some(
            members
                .map(|it| it.as_u64().unwrap())
                .zip(values.map(|it| number(&it["value"])))
                .collect(),
        )
    };
    let (fgsm, square) = (of("fgsm 32/255").unwrap(), of("square 32/255").unwrap());
    let together = of("all-attacks 32/255").unwrap();
    assert_eq!(together.len(), fgsm.keys().filter(|it| square.contains_key(it)).count());
    assert!(!together.is_empty());
    for (member, value) in together {
        assert_eq!(value, fgsm[&member].min(square[&member]));
    }
    // One attack alone is what it is.
    assert!(of("fgsm 8/255").is_some() && of("all-attacks 8/255").is_none());
}

#[test]
fn models_of_codes_are_judged_in_bits_and_probed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    codes(path);
    let suite = "name = \"mine\"\nexamples = 3\n[[subpopulation]]\nscore = \"level\"\nquantiles = 2\n\
                 [[transformation]]\nname = \"white-noise\"\nseverities = [5]\n\
                 [probes]\nrecordings = 2\ndamage = [\"clipping\"]\nstate_noise = [1.0]\n\
                 generated = 2\ntimes = 2.0\n";
    fs::write(path.join("mine.toml"), suite).unwrap();
    let table = succeed(path, &["run", "codes", "--suite", "mine.toml", "--device", "cpu"]);
    for words in
        ["bits_per_sample", "white-noise", "prefix: clipping", "noise in the state", "runaway"]
    {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    mnist(path);
    for (arguments, code, words) in [
        (&["run", "none"][..], 1, "none"),
        (&["run", "smnist", "--suite", "thorough"], 2, "quick, standard, full"),
        (&["run", "smnist", "--examples", "0"], 2, "at least 1"),
        (&["report", "none"], 1, "none"),
        (&["freeze", "smnist", "--test", "inv", "--out", "a"], 2, "--transformation"),
        (&["list", "--suite", "quick"], 2, "--task"),
        (&["list", "--task", "nothing"], 2, "tasks:"),
    ] {
        let error = fail(path, arguments, code);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let suite = succeed(path, &["list", "--task", "smnist", "--suite", "quick"]);
    fs::write(path.join("mine.toml"), suite.replace("gaussian-noise", "typos")).unwrap();
    let error = fail(path, &["run", "smnist", "--suite", "mine.toml"], 1);
    assert!(error.contains("`typos` is not for pictures"), "{error}");
}

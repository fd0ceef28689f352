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
fn task_model(folder: &Path, task: &str, settings: &[&str]) -> PathBuf {
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
    task_model(folder, "smnist", &[&format!("data.dir={dir:?}")])
}

fn listops(folder: &Path) -> PathBuf {
    let cache = format!("data.cache={:?}", folder.join("cache"));
    let lengths = "data.lengths=[10, 60]";
    task_model(folder, "listops", &[&cache, lengths, "data.count=50", "data.eval_count=60"])
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
    let agreed = succeed(path, &["agreement", "a", "b", "--json"]);
    let agreed: Value = serde_json::from_str(&agreed).unwrap();
    let clean = &agreed["rows"][0]["pairs"][0];
    assert_eq!(clean["both_wrong"], clean["same_class"], "a model agrees with itself: {clean}");
    assert!(succeed(path, &["agreement", "a", "b"]).contains("both wrong about"));
    assert!(fail(path, &["agreement", "a"], 1).contains("two or more"));
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

/// Each row's name and severity with its mean, members and how many failed.
fn figures(path: &Path) -> HashMap<String, (f64, usize, usize)> {
    let each = rows(path).into_iter().map(|row| {
        let (slice, count) = (&row["slice"], |of: &Value| of.as_array().map_or(0, Vec::len));
        let severity = slice["severity"].as_u64().map(|it| format!(" {it}")).unwrap_or_default();
        let name = slice["name"].as_str().unwrap().to_owned() + &severity;
        let mean = row["score"]["value"].as_f64().unwrap();
        (name, (mean, count(&slice["members"]), count(&row["failed"])))
    });
    each.collect()
}

#[test]
fn what_comes_next_is_judged_by_what_it_costs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mnist = project().join("lra-bench/tests/data/mnist");
    task_model(
        path,
        "mnist-density",
        &[&format!("data.dir={mnist:?}"), "model.encoder=\"fourier\""],
    );
    fs::create_dir(path.join("texts")).unwrap();
    for (name, count) in [("train", 40), ("valid", 9), ("test", 9)] {
        let text = "Wörter of the sea, and the ships that go.\n".repeat(count);
        fs::write(path.join(format!("texts/{name}.txt")), text).unwrap();
    }
    let dir = format!("data.dir={:?}", path.join("texts"));
    let of_unit = |unit: &str| {
        let unit = format!("data.unit={unit:?}");
        task_model(path, "folder-text", &[&dir, &unit, "data.length=32"])
    };
    let suite = |name: &str, severities: &str| {
        let suite = format!(
            "name = \"mine\"\n[[transformation]]\nname = {name:?}\nseverities = {severities}\n"
        );
        fs::write(path.join("mine.toml"), suite).unwrap();
    };
    let run = |run: &str| {
        succeed(path, &["run", run, "--suite", "mine.toml", "--device", "cpu", "--out", run]);
        (figures(&path.join(run)), succeed(path, &["report", run, "--csv"]))
    };
    // The model was drawn, so that what is random costs as much; but all is judged, and counted.
    suite("gaussian-noise", "[5]");
    let (figures, table) = run("mnist-density");
    assert!(table.contains("bits_per_dim"), "{table}");
    let (clean, noisy) = (figures["all"], figures["gaussian-noise 5"]);
    assert_eq!((clean.1, noisy.1, noisy.2), (clean.1, clean.1, 0));
    assert!(clean.0.is_finite() && noisy.0.is_finite() && clean.0 != noisy.0);
    suite("keyboard-typos", "[1, 5]");
    for (unit, metric) in
        [("characters", "bits_per_character"), ("words", "loss"), ("bytes", "bits_per_byte")]
    {
        let folder = of_unit(unit);
        let (figures, table) = run("folder-text");
        assert!(table.contains(metric), "{table}");
        // What lra-bench makes of the same windows, each by itself.
        let evaluated = evaluated(&folder);
        assert!((figures["all"].0 - evaluated).abs() < 1e-4 * evaluated, "{figures:?} {evaluated}");
        assert_eq!(figures["keyboard-typos 5"].2, 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// The mean over windows of what a token costs: bits, of words nats.
fn evaluated(run: &Path) -> f64 {
    let run: training::run::Run<lra_bench::experiment::Experiment> =
        training::run::Run::open(run.to_str().unwrap()).unwrap();
    let mut experiment = run.experiment.clone();
    let splits = experiment.open(false).unwrap();
    let model = Supervised::new(&experiment, &splits.shape, Device::Cpu).unwrap();
    run.load_weights(model.params()).unwrap();
    let count = splits.test.len();
    let windows = splits.test.batch(&(0..count).collect::<Vec<_>>()).unwrap();
    let nats = model.nll_of_each(&windows).unwrap();
    let means = nats.iter().map(|row| row.iter().sum::<f64>() / row.len() as f64);
    let nats = means.sum::<f64>() / count as f64;
    let is_words = experiment.data["unit"].as_str() == Some("words");
    if is_words { nats } else { nats / std::f64::consts::LN_2 }
}

#[test]
fn forecasts_are_judged_by_their_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut text = "date,a,b\n".to_owned();
    for row in 0..400 {
        let (day, hour, wave) = (row / 24 + 1, row % 24, (row as f64 * 0.26).sin());
        text += &format!("2020-01-{day:02} {hour:02}:00:00,{wave:.4},{:.4}\n", 3.0 - wave);
    }
    fs::write(path.join("waves.csv"), text).unwrap();
    for (features, quantiles) in [("M", "[]"), ("S", "[0.1, 0.5, 0.9]")] {
        let settings = [
            format!("data.dir={:?}", path.join("waves.csv")),
            format!("data.features={features:?}"),
            format!("data.quantiles={quantiles}"),
            "data.context=48".to_owned(),
            "data.horizon=12".to_owned(),
            "model.forecast={ linear = true }".to_owned(),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let run = task_model(path, "series", &settings);
        let out = format!("of {features}");
        let table =
            succeed(path, &["run", "series", "--suite", "quick", "--device", "cpu", "--out", &out]);
        assert!(table.contains("mse") && table.contains("they are on classifiers"), "{table}");
        assert!(!table.contains("padding"), "windows have one length: {table}");
        let figures = figures(&path.join(&out));
        let clean = figures["all"];
        for name in ["spikes", "missing-values", "drift", "sensor-noise", "shift"] {
            let changed = figures[&format!("{name} 3")];
            assert_eq!((changed.1, changed.2), (clean.1, 0), "{name}");
        }
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn spectrograms_are_of_sound_which_is_what_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = [
        format!("data.dir={:?}", project().join("sashimi/corpus/spoken-digits")),
        format!("data.cache={:?}", path.join("cache")),
        "data.split_by=\"index\"".to_owned(),
        "data.mel={ n_fft = 256, hop = 128, bands = 16 }".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    task_model(path, "fsdd", &settings);
    let noise = path.join("noise");
    fs::create_dir(&noise).unwrap();
    let samples: Vec<f32> =
        (0..20_000).map(|i| 0.1 * ((i * i % 997) as f32 / 498.5 - 1.0)).collect();
    fs::write(noise.join("tap.wav"), audio_data::wav_out::wav_bytes(&samples, 16_000).unwrap())
        .unwrap();
    let run =
        ["run", "fsdd", "--suite", "quick", "--examples", "6", "--device", "cpu", "--out", "a"];
    let table = succeed(path, &[&run[..], &["--background-noise", "noise"]].concat());
    assert!(table.contains("given spectrograms"), "{table}");
    let figures = figures(&path.join("a"));
    for name in ["white-noise", "background-noise", "babble", "telephone", "padding"] {
        assert_eq!(figures[&format!("{name} 3")].1, 6, "{name}: {table}");
    }
    let suite = "name = \"mine\"\n[[transformation]]\nname = \"background-noise\"\n";
    fs::write(path.join("mine.toml"), suite).unwrap();
    let error = fail(path, &["run", "fsdd", "--suite", "mine.toml"], 1);
    assert!(error.contains("name their folder"), "{error}");
    fs::create_dir(path.join("empty")).unwrap();
    let run = [&run[..], &["--background-noise", "empty"]].concat();
    assert!(fail(path, &run, 1).contains("no recordings of noise"));
}

#[test]
fn what_misled_the_model_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let dir = project().join("lra-bench/tests/data/mnist");
    let of_last = ["model.pooling=\"last\"", "model.norm=\"none\""];
    task_model(path, "smnist", &[&[format!("data.dir={dir:?}").as_str()][..], &of_last].concat());
    let suite = "name = \"mine\"\nexamples = 100\n\
                 [[attack]]\nname = \"pgd\"\nbudgets = [\"0.3\", \"1.0\"]\nsteps = 10\n";
    fs::write(path.join("mine.toml"), suite).unwrap();
    let run = ["run", "smnist", "--suite", "mine.toml", "--device", "cpu", "--out", "a"];
    succeed(path, &run);
    let rows = rows(&path.join("a"));
    let count = |of: &Value| of.as_array().map_or(0, Vec::len);
    let attacks: Vec<&Value> = rows.iter().filter(|row| !row["attack"].is_null()).collect();
    let misled: Vec<u64> =
        attacks.iter().map(|row| row["attack"]["success"]["count"].as_u64().unwrap()).collect();
    let shown: Vec<usize> = attacks.iter().map(|row| count(&row["flips"])).collect();
    assert!(misled[1] > 0, "{misled:?} {:?}", attacks[1]["attack"]);
    for (misled, shown) in misled.iter().zip(&shown) {
        assert_eq!(*shown, (*misled as usize).min(3), "{misled:?}");
    }
    let flip = &attacks[1]["flips"][0];
    let read = |side: &str| fs::read(path.join("a").join(flip[side]["file"].as_str().unwrap()));
    assert_ne!(read("before").unwrap(), read("after").unwrap());
    // Each attack once, with the smallest budget that misled.
    let page = succeed(path, &["report", "a", "--html"]);
    assert_eq!(page.matches("taken for").count(), shown.into_iter().find(|it| *it > 0).unwrap());
    // The same once more, where predictions were kept.
    succeed(path, &run);
    assert_eq!(rows, self::rows(&path.join("a")));
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

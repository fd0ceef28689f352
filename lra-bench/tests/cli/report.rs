//! `report`, `--seeds` and the figures of `evaluate`, as a user runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use training::checkpoint::Checkpoint;

use crate::binary::{evaluate, fail, lra_bench, mnist, succeed, train_small};

/// A model that trains in a moment.
const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=8",
    "train.batch_size=10",
    "train.workers=1",
    "train.eval_every=\"epoch\"",
];

/// `train` of a tiny model on the little MNIST.
fn train(folder: &Path, flags: &[&str]) -> Command {
    let mut command = train_small(folder, "smnist", TINY);
    command.arg("--data").arg(mnist()).args(flags);
    command
}

fn report(folder: &Path, runs: &[&str]) -> Value {
    let (json, _) = succeed(lra_bench(folder).arg("report").args(runs).arg("--json"));
    serde_json::from_str(&json).unwrap()
}

fn weights(run: &Path) -> Checkpoint {
    Checkpoint::load(&run.join("checkpoints/last.safetensors")).unwrap()
}

#[test]
fn seeds_are_runs_of_their_own_and_one_row_of_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (table, _) = succeed(&mut train(path, &["--seeds", "3,1", "--max-steps", "6"]));
    assert!(table.contains('±') && table.contains("runs/smnist/small-001"), "{table}");
    let group = path.join("runs/smnist/small-001");

    // Each is the run that `--seed` makes.
    succeed(&mut train(path, &["--seed", "3", "--max-steps", "6", "--run-dir", "alone"]));
    let (alone, seed) = (weights(&path.join("alone")), weights(&group.join("seed-3")));
    assert_eq!(alone.meta.seed, 3);
    for (name, tensor) in alone.model.iter() {
        assert!(tensor.equal(seed.model.get(name).unwrap()), "{name} differs");
    }

    let json = report(path, &["smnist/small-001"]);
    let [row] = json["experiments"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(row["seeds"], json!([1, 3]));
    assert_eq!((&row["task"], &row["finished"]), (&json!("smnist"), &json!(2)));
    // A little of MNIST is not what the papers' figure is about.
    assert_eq!((&row["chance"], &row["paper"]), (&json!(0.1), &Value::Null));
    assert_eq!(row["metric"], json!({ "name": "accuracy", "better": "higher" }));
    assert_eq!((&row["data"], &row["program"]), (&json!("official"), &json!("lra-bench")));
    let tests = ["seed-1", "seed-3"].map(|seed| {
        let summary = fs::read(group.join(seed).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        summary["test"]["metrics"][0][1].as_f64().unwrap()
    });
    let (mean, apart) = ((tests[0] + tests[1]) / 2.0, (tests[0] - tests[1]).abs());
    let of = |key: &str| row["test"][key].as_f64().unwrap();
    assert!((of("mean") - mean).abs() < 1e-12, "{row}");
    assert!((of("standard_deviation") - apart / 2f64.sqrt()).abs() < 1e-12, "{row}");

    // Without names: everything in runs/, the seeds in one row; what is no run of ours is left out.
    fs::create_dir_all(path.join("runs/audio/other")).unwrap();
    fs::write(path.join("runs/audio/other/config.toml"), "other = 1\n").unwrap();
    let (markdown, stderr) = succeed(lra_bench(path).args(["report", "--markdown"]));
    assert_eq!(markdown.lines().count(), 3, "{markdown}");
    assert!(markdown.lines().all(|line| line.starts_with("| ") && line.ends_with(" |")));
    assert!(stderr.contains("left out: runs/audio/other"), "{stderr}");

    // Other settings are another row.
    succeed(&mut train(path, &["--max-steps", "3", "--run-dir", "short"]));
    let json = report(path, &["alone", "short", "runs/smnist/small-001"]);
    let rows = json["experiments"].as_array().unwrap();
    let seeds: Vec<&Value> = rows.iter().map(|row| &row["seeds"]).collect();
    assert_eq!(seeds, [&json!([3]), &json!([0]), &json!([1, 3])], "{json}");

    // Evaluated once, they have no curve; evaluated twice, one.
    let draw = |run: &str| {
        let mut command = lra_bench(path);
        command.args(["report", run, "--curves", "curves.svg"]);
        command
    };
    fail(&mut draw("short"), 1, &["evaluated twice"]);
    assert!(!path.join("curves.svg").exists());
    let often = ["--max-steps", "4", "--run-dir", "often", "--set", "train.eval_every=2"];
    succeed(&mut train(path, &often));
    succeed(&mut draw("often"));
    let svg = fs::read_to_string(path.join("curves.svg")).unwrap();
    assert!(svg.contains("val accuracy") && svg.contains("<polyline"), "{svg}");
}

/// A run of `sashimi` as it leaves it: its settings, and what came of it.
fn write_audio_run(run: &Path, seed: u64, bits: f64) {
    let settings = include_str!("../../../configs/audio/small.toml");
    let data = "dir = \"songs/piano\"\nsample_rate = 8000\nbits = 8";
    let mut config: toml::Table = settings.parse().unwrap();
    let table = |text: &str| toml::Value::Table(text.parse().unwrap());
    config.insert("data".to_owned(), table(data));
    config.insert("preview".to_owned(), table("count = 2\nseconds = 1.0"));
    let train = config["train"].as_table_mut().unwrap();
    train.insert("seed".to_owned(), toml::Value::Integer(seed as i64));
    fs::create_dir_all(run).unwrap();
    fs::write(run.join("config.toml"), config.to_string()).unwrap();
    let test = json!({
        "samples": 9, "loss": 2.5, "seconds": 1.0,
        "metrics": [["bits_per_sample", bits], ["accuracy", 0.1]],
    });
    let summary = json!({
        "finished": true, "step": 100, "epochs": 1.0, "parameters": 1234, "device": "Cpu",
        "best": { "metric": "val/bits_per_sample", "value": bits + 0.5, "step": 100 },
        "val": test, "test": test, "seconds": 9.0, "steps_per_s": 1.0, "samples_per_s": 1.0,
        "peak_mib": null,
    });
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();
}

#[test]
fn runs_are_told_with_their_data_and_the_papers_figure_only_beside_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generated = |task: &str, settings: &[&str]| {
        let settings = [TINY, &["data.count=40", "data.eval_count=10"], settings].concat();
        let mut command = train_small(path, task, &settings);
        succeed(command.args(["--max-steps", "1"]));
    };
    generated("listops", &["data.lengths=[10, 100]"]);
    generated("pathfinder", &["data.difficulty=easy"]);
    for (seed, bits) in [(1, 3.5), (2, 4.5)] {
        let run = format!("runs/audio/piano-small-001/seed-{seed}");
        write_audio_run(&path.join(run), seed, bits);
    }
    let json = report(path, &[]);
    let rows = json["experiments"].as_array().unwrap();
    let [audio, listops, pathfinder] = &rows[..] else { panic!("{json}") };
    assert_eq!(listops["data"], "generated, 10 to 100 tokens");
    assert_eq!(pathfinder["data"], "generated, easy");
    for row in [listops, pathfinder] {
        assert_eq!((&row["train_samples"], &row["paper"]), (&json!(40), &Value::Null), "{row}");
        assert_eq!(row["metric"]["better"], "higher");
    }
    assert_eq!((&audio["program"], &audio["seeds"]), (&json!("sashimi"), &json!([1, 2])));
    // What only that program can do with it.
    let record = fs::read(path.join("runs/listops/small-001/run.json")).unwrap();
    let mut record: Value = serde_json::from_slice(&record).unwrap();
    record["sessions"][0]["command"][0] = json!("bin/sashimi");
    let run = "audio/piano-small-001/seed-1";
    fs::write(path.join("runs").join(run).join("run.json"), record.to_string()).unwrap();
    fail(lra_bench(path).args(["evaluate", run]), 1, &["is a run of sashimi: use that program"]);
    assert_eq!(audio["data"], "piano, 8000 Hz, 8 bits");
    assert_eq!(audio["metric"], json!({ "name": "bits_per_sample", "better": "lower" }));
    assert_eq!((&audio["test"]["mean"], &audio["val"]["mean"]), (&json!(4.0), &json!(4.5)));
    assert_eq!((&audio["model"], &audio["chance"]), (&json!("SaShiMi"), &Value::Null));

    let (table, stderr) = succeed(lra_bench(path).arg("report"));
    assert!(!stderr.contains("left out"), "{stderr}");
    let line = |word: &str| table.lines().find(|line| line.starts_with(word)).unwrap();
    for words in ["audio (sashimi)", "bits per sample ↓", "4.0000 ± 0.7071 bits", "piano, 8000 Hz"]
    {
        assert!(line("audio").contains(words), "{words}: {table}");
    }
    assert!(line("listops").contains("accuracy ↑") && !table.contains("59.60%"), "{table}");

    // The papers' data, as far as a run from before says what it was trained on, or as it was counted.
    let config = path.join("runs/listops/small-001/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let theirs = text.replace("count = 40", "count = 96000");
    let mut theirs: toml::Table = theirs.parse().unwrap();
    theirs["data"].as_table_mut().unwrap().remove("lengths");
    fs::write(&config, theirs.to_string()).unwrap();
    assert_eq!(report(path, &["listops/small-001"])["experiments"][0]["paper"], Value::Null);
    let summary = path.join("runs/listops/small-001/summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    fs::write(&summary, text.replace("  \"train_samples\": 40,\n", "")).unwrap();
    let json = report(path, &["listops/small-001"]);
    assert_eq!(json["experiments"][0]["paper"], json!(0.596));
}

#[test]
fn a_group_of_seeds_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, &["--seeds", "1,2", "--max-steps", "4", "--run-dir", "group"]));
    let again = ["train", "--resume", "group", "--device", "cpu"];
    let before = fs::metadata(path.join("group/seed-1/checkpoints/last.safetensors")).unwrap();

    // As if it had been killed before the second began.
    let second = path.join("group/seed-2");
    fs::remove_file(second.join("summary.json")).unwrap();
    fs::remove_dir_all(second.join("checkpoints")).unwrap();
    let json = report(path, &["group"]);
    assert_eq!(json["experiments"][0]["finished"], 1);
    let (table, _) = succeed(lra_bench(path).args(["report", "group"]));
    assert!(table.contains("(1 of 2 finished)"), "{table}");

    let (table, stderr) = succeed(lra_bench(path).args(again));
    assert!(stderr.contains("seed-1 (1 of 2): group/seed-1: finished"), "{stderr}");
    assert!(!table.contains("finished)"), "{table}");
    let after = fs::metadata(path.join("group/seed-1/checkpoints/last.safetensors")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert_eq!(weights(&second).meta.state.step, 4);

    fail(lra_bench(path).args(["evaluate", "group"]), 1, &["several runs", "group/seed-1"]);

    fail(lra_bench(path).args(again).args(["--seed", "7"]), 2, &["seed 1, which stays"]);

    // More steps are a change, for all of them.
    succeed(lra_bench(path).args(again).args(["--max-steps", "6"]));
    for seed in ["group/seed-1", "group/seed-2"] {
        assert_eq!(weights(&path.join(seed)).meta.state.step, 6, "{seed}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_all_seeds_and_says_how_to_go_on_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let endless = ["--seeds", "1,2", "--epochs", "100000", "--run-dir", "group"];
    let mut child = train(path, &endless)
        .args(["--set", "model.mixer=convolution"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !path.join("group/seed-1/summary.json").exists() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
        thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.ends_with("Continue with --resume group\n"), "{stderr}");
    // What was asked for is kept, in the same words as with the seed that has begun: defaults too.
    let config = |seed: &str| fs::read_to_string(path.join(seed).join("config.toml")).unwrap();
    assert!(config("group/seed-1").contains("[model.dilated]"));
    assert_eq!(config("group/seed-1").replace("seed = 1", "seed = 2"), config("group/seed-2"));
}

#[test]
fn wrong_seeds_and_missing_data_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fail(&mut train(path, &["--seeds", "1,1"]), 2, &["a seed twice"]);
    fail(&mut train(path, &["--seeds", "1", "--seed", "2"]), 2, &["--seed"]);
    let mut command = lra_bench(path);
    command.args(["--task", "smnist", "--data", "none", "--device", "cpu", "--seeds", "1,2"]);
    fail(&mut command, 1, &["none"]);
    fail(lra_bench(path).arg("report"), 2, &["no runs"]);
    fail(lra_bench(path).args(["report", "nothing"]), 1, &["no run nothing"]);
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn a_sweep_is_a_run_for_each_combination() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let sweep = ["--sweep", "train.optimizer.lr=1e-3,0.03", "--sweep", "model.d_model=8,12"];
    let sweep =
        [&sweep[..], &["--seeds", "1,2", "--max-steps", "2", "--run-dir", "sweep"]].concat();
    let (table, stderr) = succeed(&mut train(path, &sweep));
    let points =
        ["lr=0.03,d_model=12", "lr=0.03,d_model=8", "lr=1e-3,d_model=12", "lr=1e-3,d_model=8"];
    for point in points {
        assert!(table.contains(&format!("sweep/{point}\n")), "{table}");
        for seed in ["seed-1", "seed-2"] {
            assert!(stderr.contains(&format!("{point}/{seed} (")), "{stderr}");
        }
    }
    let config =
        fs::read_to_string(path.join("sweep/lr=0.03,d_model=12/seed-2/config.toml")).unwrap();
    for setting in ["seed = 2\n", "lr = 0.03\n", "d_model = 12\n"] {
        assert!(config.contains(setting), "{config}");
    }
    // A report of its folder is the table that it ended with.
    let (again, _) = succeed(lra_bench(path).args(["report", "sweep"]));
    assert_eq!(again, table);

    // It goes on as one: what is done is left alone, and what its runs differ in stays.
    let summary = path.join("sweep").join(points[2]).join("seed-1/summary.json");
    fs::remove_file(&summary).unwrap();
    let resume = ["train", "--resume", "sweep", "--device", "cpu"];
    let (_, stderr) = succeed(lra_bench(path).args(resume));
    assert!(summary.exists() && stderr.matches(": finished").count() == 7, "{stderr}");
    fail(
        lra_bench(path).args(resume).args(["--set", "model.d_model=16"]),
        2,
        &["one run for each value of model.d_model"],
    );
    fail(lra_bench(path).args(["evaluate", "sweep"]), 1, &["several runs", "sweep/lr=0.03"]);
}

#[test]
fn a_sweep_outlives_a_run_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let sweep = ["--sweep", "train.optimizer.lr=1e30,1e-3", "--sweep", "model.mixer=s4"];
    let mut command = train(path, &sweep);
    command.args(["--max-steps", "6", "--run-dir", "sweep"]);
    let output = command.args(["--set", "train.log_every=1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 of 2 runs failed") && said.contains("lr=1e30"), "{said}");
    let table = String::from_utf8_lossy(&output.stdout);
    let whole = "sweep/lr=1e-3,backbone=s4";
    assert!(table.contains(&format!("{whole}\n")), "{table}");
    assert_eq!(weights(&path.join(whole)).meta.state.step, 6);

    // What the runs differ in is known by its new name, too.
    let resume = ["train", "--resume", "sweep", "--device", "cpu", "--set", "model.mixer=gru"];
    fail(lra_bench(path).args(resume), 2, &["one run for each value of model.backbone"]);
}

/// Runs that were not put in a folder for their task, named by what stands below `runs/`.
#[test]
fn runs_are_found_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (result, _) = succeed(&mut train(path, &["--max-steps", "4", "--run-dir", "runs/a"]));
    assert!(result.starts_with("runs/a  test: loss ") && result.contains("accuracy"), "{result}");
    succeed(&mut train(path, &["--max-steps", "4", "--run-dir", "elsewhere/b"]));
    for (arguments, run) in [(&["report"][..], "runs/a"), (&["report", "elsewhere"], "elsewhere/b")]
    {
        let (table, _) = succeed(lra_bench(path).args(arguments));
        assert!(table.contains(&format!("{run}\n")), "{arguments:?}: {table}");
    }
    let checkpoint = "a/checkpoints/last.safetensors";
    succeed(lra_bench(path).args(["evaluate", checkpoint, "--device", "cpu"]));

    // A run is what it was begun as.
    let resume = ["train", "--resume", "a", "--device", "cpu"];
    let config = || fs::read_to_string(path.join("runs/a/config.toml")).unwrap();
    let before = config();
    let mut other_seed = lra_bench(path);
    other_seed.args(resume).args(["--seed", "3"]);
    fail(&mut other_seed, 2, &["begun with seed 0, which stays"]);
    assert_eq!(config(), before);
    fs::remove_file(path.join("runs/a/checkpoints/best.safetensors")).unwrap();
    fail(lra_bench(path).args(["evaluate", "a"]), 1, &["best weights are gone", checkpoint]);
    fail(
        lra_bench(path).args(["evaluate", "nothing-like-it"]),
        1,
        &["none in runs has such a name"],
    );
}

#[test]
fn wrong_sweeps_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (sweep, words) in [
        ("model.d_model", "KEY=VALUE"),
        ("model.d_model=8,8", "twice"),
        ("model.d_modle=8,9", "d_model"),
        ("model.d_model=8,wide", "wide"),
        ("model.layer.ssm.d_state=7,8", "d_state"),
    ] {
        let mut command = train(path, &["--sweep", sweep]);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(words), "{sweep}: {stderr}");
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn evaluation_tells_which_classes_are_taken_for_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, &["--max-steps", "6", "--run-dir", "run"]));
    let object = evaluate(path, "run", &[]);
    let matrix: Vec<Vec<u64>> = serde_json::from_value(object["confusion_matrix"].clone()).unwrap();
    assert_eq!((matrix.len(), matrix[0].len()), (10, 10));
    assert_eq!(matrix.iter().flatten().sum::<u64>(), 100);
    let right: u64 = (0..10).map(|class| matrix[class][class]).sum();
    let accuracy = object["accuracy"].as_f64().unwrap();
    assert!((accuracy - right as f64 / 100.0).abs() < 1e-9, "{object}");
    let of_zero = matrix[0][0] as f64 / matrix[0].iter().sum::<u64>() as f64;
    assert!((object["class_accuracy"][0].as_f64().unwrap() - of_zero).abs() < 1e-12);
    assert!((0.0..=1.0).contains(&object["expected_calibration_error"].as_f64().unwrap()));
    assert_eq!(object["accuracy_by_length"], json!([]), "digits are of one length");
    assert_eq!(object["classes"][9], "9");

    let (text, _) = succeed(lra_bench(path).args(["evaluate", "run", "--device", "cpu"]));
    assert!(text.contains("expected calibration error") && text.contains("(15 bins)"), "{text}");
    assert_eq!(text.lines().filter(|line| line.ends_with('%')).count(), 10, "{text}");

    // The picture is in the run's events.
    let events = fs::read_dir(path.join("run")).unwrap().map(|entry| entry.unwrap().path());
    let mut events = events.filter(|path| path.display().to_string().contains("tfevents"));
    let bytes = fs::read(events.next().unwrap()).unwrap();
    assert!(bytes.windows(9).any(|window| window == b"confusion"));
}

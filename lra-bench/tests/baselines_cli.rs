//! Baselines from a config file or the command line, through training, evaluation and resumption.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn lra_bench(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lra-bench"));
    command.current_dir(folder).stdin(Stdio::null()).env("OMP_NUM_THREADS", "1");
    command
}

/// Training of a tiny baseline on the little MNIST.
fn train(folder: &Path, run: &str, settings: &[&str]) -> Command {
    let mut command = lra_bench(folder);
    command.args(["--task", "smnist", "--preset", "small", "--device", "cpu", "--run-dir", run]);
    command.arg("--data").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mnist"));
    let tiny = ["model.d_model=4", "model.n_layers=1", "train.batch_size=4", "train.workers=1"];
    for setting in tiny.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command.args(["--max-steps", "3"]);
    command
}

#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    output
}

#[track_caller]
fn fail(command: &mut Command, words: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn every_baseline_trains_resumes_and_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (mixer, setting) in [
        ("transformer", "model.attention.heads=2"),
        ("linear-attention", "model.attention.bidirectional=true"),
        ("lstm", "model.recurrent.bidirectional=true"),
        ("gru", "train.seed=3"),
        ("convolution", "model.convolution.dilations=[1, 4]"),
    ] {
        let choice = format!("model.mixer=\"{mixer}\"");
        let output = succeed(&mut train(path, mixer, &[&choice, setting]));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("model.layer is for S4"), "it says what is not used: {stderr}");
        let config = fs::read_to_string(path.join(mixer).join("config.toml")).unwrap();
        assert!(config.contains(&format!("mixer = \"{mixer}\"")), "{config}");
        let sections = ["[model.attention]", "[model.recurrent]", "[model.convolution]"];
        let written = sections.iter().filter(|section| config.contains(**section)).count();
        assert_eq!(written, 1, "the mixer's section is kept, given or not: {config}");
    }
    let resume = ["train", "--resume", "transformer", "--device", "cpu", "--max-steps", "5"];
    succeed(lra_bench(path).args(resume));
    for mixer in ["transformer", "lstm"] {
        let evaluate = ["evaluate", mixer, "--split", "val", "--json", "--device", "cpu"];
        let output = succeed(lra_bench(path).args(evaluate));
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(object["loss"].as_f64().is_some_and(f64::is_finite), "{mixer}: {object}");
    }
    let rate = ["evaluate", "lstm", "--rate", "2", "--device", "cpu"];
    fail(lra_bench(path).args(rate), &["only S4", "rate 2", "lstm"]);
}

#[test]
fn settings_of_another_mixer_and_wrong_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = |settings: &[&str]| train(folder.path(), "run", settings);
    let attention = "model.attention.heads=2";
    fail(
        &mut set(&[attention]),
        &["model.attention means nothing", "\"s4\"", "transformer and linear-attention"],
    );
    let lstm = "model.mixer=\"lstm\"";
    fail(&mut set(&[lstm, attention]), &["model.attention means nothing", "\"lstm\""]);
    let transformer = "model.mixer=\"transformer\"";
    fail(
        &mut set(&[transformer, "model.attention.heads=3"]),
        &["model.attention", "heads must divide d_model = 4", "3"],
    );
    let convolution = "model.mixer=\"convolution\"";
    let even = "model.convolution={kernel = 4, bidirectional = true}";
    fail(&mut set(&[convolution, even]), &["model.convolution", "odd", "4"]);
    let none = "model.convolution.dilations=[]";
    fail(&mut set(&[convolution, none]), &["model.convolution", "dilations"]);
    assert!(!folder.path().join("run").exists(), "nothing is left behind");
}

//! Baselines from a config file or the command line, through training, evaluation and resumption.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::binary::{evaluate, fail, lra_bench, mnist, succeed, train_small};

/// Training of a tiny baseline on the little MNIST.
fn train(folder: &Path, run: &str, settings: &[&str]) -> Command {
    let tiny = ["model.d_model=4", "model.n_layers=1", "train.batch_size=4", "train.workers=1"];
    let mut command = train_small(folder, "smnist", &[&tiny, settings].concat());
    command.args(["--run-dir", run, "--max-steps", "3", "--data"]).arg(mnist());
    command
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
        let (_, stderr) = succeed(&mut train(path, mixer, &[&choice, setting]));
        assert!(stderr.contains("model.layer has no effect"), "it says what is not used: {stderr}");
        let config = fs::read_to_string(path.join(mixer).join("config.toml")).unwrap();
        let backbone = if mixer == "convolution" { "dilated" } else { mixer };
        assert!(config.contains(&format!("backbone = \"{backbone}\"")), "{config}");
        let sections = ["[model.attention]", "[model.recurrent]", "[model.dilated]"];
        let written = sections.iter().filter(|section| config.contains(**section)).count();
        assert_eq!(written, 1, "the mixer's section is kept, given or not: {config}");
    }
    let sashimi = ["model.backbone=\"sashimi\"", "model.pool=[2, 2]", "model.ff=1"];
    let (_, stderr) = succeed(&mut train(path, "sashimi", &sashimi));
    assert!(stderr.contains("SaShiMi; model.norm, model.prenorm have no effect"), "{stderr}");
    let resume = ["train", "--resume", "transformer", "--device", "cpu", "--max-steps", "5"];
    succeed(lra_bench(path).args(resume));
    for mixer in ["transformer", "lstm", "sashimi"] {
        let object = evaluate(path, mixer, &["--split", "val"]);
        assert!(object["loss"].as_f64().is_some_and(f64::is_finite), "{mixer}: {object}");
    }
    let rate = ["evaluate", "lstm", "--rate", "2", "--device", "cpu"];
    fail(lra_bench(path).args(rate), 1, &["only S4", "rate 2", "lstm"]);
}

#[test]
fn settings_of_another_mixer_and_wrong_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = |settings: &[&str]| train(folder.path(), "run", settings);
    let attention = "model.attention.heads=2";
    fail(
        &mut set(&[attention]),
        1,
        &["model.attention means nothing", "\"s4\"", "transformer and linear-attention"],
    );
    let lstm = "model.mixer=\"lstm\"";
    fail(&mut set(&[lstm, attention]), 1, &["model.attention means nothing", "\"lstm\""]);
    let transformer = "model.mixer=\"transformer\"";
    fail(
        &mut set(&[transformer, "model.attention.heads=3"]),
        1,
        &["model.attention", "heads must divide d_model = 4", "3"],
    );
    let convolution = "model.mixer=\"convolution\"";
    let even = "model.convolution={kernel = 4, bidirectional = true}";
    fail(&mut set(&[convolution, even]), 1, &["model.dilated", "odd", "4"]);
    let none = "model.convolution.dilations=[]";
    fail(&mut set(&[convolution, none]), 1, &["model.dilated", "dilations"]);
    fail(&mut set(&["model.pool=[2]"]), 1, &["model.pool means nothing", "\"s4\""]);
    assert!(!folder.path().join("run").exists(), "nothing is left behind");
}

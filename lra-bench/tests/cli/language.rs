//! Models of the next token through the program: texts and pictures, trained, resumed, judged, generated.

use std::fs;
use std::path::Path;

use lra_bench::experiment::Experiment;
use lra_bench::objective::Supervised;
use s4_core::layer::Pass;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use training::objective::Objective;
use training::run::Run;

use crate::binary::{evaluate, fail, lra_bench, mnist, succeed, train_small};
use crate::text_files::write;

/// A model that trains in a moment.
const TINY: [&str; 9] = [
    "data.length=32",
    "model.d_model=8",
    "model.n_layers=2",
    "model.layer.ssm.d_state=4",
    "train.batch_size=4",
    "train.eval_batch_size=2",
    "train.steps=14",
    "train.eval_every=5",
    "train.schedule={name=\"constant\"}",
];

/// Sentences, 3,600 letters.
fn texts(folder: &Path) {
    let words = ["the sea", "a ship", "sails", "sleeps", "far away", "and", "returns"];
    let pick = |i: usize| words[(i * i * 31 + i / 5) % words.len()];
    let text: String =
        (0..600).map(|i| format!("{}{}", pick(i), if i % 6 == 5 { ".\n" } else { " " })).collect();
    write(&folder.join("texts/log.txt"), &text);
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = lra_bench(folder);
    command.args(arguments).arg("--json");
    serde_json::from_str(&succeed(&mut command).0).unwrap()
}

#[test]
fn texts_are_learned_resumed_judged_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    texts(path);
    let train = |run: &str, more: &[&str]| {
        let mut train = train_small(path, "folder-text", &TINY);
        succeed(train.args(["--run-dir", run, "--data", "texts"]).args(more));
    };
    train("whole", &[]);
    train("part", &["--max-steps", "7"]);
    let mut resume = lra_bench(path);
    succeed(resume.args(["train", "--resume", "part", "--max-steps", "14", "--device", "cpu"]));
    let whole = evaluate(path, "whole", &[]);
    let part = evaluate(path, "part", &[]);
    for key in ["loss", "count", "step", "bits_per_character"] {
        assert_eq!(whole[key], part[key], "{key}: a resumed run is the uninterrupted one");
    }
    let loss = whole["loss"].as_f64().unwrap();
    let bits = whole["bits_per_character"].as_f64().unwrap();
    assert!((bits * std::f64::consts::LN_2 - loss).abs() < 1e-5);
    assert_ne!(whole["apart"]["loss"], whole["loss"], "a state was carried");

    every_token_counts_the_same(path);

    // Texts follow from the seed, and begin with the prefix.
    write(&path.join("prefix.txt"), "the sea ");
    let generate = |more: &[&str]| {
        let mut command = lra_bench(path);
        command.args(["generate", "whole", "--length", "40", "--device", "cpu"]).args(more);
        succeed(&mut command)
    };
    let (text, speed) = generate(&["--seed", "3", "--prefix", "prefix.txt"]);
    assert!(
        text.starts_with("the sea ") && text.trim_end_matches('\n').chars().count() >= 47,
        "{text:?}"
    );
    assert!(speed.contains("characters in a second"), "{speed}");
    assert_eq!(generate(&["--seed", "3", "--prefix", "prefix.txt"]).0, text);
    assert_ne!(generate(&["--seed", "4", "--prefix", "prefix.txt"]).0, text);
    generate(&["--count", "2", "--temperature", "0", "--out", "made"]);
    let made = |number| fs::read(path.join(format!("made/step14-seed0-00{number}.txt"))).unwrap();
    assert_eq!(made(0), made(1), "the likeliest letters are the same");

    // n-grams, and both together.
    let order = ["--order", "4"];
    let ngrams = json(
        path,
        &[&["baseline", "--task", "folder-text", "--data", "texts"], &order[..]].concat(),
    );
    let both = json(path, &[&["baseline", "--with", "whole"], &order[..]].concat());
    let loss_of = |found: &Value| found["loss"].as_f64().unwrap();
    assert_eq!(ngrams["count"], whole["count"]);
    assert!(loss_of(&ngrams) < loss, "{ngrams} and {whole}");
    assert!(loss_of(&both) < loss_of(&ngrams) + 0.01, "{both} and {ngrams}");
    fail(
        lra_bench(path).args(["baseline", "--task", "smnist", "--data"]).arg(mnist()),
        2,
        &["next token"],
    );
}

/// What `evaluate` makes of a stream by itself is what one pass over the whole text makes of it.
fn every_token_counts_the_same(path: &Path) {
    let mut run: Run<Experiment> = Run::open(path.join("whole").to_str().unwrap()).unwrap();
    run.experiment.set_data_dir(&path.join("texts"));
    let splits = run.experiment.open(false).unwrap();
    let mut model = Supervised::new(&run.experiment, &splits.shape, Device::Cpu).unwrap();
    run.load_weights(model.params()).unwrap();
    let _guard = tch::no_grad_guard();
    model.carry(Default::default()).unwrap();
    let windows = 0..splits.test.len();
    let nll: Vec<f64> =
        windows.flat_map(|i| model.nll(&splits.test.batch(&[i]).unwrap()).unwrap()).collect();
    let windows = 0..splits.test.len();
    let batches = windows.map(|i| model.upload(&splits.test.batch(&[i]).unwrap()).unwrap());
    let (mut x, mut next) = (Vec::new(), Vec::new());
    for batch in batches {
        x.push(batch.x.shallow_clone());
        next.push(batch.labels.shallow_clone());
    }
    let (x, next) = (Tensor::cat(&x, 1), Tensor::cat(&next, 1));
    let whole = model.model().nll(&x, &next, &Pass::eval()).unwrap();
    assert_eq!(whole.size(), [1, nll.len() as i64]);
    let difference = whole.to_kind(Kind::Double).squeeze() - Tensor::from_slice(&nll);
    assert!(difference.abs().max().double_value(&[]) < 1e-4);
}

#[test]
fn other_backbones_and_clusters_of_words_learn_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    texts(path);
    let words = ["data.unit=\"words\"", "model.adaptive.cutoffs=[3,6]", "model.adaptive.divisor=2"];
    for (run, settings) in [
        ("words", &words[..]),
        ("transformer", &["model.backbone=\"transformer\""]),
        ("lstm", &["model.backbone=\"lstm\""]),
        ("feed-forward", &["model.ff=2", "model.ff_every=2"]),
    ] {
        let mut train = train_small(path, "folder-text", &[&TINY[..], settings].concat());
        succeed(train.args(["--run-dir", run, "--max-steps", "3", "--data", "texts"]));
        let metric = if run == "words" { "perplexity" } else { "bits_per_character" };
        assert!(evaluate(path, run, &[])[metric].as_f64().is_some(), "{run}");
        let mut generate = lra_bench(path);
        let (text, said) =
            succeed(generate.args(["generate", run, "--length", "5", "--device", "cpu"]));
        assert!(!text.trim().is_empty() || run != "words", "{run}");
        let is_ssm = ["words", "feed-forward"].contains(&run);
        assert_ne!(is_ssm, said.contains("slower, by libtorch"), "{run}: {said}");
    }
    let ahead = [&TINY[..], &["model.layer.bidirectional=true"]].concat();
    let mut train = train_small(path, "folder-text", &ahead);
    fail(train.args(["--data", "texts"]), 1, &["bidirectional", "causal"]);
    let odd = [&TINY[..], &["model.backbone=\"sashimi\"", "data.length=30"]].concat();
    let mut train = train_small(path, "folder-text", &odd);
    fail(train.args(["--data", "texts"]), 1, &["data.length is 30", "a multiple of 16"]);
}

#[test]
fn pictures_are_learned_judged_and_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = [
        "model.d_model=4",
        "model.n_layers=1",
        "model.layer.ssm.d_state=4",
        "train.batch_size=2",
        "train.steps=2",
        "train.schedule={name=\"constant\"}",
    ];
    let mut train = train_small(path, "mnist-density", &settings);
    succeed(train.args(["--run-dir", "run", "--data"]).arg(mnist()));
    let found = evaluate(path, "run", &[]);
    assert!(found["bits_per_dim"].as_f64().unwrap() > 0.0 && found["apart"].is_null());
    let mut generate = lra_bench(path);
    let (file, speed) =
        succeed(generate.args(["generate", "run", "--count", "3", "--device", "cpu"]));
    assert!(speed.contains("pictures in a second"), "{speed}");
    let file = fs::read(path.join(file.trim())).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (58, 58), "two by two");
    let data = mnist().display().to_string();
    let mixed = json(path, &["baseline", "--task", "mnist-density", "--data", &data]);
    assert_eq!(mixed["count"], found["count"]);
    assert!(mixed["bits_per_dim"].as_f64().unwrap() < found["bits_per_dim"].as_f64().unwrap());
    fail(lra_bench(path).args(["generate", "run", "--length", "5"]), 2, &["--length"]);

    // Levels by a mixture of distributions: steps agree with the convolution, or nothing is generated.
    let levels = ["model.logistics={components=2,predictors=[[1],[28]]}"];
    let mut train = train_small(path, "mnist-density", &[&settings[..], &levels].concat());
    succeed(train.args(["--run-dir", "levels", "--data"]).arg(mnist()));
    let found = evaluate(path, "levels", &[]);
    assert!((0.0..10.0).contains(&found["bits_per_dim"].as_f64().unwrap()), "{found}");
    succeed(lra_bench(path).args(["generate", "levels", "--count", "2", "--device", "cpu"]));
    let mut masked = lra_bench(path);
    masked.args(["pretrain", "--task", "mnist-density", "--preset", "small", "--device", "cpu"]);
    masked.args(["--set", "model.layer.bidirectional=true", "--objective", "masked"]);
    masked.args(["--max-steps", "1", "--data"]).arg(mnist());
    fail(&mut masked, 1, &["model.lags would show what a mask hides"]);
}

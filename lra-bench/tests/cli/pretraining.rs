//! From pretraining to adapted models, through the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use datasets::shape::Shape;
use models::Network;
use s4_config::NetworkConfig;
use s4_core::params::ParamStore;
use serde_json::Value;
use tch::{Device, Kind};
use training::checkpoint::{Checkpoint, load_weights};
use training::imported::Imported;

use crate::binary::{evaluate, fail, lra_bench, mnist, succeed};

/// Sizes that train in a moment.
const TINY: [&str; 7] = [
    "model.d_model=8",
    "model.n_layers=2",
    "model.layer.ssm.d_state=8",
    "train.batch_size=10",
    "train.workers=1",
    "train.log_every=2",
    "train.eval_every=3",
];

fn tiny(folder: &Path, words: &[&str]) -> Command {
    let mut command = lra_bench(folder);
    command.args(words).args(["--preset", "small", "--device", "cpu", "--no-progress"]);
    for setting in TINY {
        command.args(["--set", setting]);
    }
    command
}

/// A pretrained run `base` on the little MNIST.
fn pretrain(folder: &Path, run: &str, steps: &str, more: &[&str]) -> String {
    let mut command = tiny(folder, &["pretrain", "--task", "smnist"]);
    command.args(["--run-dir", run, "--max-steps", steps, "--data"]).arg(mnist()).args(more);
    succeed(&mut command).1
}

/// A run adapted from `base`.
fn adapt(folder: &Path, way: &str, run: &str, more: &[&str]) -> String {
    let mut command = tiny(folder, &["train", "--task", "smnist", "--init-from", "base"]);
    command.args(["--adapt", way, "--run-dir", run, "--max-steps", "6", "--data"]).arg(mnist());
    succeed(command.args(more)).1
}

fn last(folder: &Path, run: &str) -> Checkpoint {
    Checkpoint::load(&folder.join(run).join("checkpoints/last.safetensors")).unwrap()
}

fn best(folder: &Path, run: &str) -> Checkpoint {
    Checkpoint::load(&folder.join(run).join("checkpoints/best.safetensors")).unwrap()
}

#[test]
fn what_was_pretrained_is_adapted_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let said = pretrain(path, "base", "6", &[]);
    assert!(said.contains("50% of the positions are masked"), "{said}");
    let file = path.join("base/checkpoints/best.safetensors");
    let before = fs::read(&file).unwrap();
    let base = load_weights(&file).unwrap();

    let said = adapt(path, "full", "full", &[]);
    for words in ["taken: encoder", "left in the source: pretraining", "new here: decoder"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for way in ["probe", "lora:2", "bias", "groups:dt,C,norm", "lp-ft:3"] {
        adapt(path, way, &way.replace(':', "-"), &[]);
    }
    assert_eq!(fs::read(&file).unwrap(), before, "the base is bit-identical");

    // A probe holds a head and nothing else.
    let probe = best(path, "probe");
    assert!(probe.model.names().all(|name| name.starts_with("decoder.")));
    assert!(probe.optimizer.names().all(|name| name.starts_with("decoder.")));
    // So does LoRA, with its factors and running statistics.
    let lora = best(path, "lora-2");
    assert!(lora.model.names().any(|name| name.ends_with(".lora_A")));
    assert!(lora.model.get("model.layers.0.layer.output_linear.0.weight").is_none());

    // Both are evaluated and exported as plain models.
    for (run, changes) in [("probe", false), ("lora-2", true)] {
        let evaluated = evaluate(path, run, &[]);
        assert_eq!(evaluated["count"], 100);
        let out = format!("{run}.safetensors");
        succeed(lra_bench(path).args(["export", run, "--out", &out]));
        let exported = load_weights(&path.join(&out)).unwrap();
        assert!(
            !exported.names().any(|name| name.contains("lora") || name.contains("pretraining"))
        );
        let name = "model.layers.0.layer.output_linear.0.weight";
        assert_eq!(!exported.get(name).unwrap().equal(base.get(name).unwrap()), changes, "{run}");
        let encoder = exported.get("encoder.0.weight").unwrap();
        assert!(encoder.equal(base.get("encoder.weight").unwrap()));
    }

    // An adapted run goes on to the same bits.
    let mut command = tiny(path, &["train", "--task", "smnist", "--init-from", "base"]);
    command.args(["--adapt", "lora:2", "--run-dir", "parts", "--max-steps", "3", "--data"]);
    succeed(command.arg(mnist()));
    succeed(lra_bench(path).args([
        "train",
        "--resume",
        "parts",
        "--max-steps",
        "6",
        "--device",
        "cpu",
    ]));
    let (whole, parts) = (last(path, "lora-2"), last(path, "parts"));
    for (name, tensor) in whole.model.iter() {
        assert!(tensor.equal(parts.model.get(name).unwrap()), "{name}");
    }

    // Another base in its place is refused.
    pretrain(path, "other", "3", &["--seed", "5"]);
    fs::copy(path.join("other/checkpoints/best.safetensors"), &file).unwrap();
    fail(lra_bench(path).args(["evaluate", "probe", "--device", "cpu"]), 1, &["base", "changed"]);
}

#[test]
fn states_to_begin_with_are_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let causal = ["--set", "model.layer.bidirectional=false"];
    pretrain(path, "base", "3", &[&causal[..], &["--objective", "causal"]].concat());
    let said = adapt(path, "groups:state", "states", &causal);
    assert!(said.contains("missing there, new here: learned_state."), "{said}");
    let trained = last(path, "states");
    // Beside buffers.
    let mut names = trained
        .model
        .names()
        .filter(|name| !name.contains(".norm.") && !name.ends_with("l_kernel"));
    assert!(
        names.all(|name| name.starts_with("learned_state.") || name.starts_with("decoder.")),
        "{:?}",
        trained.model.names().collect::<Vec<_>>()
    );
    assert!(evaluate(path, "states", &[])["accuracy"].as_f64().is_some());
    let ahead = ["--set", "model.layer.bidirectional=true"];
    pretrain(path, "ahead", "3", &ahead);
    let mut command = tiny(path, &["train", "--task", "smnist", "--init-from", "ahead"]);
    command.args(["--adapt", "groups:state", "--max-steps", "6", "--data"]).arg(mnist());
    fail(&mut command, 1, &["learned_state", "bidirectional"]);
}

/// The losses of the evaluations in training.
fn val_losses(path: &Path, run: &str) -> Vec<f64> {
    let lines = fs::read_to_string(path.join(run).join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let val = lines.filter(|line| line["split"] == "val");
    val.map(|line| line["loss"].as_f64().unwrap()).collect()
}

#[test]
fn changes_of_low_rank_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pretrain(path, "base", "3", &[]);
    let rate = ["--set", "train.ema=0.5", "--set", "train.optimizer.lr=0.1"];
    adapt(path, "lora:2", "averaged", &rate);
    let checkpoint = last(path, "averaged");
    let averaged = checkpoint.ema.as_ref().unwrap();
    let factor = "model.layers.0.layer.output_linear.0.lora_B";
    assert_ne!(averaged.get(factor), checkpoint.model.get(factor));
    // What was measured in training is what the averaged weights, folded, are worth.
    let val = val_losses(path, "averaged");
    let best = evaluate(path, "averaged", &["--split", "val"])["loss"].as_f64().unwrap();
    assert!(val.iter().any(|loss| (loss - best).abs() < 1e-5), "{val:?} {best}");
}

#[test]
fn pretraining_goes_on_to_the_same_bits_and_mixes_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pretrain(path, "whole", "8", &[]);
    pretrain(path, "parts", "5", &[]);
    let resume = ["pretrain", "--resume", "parts", "--max-steps", "8", "--device", "cpu"];
    succeed(lra_bench(path).args(resume));
    let (whole, parts) = (last(path, "whole"), last(path, "parts"));
    for (name, tensor) in whole.model.iter() {
        assert!(tensor.equal(parts.model.get(name).unwrap()), "{name}");
    }
    assert!(whole.model.get("pretraining.hidden").is_some());

    let causal = ["--objective", "causal", "--set", "model.layer.bidirectional=false"];
    let said = pretrain(path, "causal", "3", &causal);
    let greys = pretrain(path, "greys", "3", &["--set", "pretrain.loss=\"cross-entropy\""]);
    assert!(greys.contains("; cross-entropy"), "{greys}");
    assert!(said.contains("from those before it"), "{said}");

    let mut command = tiny(path, &["pretrain", "--task", "smnist,psmnist", "--run-dir", "mixed"]);
    let (_, said) = succeed(command.args(["--max-steps", "2", "--data"]).arg(mnist()));
    assert!(said.contains("1800 training samples") || said.contains("training samples"), "{said}");

    fail(lra_bench(path).args(["train", "--resume", "parts"]), 2, &["lra-bench pretrain"]);
    fail(lra_bench(path).args(["predict", "parts", "."]), 1, &["--init-from"]);
    fail(lra_bench(path).args(["evaluate", "parts", "--rate", "2"]), 2, &["--rate", "pretraining"]);

    // Evaluated as at its end: the masks are the same.
    for (run, objective) in [("parts", "masked"), ("causal", "causal"), ("mixed", "masked")] {
        let evaluated = evaluate(path, run, &["--split", "val"]);
        let (loss, val) = (evaluated["loss"].as_f64().unwrap(), val_losses(path, run));
        assert!(val.iter().any(|known| (known - loss).abs() < 1e-5), "{run}: {val:?} {loss}");
        assert_eq!(evaluated["objective"], objective);
    }
}

#[test]
fn wrong_usage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let smnist = ["--task", "smnist"];
    fail(lra_bench(path).args(smnist).args(["--adapt", "probe"]), 2, &["--init-from"]);
    let way = ["--init-from", "x", "--adapt", "half"];
    fail(lra_bench(path).args(smnist).args(way), 2, &["half", "lp-ft", "lora"]);
    let groups = ["--init-from", "x", "--adapt", "groups:E"];
    fail(lra_bench(path).args(smnist).args(groups), 2, &["`E`", "dt", "norm"]);
    let pretrain = |words: &[&str]| {
        let mut command = lra_bench(path);
        command.args(["pretrain", "--preset", "small", "--device", "cpu"]).args(words);
        command.args(["--data"]).arg(mnist());
        command
    };
    let causal = ["--task", "smnist", "--set", "model.layer.bidirectional=false"];
    let masked = [&causal[..], &["--objective", "masked"]].concat();
    fail(&mut pretrain(&masked), 2, &["look ahead", "causal"]);
    let ahead = ["--task", "smnist", "--objective", "causal"];
    fail(&mut pretrain(&ahead), 2, &["model.layer.bidirectional=false"]);
    fail(&mut pretrain(&["--task", "smnist", "--objective", "next"]), 2, &["next", "masked"]);
    fail(&mut pretrain(&["--task", "smnist,smnist"]), 2, &["twice"]);
    let listops = ["--set", "data.count=20", "--set", "data.eval_count=5"];
    // Where both are found without --data.
    fs::create_dir_all(path.join("data/mnist")).unwrap();
    for entry in fs::read_dir(mnist()).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, path.join("data/mnist").join(file.file_name().unwrap())).unwrap();
    }
    let mut mixed = lra_bench(path);
    mixed.args(["pretrain", "--preset", "small", "--device", "cpu", "--task", "listops,smnist"]);
    fail(mixed.args(listops), 2, &["one kind"]);
    fail(lra_bench(path).args(["transfer", "x", "--tasks", "smnist"]), 1, &["no run x"]);
    fail(lra_bench(path).args(["knn", "x", "--task", "smnist"]), 1, &["no run x"]);
}

#[test]
fn features_are_compared_with_controls_and_bases_with_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pretrain(path, "base", "4", &[]);
    let mut knn = lra_bench(path);
    knn.args([
        "knn", "base", "--task", "smnist", "--k", "5", "--device", "cpu", "--json", "--data",
    ]);
    let (json, _) = succeed(knn.arg(mnist()));
    let found: Value = serde_json::from_str(&json).unwrap();
    let rows = found["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["features"].as_str().unwrap()).collect();
    let layers = ["embedding", "layer 1 of 2", "layer 2 of 2"];
    assert_eq!(names, [&["raw input", "untrained, layer 2 of 2"][..], &layers].concat());
    for row in rows {
        assert!((0.0..=1.0).contains(&row["knn"].as_f64().unwrap()), "{row}");
    }
    assert!(rows[0]["knn"].as_f64().unwrap() > 0.5, "pixels tell digits apart: {}", rows[0]);

    // The head of a probe is that one, until it is trained.
    let mut probe = tiny(path, &["train", "--task", "smnist", "--init-from", "base"]);
    probe.args(["--adapt", "probe", "--max-steps", "1", "--set", "train.optimizer.lr=1e-12"]);
    let (_, said) = succeed(probe.args(["--run-dir", "probe", "--data"]).arg(mnist()));
    assert!(said.contains("as logistic regression has it"), "{said}");
    let summary = fs::read_to_string(path.join("probe/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let accuracy = summary["test"]["metrics"][0][1].as_f64().unwrap();
    assert!((accuracy - rows[4]["probe"].as_f64().unwrap()).abs() < 1e-6, "{summary} {}", rows[4]);

    let command = |more: &[&str]| {
        let mut command = tiny(path, &["transfer", "base", "--tasks", "smnist"]);
        command.args(["--adapt", "probe,lora:2", "--max-steps", "3", "--out", "out"]);
        // More than the smaller share has.
        command.args(["--set", "train.batch_size=12"]);
        command.args(more).arg("--json").arg("--data").arg(mnist());
        command
    };
    let transfer = |more: &[&str]| {
        let (json, said) = succeed(&mut command(more));
        let matrix: Value = serde_json::from_str(&json).unwrap();
        (matrix, said)
    };
    let first = [
        &["--fractions", "0.001,1", "--seeds", "1"][..],
        &["--set", "lora:train.optimizer.lr=0.02", "--set", "scratch:train.optimizer.lr=0.03"],
    ]
    .concat();
    let (matrix, _) = transfer(&first);
    let rows = matrix["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * 4, "{matrix}");
    for row in rows {
        let seed = &row["seeds"][0];
        assert!(row["test"]["mean"].as_f64().is_some(), "{row}");
        let way = row["way"].as_str().unwrap();
        let steps = if way == "scratch, equal compute" { 7 } else { 3 };
        assert_eq!(seed["steps"], steps, "{row}");
        let loss = &seed["forgetting"];
        assert_eq!(loss.is_null(), way.starts_with("scratch"));
        if way == "probe" {
            assert_eq!(loss["before"], loss["after"], "the backbone is as it was");
        }
    }
    for file in ["transfer.md", "transfer.json", "smnist.svg"] {
        assert!(path.join("out").join(file).is_file(), "{file}");
    }
    let rates = [("probe", 0.01), ("lora-2-4", 0.02), ("scratch", 0.03)];
    for (way, rate) in rates.into_iter().chain([("scratch--equal-compute", 0.03)]) {
        let run = path.join("out/base/smnist").join(way).join("fraction-1/seed-1");
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        let config: toml::Table = config.parse().unwrap();
        assert_eq!(config["train"]["optimizer"]["lr"].as_float(), Some(rate), "{way}");
    }
    let (again, said) = transfer(&first);
    assert_eq!(again, matrix);
    assert!(!said.contains("steps an epoch"), "nothing is trained again: {said}");

    // The table is of all that is in the folder, whichever call trained it.
    let second = [&["--fractions", "1", "--seeds", "2"], &first[4..]].concat();
    let (both, _) = transfer(&second);
    let seeds: Vec<Vec<u64>> = both["rows"].as_array().unwrap().iter().map(seeds).collect();
    assert_eq!(seeds, [vec![vec![1]; 4], vec![vec![1, 2]; 4]].concat(), "{both}");

    fail(
        &mut command(&first[..4]),
        2,
        &["other settings", "there: --set=train.optimizer.lr=0.02; asked for: nothing more"],
    );
    let unknown = ["--set", "bias:train.optimizer.lr=1"];
    fail(&mut command(&unknown), 2, &["`bias` is no way of this matrix", "probe; lora:2:4"]);
}

fn seeds(row: &Value) -> Vec<u64> {
    row["seeds"].as_array().unwrap().iter().map(|seed| seed["seed"].as_u64().unwrap()).collect()
}

/// A run of `sashimi`, with weights as they were drawn.
fn sashimi(run: &Path) {
    let config = "[data]\nsample_rate = 8000\ncompanding = \"linear\"\nbits = 6\nscaling = \"none\"\n\
                  [model]\nbackbone = \"sashimi\"\nd_model = 4\nn_layers = 1\npool = [4]\n\
                  [train]\nsteps = 5\nbatch_size = 2\n";
    let settings: toml::Table = config.parse().unwrap();
    let model: NetworkConfig = settings["model"].clone().try_into().unwrap();
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    Network::new(&mut store.root(), &model, Shape::next_token(64).network()).unwrap();
    let (origin, weights) = ("drawn".to_owned(), store.state_dict());
    let run_of = Imported { origin, config: config.to_owned(), seed: 0, weights, step: 5 };
    run_of.write(run).unwrap();
}

#[test]
fn what_comes_next_in_sound_is_a_base_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    sashimi(&path.join("base"));
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sashimi/corpus/spoken-digits");
    let with_digits = |command: &mut Command| {
        command
            .args(["--device", "cpu", "--no-progress", "--cache", "cache", "--data"])
            .arg(&digits);
        command.args(["--set", "data.split_by=\"index\"", "--set", "data.max_length=400"]);
        succeed(command)
    };
    let mut train = lra_bench(path);
    // Named by its whole path, as this process reads it from another folder.
    train
        .args(["train", "--task", "fsdd", "--adapt", "probe", "--init-from"])
        .arg(path.join("base"));
    train.args(["--run-dir", "probe", "--max-steps", "3", "--set", "train.workers=1"]);
    let (_, said) = with_digits(&mut train);
    assert!(said.contains("taken: encoder.weight, model.d_layers"), "{said}");
    assert!(said.contains("missing there, new here: decoder.output_transform.weight"), "{said}");
    let config: toml::Table =
        fs::read_to_string(path.join("probe/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["codes"]["bits"].as_integer(), Some(6));
    assert_eq!(config["data"]["codes"]["companding"].as_str(), Some("linear"));
    let encoder = |run: &str| {
        let whole = best(path, run).whole().unwrap();
        whole.get("encoder.weight").unwrap().shallow_clone()
    };
    assert_eq!(encoder("probe"), encoder("base"));
    assert!(evaluate(path, "probe", &[])["accuracy"].as_f64().is_some());
    let mut predict = lra_bench(path);
    predict.args(["predict", "probe", "--device", "cpu"]).arg(digits.join("3_lucas_10.wav"));
    assert_eq!(succeed(&mut predict).0.lines().count(), 1);
    let mut knn = lra_bench(path);
    knn.args(["knn", "base", "--task", "fsdd", "--k", "3", "--fraction", "0.2"]);
    let (table, _) = with_digits(&mut knn);
    assert!(table.contains("raw input") && table.contains("untrained"), "{table}");
    let mut other = lra_bench(path);
    other.args(["train", "--task", "smnist", "--init-from", "base", "--adapt", "probe", "--data"]);
    fail(other.arg(mnist()), 1, &["a model of codes of sound", "fsdd"]);
}

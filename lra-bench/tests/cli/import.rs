//! Checkpoints of the official code become runs, and runs its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::shape::Shape;
use lra_bench::experiment::Experiment;
use models::Network;
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::run::Run;

use crate::binary::{evaluate, fail, lra_bench, mnist, run, succeed};

fn checkpoints() -> PathBuf {
    parity::folder().canonicalize().unwrap().join("checkpoints")
}

/// What is told of the checkpoints for this program.
fn descriptions() -> Vec<Value> {
    let files = fs::read_dir(checkpoints()).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    let all = json.map(|path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap());
    let ours = all.filter(|json| {
        json["family"] == "s4" && json["hyper_parameters"]["dataset"]["_name_"] != "qautoaudio"
    });
    let ours: Vec<_> = ours.collect();
    assert!(!ours.is_empty());
    ours
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap()
}

/// A bare file's settings, which no weight shows.
fn settings(json: &Value) -> Vec<String> {
    let hyper = &json["hyper_parameters"];
    let task = match text(&hyper["dataset"], "_name_") {
        "imdb" => "text",
        "aan" => "retrieval",
        "cifar" if hyper["dataset"]["grayscale"] == true => "image",
        "cifar" => "scifar",
        other => other,
    };
    let mut words = vec!["--task".to_owned(), task.to_owned()];
    let layer = &hyper["model"]["layer"];
    for (key, value) in [
        ("model.layer.ssm.dt_transform", &layer["dt_transform"]),
        ("model.layer.activation", &layer["activation"]),
        ("model.layer.l_max", &layer["l_max"]),
        ("model.pooling", &hyper["decoder"]["mode"]),
    ] {
        if !value.is_null() {
            words.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
    }
    words
}

/// `import` of the file that `json` describes to `run` in `folder`.
fn import(folder: &Path, json: &Value) {
    let mut command = lra_bench(folder);
    command.arg("import").arg(checkpoints().join(text(json, "file"))).args(["--out", "run"]);
    if let Some(vocabulary) = json["dataset"]["vocab"].as_array() {
        fs::write(folder.join("vocab.json"), json!(vocabulary).to_string()).unwrap();
        command.args(["--vocab", "vocab.json"]);
    }
    if !json["hyper_parameters_are"].is_null() {
        command.args(settings(json));
    }
    succeed(&mut command);
}

/// A run's network in float64.
fn network(run: &Run<Experiment>) -> (Network, ParamStore, Shape) {
    let shape = run.experiment.task().unwrap().inputs(&run.experiment.data).unwrap().shape;
    let mut params = ParamStore::new(Device::Cpu, Kind::Double);
    let network = Network::new(&mut params.root(), &run.experiment.model, shape.network()).unwrap();
    let weights = run.checkpoint().unwrap().into_weights();
    params.load_state_dict(&weights.to_kind(Kind::Double)).unwrap();
    (network, params, shape)
}

fn tensors(json: &Value) -> StateDict {
    let file = checkpoints().join(text(&json["io"], "file"));
    StateDict::from_safetensors(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn parity_imported_runs_give_the_official_outputs() {
    for json in descriptions() {
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &json);
        let run = Run::open(folder.path().join("run").to_str().unwrap()).unwrap();
        let (network, ..) = network(&run);
        let io = tensors(&json);
        for call in json["calls"].as_array().unwrap() {
            let input = |name: &str| {
                let name = call["inputs"][name].as_str()?;
                Some(io.get(&format!("in/{name}")).unwrap().shallow_clone())
            };
            let x = input("x").unwrap();
            let x = if x.is_floating_point() { x.to_kind(Kind::Double) } else { x };
            let rate = call["rate"].as_f64().unwrap_or(1.0);
            let pass = Pass { rate, ..Pass::eval().with_lengths(input("lengths")) };
            let output = tch::no_grad(|| network.forward(&x, &pass)).unwrap();
            let name = text(call, "output");
            let expected = io.get(&format!("out64/{name}")).unwrap();
            let error = parity::relative_error(&output, expected);
            println!("{} {name}: {error:.1e}", json["file"]);
            assert!(error <= 1e-8, "{} {name}: {error:e}", json["file"]);
        }
    }
}

#[test]
fn parity_exported_weights_are_the_files_bit_for_bit() {
    for json in descriptions() {
        // Version 3 comes back under the names of version 4.
        if json["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| text(one, "name").ends_with("log_dt"))
        {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &json);
        for file in ["weights.safetensors", "weights.pt"] {
            succeed(lra_bench(folder.path()).args(["export", "run", "--out", file]));
        }
        let bytes = fs::read(folder.path().join("weights.safetensors")).unwrap();
        let own = StateDict::from_safetensors(&bytes).unwrap();
        let io = tensors(&json);
        let theirs: BTreeMap<_, _> = io
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("sd/")?, tensor)))
            .collect();
        assert_eq!(own.len(), theirs.len());
        for (name, tensor) in own.iter() {
            assert_eq!(tensor, theirs[name], "{name}");
        }
        // What PyTorch reads is read here; the run's config says what no weight does.
        let mut again = lra_bench(folder.path());
        again.args(["import", "weights.pt", "--out", "again", "--config", "run/config.toml"]);
        succeed(&mut again);
        let [first, second] = ["run", "again"].map(|run| {
            let run: Run<Experiment> =
                Run::open(folder.path().join(run).to_str().unwrap()).unwrap();
            run.checkpoint().unwrap().into_weights()
        });
        second.check_fits(&first).unwrap();
        assert!(first.iter().all(|(name, tensor)| second.get(name) == Some(tensor)));
        torch_reads(&folder.path().join("weights.pt"), own.len());
    }
}

/// Holds a written file against PyTorch, where `S4_TEST_TORCH` names a Python that has it.
fn torch_reads(file: &Path, count: usize) {
    let Some(python) = std::env::var_os("S4_TEST_TORCH") else { return };
    let program = "import sys, torch\n\
        weights = torch.load(sys.argv[1], weights_only=True)\n\
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())\n\
        print(len(weights))";
    let (counted, _) = succeed(std::process::Command::new(python).args(["-c", program]).arg(file));
    assert_eq!(counted.trim(), count.to_string());
}

#[test]
fn parity_hostile_files_do_nothing_but_give_a_message() {
    let hostile = checkpoints().join("hostile");
    let index: Value =
        serde_json::from_slice(&fs::read(hostile.join("index.json")).unwrap()).unwrap();
    let vocabulary = listops()["dataset"]["vocab"].clone();
    for entry in index["files"].as_array().unwrap() {
        let (name, expect) = (text(entry, "file"), text(entry, "expect"));
        let path = hostile.join(name);
        if !path.exists() {
            continue; // A part of them is kept with the project.
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vocab.json"), vocabulary.to_string()).unwrap();
        let mut command = lra_bench(folder.path());
        command.arg("import").arg(&path);
        let (output, said) = run(command.args(["--out", "run", "--vocab", "vocab.json"]));
        let code = output.status.code();
        assert!(matches!(code, Some(0..=2)), "{name}: {code:?} {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
        let may_be_read = expect.contains("or ") || expect.contains("unless");
        assert!(code != Some(0) || may_be_read, "{name} ({expect}): {said}");
        assert!(!folder.path().join("PWNED").exists(), "{name}");
        let made = folder.path().join("run").exists();
        assert_eq!(made, code == Some(0), "{name}: {said}");
        println!("{name}: {code:?} {}", said.lines().last().unwrap_or_default());
    }
}

/// A description of a file with text in it.
fn listops() -> Value {
    let mut all = descriptions().into_iter();
    all.find(|json| {
        json["hyper_parameters"]["dataset"]["_name_"] == "listops"
            && json["hyper_parameters_are"].is_null()
    })
    .unwrap()
}

#[test]
fn an_imported_run_is_evaluated_trained_further_and_begun_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let json = listops();
    import(path, &json);
    let data = ["data.count=40", "data.eval_count=8", "data.lengths=[8, 20]"];
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("vocabulary = "), "{config}");
    // The same expressions for all that follows.
    let mut generate = lra_bench(path);
    generate.args(["generate-data", "--task", "listops", "--out", "data", "--count", "48"]);
    succeed(&mut generate);
    let found = evaluate(path, "run", &["--data", "data"]);
    assert_eq!(found["step"], json["global_step"]);
    assert!(found["loss"].as_f64().unwrap().is_finite());
    let mut line = lra_bench(path);
    fs::write(path.join("line.txt"), "[MAX 4 3 [MIN 2 3 ] 1 ]\n").unwrap();
    let (predicted, _) = succeed(line.args(["predict", "run", "line.txt", "--json"]));
    assert!(predicted.contains("probabilit"), "{predicted}");
    let mut begun = lra_bench(path);
    begun.args(["train", "--config", "run/config.toml", "--init-from", "run", "--device", "cpu"]);
    for set in data {
        begun.args(["--set", set]);
    }
    let (_, said) = succeed(begun.args(["--run-dir", "tuned", "--max-steps", "2"]));
    assert!(said.contains("weights of run: taken"), "{said}");
    let mut further = lra_bench(path);
    further.args([
        "train",
        "--resume",
        "run",
        "--data",
        "data",
        "--device",
        "cpu",
        "--max-steps",
        "2",
    ]);
    let (_, said) = succeed(&mut further);
    assert!(said.contains("has weights alone"), "{said}");
}

#[test]
fn c_is_kept_as_it_is_or_undone() {
    let folder = tempfile::tempdir().unwrap();
    let json = listops();
    import(folder.path(), &json);
    let mut undone = lra_bench(folder.path());
    undone.arg("import").arg(checkpoints().join(text(&json, "file")));
    succeed(undone.args(["--out", "undone", "--vocab", "vocab.json", "--undo-c-tilde"]));
    let open = |run: &str| {
        let run: Run<Experiment> = Run::open(folder.path().join(run).to_str().unwrap()).unwrap();
        network(&run)
    };
    let ((kept, kept_params, _), (undone, undone_params, _)) = (open("run"), open("undone"));
    let length = |params: &ParamStore| {
        let name = params.entries().iter().find(|entry| entry.name.ends_with("l_kernel")).unwrap();
        name.tensor.int64_value(&[])
    };
    assert!(length(&kept_params) > 0);
    assert_eq!(length(&undone_params), 0);
    let x = Tensor::arange(40, (Kind::Int64, Device::Cpu)).remainder(15).view([2, 20]);
    let [a, b] = [&kept, &undone].map(|network| network.forward(&x, &Pass::eval()).unwrap());
    assert!(parity::relative_error(&b, &a) < 1e-5, "rounded once, to float32");
}

#[test]
fn what_has_to_be_given_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let json = listops();
    let file = checkpoints().join(text(&json, "file"));
    let import = || {
        let mut command = lra_bench(path);
        command.arg("import").arg(&file).args(["--out", "run"]);
        command
    };
    fail(&mut import(), 2, &["which token is which", "--vocab FILE", "get_itos()"]);
    fs::write(path.join("vocab.txt"), "a\nb\n").unwrap();
    fail(import().args(["--vocab", "vocab.txt"]), 1, &["vocab.txt begins with", "<pad>"]);
    fail(import().args(["--vocab", "none.txt"]), 1, &["none.txt"]);
    let list = &json["dataset"]["vocab"];
    let lines: Vec<_> =
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    fs::write(path.join("vocab.txt"), lines.join("\n")).unwrap();
    let nothing = ["--vocab", "vocab.txt", "--task", "smnist"];
    fail(import().args(nothing), 2, &["--vocab means nothing to smnist"]);
    fail(
        import().args(["--vocab", "vocab.txt", "--set", "model.n_layers=5"]),
        1,
        &["model.layers.2", "is missing", "--set or --config"],
    );
    succeed(import().args(["--vocab", "vocab.txt"]));
    fail(import().args(["--vocab", "vocab.txt"]), 1, &["run holds a run already"]);
    fail(
        lra_bench(path).args(["export", "run", "--out", "weights.onnx"]),
        2,
        &[".safetensors or .pt"],
    );
    fail(lra_bench(path).args(["import", "nothing.ckpt", "--out", "x"]), 1, &["nothing.ckpt"]);
    fail(lra_bench(path).arg("import").arg(mnist()).args(["--out", "x"]), 1, &["it is no file"]);
    // Weights alone.
    succeed(lra_bench(path).args(["export", "run", "--out", "weights.pt"]));
    let bare = ["import", "weights.pt", "--out", "bare"];
    fail(lra_bench(path).args(bare), 2, &["weights and no settings", "--task"]);
    let (help, _) = succeed(lra_bench(path).args(["import", "--help"]));
    for word in
        ["CHECKPOINT", "--out", "--task", "--config", "--set", "--vocab", "nothing in it is run"]
    {
        assert!(help.contains(word), "{word}: {help}");
    }
    let (help, _) = succeed(lra_bench(path).args(["export", "--help"]));
    assert!(help.contains(".safetensors"), "{help}");
}

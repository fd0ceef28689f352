//! Checkpoints of the official code become runs, and runs its files.

use std::fs;
use std::path::{Path, PathBuf};

use models::Network;
use models::diffusion::NoiseNetwork;
use s4_config::{Input, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use s4_core::state_dict::StateDict;
use sashimi::experiment::Experiment;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use training::run::Run;

use crate::binary::{clip, fail, sashimi, succeed};

fn checkpoints() -> PathBuf {
    parity::folder().canonicalize().unwrap().join("checkpoints")
}

/// What is told of the checkpoints for this program.
fn descriptions() -> Vec<Value> {
    let files = fs::read_dir(checkpoints()).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    let all = json.map(|path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap());
    let ours = all.filter(|json| {
        json["family"] == "diffwave"
            || json["hyper_parameters"]["dataset"]["_name_"] == "qautoaudio"
    });
    let ours: Vec<_> = ours.collect();
    assert!(!ours.is_empty());
    ours
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap()
}

/// `import` of the file that `json` describes to `run` in `folder`.
fn import(folder: &Path, json: &Value) {
    let mut command = sashimi(folder);
    command.arg("import").arg(checkpoints().join(text(json, "file"))).args(["--out", "run"]);
    let diffusion = &json["config"]["diffusion"];
    for (key, value) in [("steps", &diffusion["T"]), ("beta_last", &diffusion["beta_T"])] {
        if !value.is_null() {
            command.args(["--set", &format!("diffusion.{key}={value}")]);
        }
    }
    // Settings of bare files that no weight shows.
    let layer = &json["hyper_parameters"]["model"]["layer"];
    if !json["hyper_parameters_are"].is_null() {
        for (key, name) in [("ssm.dt_transform", "dt_transform"), ("activation", "activation")] {
            command.args(["--set", &format!("model.layer.{key}={}", layer[name])]);
        }
    }
    succeed(&mut command);
}

fn open(folder: &Path) -> Run<Experiment> {
    Run::open(folder.join("run").to_str().unwrap()).unwrap()
}

fn io(json: &Value) -> StateDict {
    let file = checkpoints().join(text(&json["io"], "file"));
    StateDict::from_safetensors(&fs::read(file).unwrap()).unwrap()
}

/// What a run gives for a call, in float64.
fn output(run: &Run<Experiment>, call: &Value, io: &StateDict) -> Tensor {
    let weights = run.checkpoint().unwrap().into_weights().to_kind(Kind::Double);
    let mut params = ParamStore::new(Device::Cpu, Kind::Double);
    let input = |name: &str| {
        let name = call["inputs"][name].as_str()?;
        let input = io.get(&format!("in/{name}")).unwrap();
        let real = input.is_floating_point();
        Some(if real { input.to_kind(Kind::Double) } else { input.shallow_clone() })
    };
    if let Some(diffusion) = &run.experiment.diffusion {
        let network = NoiseNetwork::new(&mut params.root(), &diffusion.network).unwrap();
        params.load_state_dict(&weights).unwrap();
        let steps = input("steps").unwrap().view([-1]).to_kind(Kind::Double);
        let mel = input("mel");
        let x = input("audio").unwrap();
        return network.forward(&x, &steps, mel.as_ref(), &Pass::eval()).unwrap();
    }
    let codes = 1 << run.experiment.data.bits;
    let shape =
        Shape { input: Input::Tokens { vocabulary: codes }, output: Output::PerPosition(codes) };
    let network = Network::new(&mut params.root(), &run.experiment.model, shape).unwrap();
    params.load_state_dict(&weights).unwrap();
    let x = input("x").unwrap();
    if call["mode"] == "step" {
        let stepper = network.stepper(StepMode::Linear, 1.0).unwrap();
        let mut state = network.default_state(x.size()[0]).unwrap();
        let step = |at| {
            let output;
            (output, state) = stepper.step(&x.select(1, at), &state).unwrap();
            output
        };
        return Tensor::stack(&(0..x.size()[1]).map(step).collect::<Vec<_>>(), 1);
    }
    let y = network.forward(&x, &Pass::eval()).unwrap();
    match call["last"].as_i64() {
        Some(last) => y.narrow(1, y.size()[1] - last, last),
        None => y,
    }
}

#[test]
fn parity_imported_runs_give_the_official_outputs() {
    let _guard = tch::no_grad_guard();
    for json in descriptions() {
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &json);
        let (run, io) = (open(folder.path()), io(&json));
        for call in json["calls"].as_array().unwrap() {
            let name = text(call, "output");
            let expected = io.get(&format!("out64/{name}")).unwrap();
            let error = parity::relative_error(&output(&run, call, &io), expected);
            println!("{} {name}: {error:.1e}", json["file"]);
            assert!(error <= 1e-8, "{} {name}: {error:e}", json["file"]);
        }
    }
}

#[test]
fn parity_exported_weights_are_the_files_bit_for_bit() {
    for json in descriptions() {
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &json);
        for file in ["weights.safetensors", "weights.pt"] {
            succeed(sashimi(folder.path()).args(["export", "run", "--out", file]));
        }
        let bytes = fs::read(folder.path().join("weights.safetensors")).unwrap();
        let (own, io) = (StateDict::from_safetensors(&bytes).unwrap(), io(&json));
        for (name, tensor) in own.iter() {
            assert_eq!(Some(tensor), io.get(&format!("sd/{name}")), "{name}");
        }
        assert_eq!(own.len(), io.names().filter(|name| name.starts_with("sd/")).count());
        let mut again = sashimi(folder.path());
        again.args(["import", "weights.pt", "--out", "again", "--config", "run/config.toml"]);
        succeed(&mut again);
    }
}

/// One that predicts codes.
fn of_codes() -> Value {
    descriptions().into_iter().find(|json| json["family"] == "s4").unwrap()
}

#[test]
fn an_imported_run_generates_is_evaluated_and_trained_further() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    import(path, &of_codes());
    fs::create_dir(path.join("digits")).unwrap();
    for name in ["0_george", "0_jackson", "7_george", "7_jackson"] {
        for index in [0, 5, 10] {
            let name = format!("{name}_{index}.wav");
            fs::copy(clip(&name), path.join("digits").join(name)).unwrap();
        }
    }
    let mut generate = sashimi(path);
    generate.args(["generate", "run", "--count", "1", "--seconds", "0.05", "--device", "cpu"]);
    succeed(generate.args(["--out", "sounds"]));
    assert!(fs::read_dir(path.join("sounds")).unwrap().count() > 0);
    let mut evaluate = sashimi(path);
    evaluate.args(["evaluate", "run", "--data", "digits", "--json", "--device", "cpu"]);
    let (json, _) = succeed(&mut evaluate);
    assert!(json.contains("bits_per_sample"), "{json}");
    let mut further = sashimi(path);
    further.args([
        "train",
        "--resume",
        "run",
        "--data",
        "digits",
        "--device",
        "cpu",
        "--max-steps",
        "1",
    ]);
    let (_, said) =
        succeed(further.args(["--set", "preview.count=0", "--set", "data.val_count=2"]));
    assert!(said.contains("has weights alone"), "{said}");
}

#[test]
fn parity_noise_networks_generate() {
    for json in descriptions().iter().filter(|json| json["family"] == "diffwave") {
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), json);
        let mut generate = sashimi(folder.path());
        generate.args(["generate", "run", "--count", "1", "--fast", "--device", "cpu"]);
        succeed(generate.args(["--out", "sounds"]));
    }
}

#[test]
fn what_is_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let json = of_codes();
    let file = checkpoints().join(text(&json, "file"));
    let import = || {
        let mut command = sashimi(path);
        command.arg("import").arg(&file).args(["--out", "run"]);
        command
    };
    fail(import().args(["--set", "model.n_layers=3"]), 1, &["is missing", "--set or --config"]);
    fail(import().args(["--preset", "nothing"]), 2, &["there is no preset `nothing`"]);
    fs::write(path.join("text.ckpt"), "no checkpoint").unwrap();
    fail(
        sashimi(path).args(["import", "text.ckpt", "--out", "run"]),
        1,
        &["text.ckpt is no file of"],
    );
    fail(sashimi(path).arg("import").arg(&file), 2, &["--out"]);
    let (help, _) = succeed(sashimi(path).args(["import", "--help"]));
    for word in ["CHECKPOINT", "--out", "--config", "--set", "--preset", "nothing in it is run"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let (help, _) = succeed(sashimi(path).args(["export", "--help"]));
    assert!(help.contains(".safetensors"), "{help}");
}

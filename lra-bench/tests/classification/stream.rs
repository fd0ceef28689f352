//! The engine without libtorch against the classifiers that it steps.

use anyhow::{Context, Result, ensure};
use datasets::shape::Target;
use datasets::tasks;
use lra_bench::experiment::{Experiment, Preset};
use lra_bench::objective::Supervised;
use models::Network;
use parity::seeded;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_config::{Input, NetworkConfig, Output, Pooling, Shape};
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{ParamStore, Role};
use s4_stream::Engine;
use serde::Serialize;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::objective::Objective;

/// Of differences of scores, in parts of the largest score where that is above 1.
const TOLERANCE: f64 = 1e-5;

const CLASSES: i64 = 5;
const TOKENS: Input = Input::Tokens { vocabulary: 11 };
const VALUES: Input = Input::Values { features: 3 };

/// The part of a run's configuration that the engine reads.
#[derive(Serialize)]
struct Run<'a> {
    model: &'a NetworkConfig,
}

fn toml(config: &NetworkConfig) -> String {
    program::config::to_toml(&Run { model: config }).unwrap()
}

/// Moves every parameter, and what batch norm has kept, away from where training begins. Draws from
/// tch's generator.
fn shake(store: &ParamStore) {
    let _guard = tch::no_grad_guard();
    for entry in store.entries() {
        let noise = Tensor::rand(entry.tensor.size(), (Kind::Float, Device::Cpu));
        let mut tensor = entry.tensor.detach();
        if matches!(entry.role, Role::Parameter(_)) {
            let _ = tensor.g_add_(&((noise - 0.5) * 0.1));
        } else if entry.name.ends_with("running_mean") {
            tensor.copy_(&(noise - 0.5));
        } else if entry.name.ends_with("running_var") {
            tensor.copy_(&(noise * 2.0 + 0.1));
        }
    }
}

fn shape(input: Input) -> Shape {
    Shape { input, output: Output::Classes(CLASSES) }
}

fn random(config: &NetworkConfig, shape: Shape) -> Result<(Network, ParamStore)> {
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    let model = seeded(5, || -> Result<Network> {
        let model = Network::new(&mut store.root(), config, shape)?;
        shake(&store);
        Ok(model)
    })?;
    Ok((model, store))
}

/// Inputs of some sequences, for libtorch and position by position.
struct Inputs {
    tensor: Tensor,
    tokens: Vec<Vec<u32>>,
    values: Vec<Vec<f32>>,
}

impl Inputs {
    fn random(kind: Input, batch: usize, len: usize) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let shape = [len as i64, batch as i64, -1];
        let (mut tokens, mut values) = (Vec::new(), Vec::new());
        let tensor = match kind {
            Input::Tokens { vocabulary } => {
                let mut draw = |_| rng.random_range(0..vocabulary as u32);
                tokens.extend((0..len).map(|_| (0..batch).map(&mut draw).collect::<Vec<_>>()));
                let flat: Vec<i64> = tokens.iter().flatten().map(|&token| token.into()).collect();
                Tensor::f_from_slice(&flat)?.view(&shape[..2])
            }
            Input::Values { features } => {
                let count = batch * features as usize;
                let mut draw = |_| rng.random_range(-1.0..1.0f32);
                values.extend((0..len).map(|_| (0..count).map(&mut draw).collect::<Vec<_>>()));
                Tensor::f_from_slice(&values.concat())?.view(shape)
            }
        };
        Ok(Self { tensor: tensor.transpose(0, 1), tokens, values })
    }

    /// Scores (B, K) after the input at `position`.
    fn step(&self, engine: &mut Engine, position: usize) -> Result<Tensor> {
        let batch = engine.batch() as i64;
        let scores = match self.tokens.get(position) {
            Some(tokens) => engine.step(tokens)?,
            None => engine.step_values(&self.values[position])?,
        };
        Ok(Tensor::f_from_slice(scores)?.view([batch, -1]))
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    ensure!(a.size() == b.size(), "{:?} and {:?}", a.size(), b.size());
    let largest = a.abs().max().double_value(&[]).max(1.0);
    let difference = (a - b).abs().max().double_value(&[]) / largest;
    // `max` of numbers would pass over NaN.
    ensure!(difference.is_finite(), "the difference is {difference}");
    Ok(difference)
}

/// The largest difference between the scores of sequences of these lengths and those of steps.
fn worst(settings: &Value, kind: Input, batch: usize, lengths: &[usize]) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let config: NetworkConfig = serde_json::from_value(settings.clone())?;
    let (model, store) = random(&config, shape(kind))?;
    let weights = store.state_dict().to_safetensors(&[])?;
    let stream = s4_stream::Model::new_classifier(&toml(&config), &weights)?;
    ensure!(stream.outputs() as i64 == CLASSES);
    let longest = lengths.iter().copied().max().context("no lengths")?;
    let inputs = Inputs::random(kind, batch, longest)?;
    let mut engine = stream.engine(batch)?;
    let mut worst = 0.0f64;
    for position in 0..longest {
        let stepped = inputs.step(&mut engine, position)?;
        if lengths.contains(&(position + 1)) {
            let prefix = inputs.tensor.narrow(1, 0, position as i64 + 1);
            let whole = model.forward(&prefix, &Pass::eval())?;
            worst = worst.max(largest_difference(&whole, &stepped)?);
        }
    }
    Ok(worst)
}

/// A small stack with some settings of its own.
fn stack(changes: &Value, layer: &Value, ssm: &Value) -> Value {
    let mut model = json!({"d_model": 20, "n_layers": 3, "pooling": "last", "layer": {"ssm": {}}});
    model["layer"]["ssm"]["d_state"] = json!(8);
    let merge = |into: &mut Value, from: &Value| {
        for (key, value) in from.as_object().expect("an object") {
            into[key] = value.clone();
        }
    };
    merge(&mut model, changes);
    merge(&mut model["layer"], layer);
    merge(&mut model["layer"]["ssm"], ssm);
    model
}

fn check(settings: &Value, lengths: &[usize]) {
    for (kind, batch) in [(VALUES, 3), (TOKENS, 1)] {
        let worst = worst(settings, kind, batch, lengths);
        let worst = worst.with_context(|| settings.to_string()).unwrap();
        assert!(worst <= TOLERANCE, "{worst:e}: {settings}");
    }
}

#[test]
fn steps_are_the_classifier_on_every_beginning() {
    for mode in ["s4", "s4d"] {
        for prenorm in [true, false] {
            for norm in ["layer", "batch", "scalar", "none"] {
                let wiring = json!({"norm": norm, "prenorm": prenorm});
                let settings = stack(&wiring, &json!({}), &json!({"mode": mode}));
                check(&settings, &[1, 2, 3, 40, 150]);
            }
        }
    }
}

#[test]
fn every_kind_of_block_can_be_stepped() {
    for (layer, ssm) in [
        (json!({"channels": 2}), json!({"rank": 2})),
        (json!({"channels": 3, "final_act": "gelu"}), json!({"mode": "s4d", "disc": "bilinear"})),
        (json!({"final_act": "none", "activation": "silu"}), json!({"n_ssm": 2})),
        (json!({"final_act": "id"}), json!({"mode": "s4d", "init": "diag-real", "is_real": true})),
    ] {
        check(&stack(&json!({}), &layer, &ssm), &[1, 40, 150]);
    }
}

#[test]
fn every_pooling_can_be_stepped() {
    for pooling in ["pool", "sum", "last", "first"] {
        let settings = stack(&json!({"pooling": pooling}), &json!({}), &json!({}));
        check(&settings, &[1, 2, 40, 150]);
    }
}

/// A mean over many positions, and a state that has seen as many.
#[test]
fn differences_do_not_grow_over_4000_steps() {
    for pooling in ["pool", "last"] {
        let changes = json!({"d_model": 48, "norm": "batch", "prenorm": true, "pooling": pooling});
        let settings = stack(&changes, &json!({}), &json!({"d_state": 64}));
        let worst = worst(&settings, VALUES, 1, &[1000, 4000]).unwrap();
        println!("largest difference of scores, {pooling}: {worst:.1e}");
        assert!(worst <= TOLERANCE, "{worst:e}: {pooling}");
    }
}

/// The tensors of an engine's state after the inputs x (B, H, L) of `stack`, and its outputs.
fn convolved(stack: &dyn SequenceLayer, x: &Tensor, pooling: Pooling) -> Result<Vec<Vec<f32>>> {
    let before = stack.default_state(x.size()[0])?;
    let (y, mut state) = stack.forward_with_state(x, &before, &Pass::eval())?;
    match pooling {
        Pooling::Last => {}
        Pooling::First => state.push(y.select(2, 0)),
        Pooling::Sum | Pooling::Mean => {
            state.push(y.sum_dim_intlist([2i64].as_slice(), false, None));
        }
    }
    state.iter().map(|tensor| Ok(Vec::try_from(tensor.contiguous().view([-1]))?)).collect()
}

#[test]
fn a_beginning_by_convolution_goes_on_by_steps() {
    let _guard = tch::no_grad_guard();
    for (mode, pooling) in [
        ("s4", Pooling::Mean),
        ("s4d", Pooling::Sum),
        ("s4", Pooling::First),
        ("s4d", Pooling::Last),
    ] {
        let settings = stack(&json!({"pooling": pooling}), &json!({}), &json!({"mode": mode}));
        let config: NetworkConfig = serde_json::from_value(settings).unwrap();
        let (network, store) = random(&config, shape(VALUES)).unwrap();
        let weights = store.state_dict().to_safetensors(&[]).unwrap();
        let stream = s4_stream::Model::new_classifier(&toml(&config), &weights).unwrap();
        let (batch, len, first) = (3, 120, 70);
        let inputs = Inputs::random(VALUES, batch, len).unwrap();
        let x = network.embed(&inputs.tensor).unwrap();
        let backbone = network.backbone();
        let state = convolved(backbone, &x.narrow(2, 0, first as i64), pooling).unwrap();
        let mut engine = stream.engine_on(batch, 2).unwrap();
        engine.load_state(first as u64, &state).unwrap();
        for position in first..len {
            let stepped = inputs.step(&mut engine, position).unwrap();
            let beginning = x.narrow(2, 0, position as i64 + 1);
            let whole = network.from_embedded(&beginning, &Pass::eval()).unwrap();
            let difference = largest_difference(&whole, &stepped).unwrap();
            assert!(difference <= TOLERANCE, "{difference:e}: {mode}, {pooling:?}, {position}");
        }
    }
}

/// Weights of 16 bits: those of the map from values to channels as well.
#[test]
fn rounded_weights_differ_little() {
    for kind in [VALUES, TOKENS] {
        let settings = stack(&json!({}), &json!({}), &json!({}));
        let config: NetworkConfig = serde_json::from_value(settings).unwrap();
        let (_, store) = random(&config, shape(kind)).unwrap();
        let weights = store.state_dict().to_safetensors(&[]).unwrap();
        let exact = s4_stream::Model::new_classifier(&toml(&config), &weights).unwrap();
        let rounded = exact.clone().int16();
        assert_eq!(rounded.precision(), s4_stream::Precision::Int16);
        let inputs = Inputs::random(kind, 2, 100).unwrap();
        let (mut exact, mut rounded) = (exact.engine(2).unwrap(), rounded.engine(2).unwrap());
        for position in 0..100 {
            let expected = inputs.step(&mut exact, position).unwrap();
            let found = inputs.step(&mut rounded, position).unwrap();
            let difference = largest_difference(&expected, &found).unwrap();
            assert!(difference > 0.0 && difference < 1e-3, "{difference:e} at {position}");
        }
    }
}

/// An experiment as its run folder has it.
#[test]
fn a_runs_configuration_is_understood() {
    let task = tasks::find("smnist").unwrap();
    let preset = |overrides: &[String]| {
        let experiment = Experiment::preset(task, Preset::Small, overrides).unwrap().value;
        let input = Input::Values { features: 1 };
        let shape = datasets::shape::Shape { input, target: Target::numbered(10) };
        let objective = seeded(1, || Supervised::new(&experiment, &shape, Device::Cpu)).unwrap();
        let weights = objective.params().state_dict().to_safetensors(&[]).unwrap();
        let toml = program::config::to_toml(&experiment).unwrap();
        s4_stream::Model::new_classifier(&toml, &weights)
    };
    let error = format!("{:#}", preset(&[]).unwrap_err());
    assert!(error.contains("bidirectional looks ahead"), "{error}");
    let stream = preset(&["model.layer.bidirectional=false".to_owned()]).unwrap();
    assert_eq!(stream.outputs(), 10);
    let mut engine = stream.engine(1).unwrap();
    assert_eq!(engine.step_values(&[0.5]).unwrap().len(), 10);
    let error = engine.step(&[1]).unwrap_err().to_string();
    assert!(error.contains("vectors of 1 values"), "{error}");
}

#[test]
fn what_cannot_be_stepped_is_refused() {
    let error = |layer: Value, output: Output| {
        let config: NetworkConfig =
            serde_json::from_value(stack(&json!({}), &layer, &json!({}))).unwrap();
        let (_, store) = random(&config, Shape { output, ..shape(TOKENS) }).unwrap();
        let weights = store.state_dict().to_safetensors(&[]).unwrap();
        format!("{:#}", s4_stream::Model::new_classifier(&toml(&config), &weights).unwrap_err())
    };
    assert!(error(json!({"l_max": 100}), Output::Classes(CLASSES)).contains("l_max cuts"));
    assert!(error(json!({}), Output::Pair(CLASSES)).contains("compares two"));
}

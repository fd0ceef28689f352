//! The engine without libtorch against the convolution of the model that it steps.

use std::fs;

use anyhow::{Context, Result};
use generation::{agreement, stream};
use models::Network;
use parity::{normal, seeded};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_config::{Backbone, Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::{Hyper, ParamStore, Role};
use s4_core::recurrence::StepMode;
use s4_core::state_dict::StateDict;
use s4_stream::Engine;
use serde::Serialize;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::checkpoint::{Checkpoint, Meta, TrainState};
use training::schedule::{Schedule, ScheduleState};

/// Of differences in log p.
const TOLERANCE: f64 = 1e-4;

/// The same between engines that came to the same place in two ways.
const HANDED_OVER: f64 = 1e-5;

/// The part of a run's configuration that the engine reads.
#[derive(Serialize)]
struct Run<'a> {
    model: &'a NetworkConfig,
}

fn toml(config: &NetworkConfig) -> String {
    program::config::to_toml(&Run { model: config }).unwrap()
}

/// The settings of a `[model]` whose default backbone is SaShiMi.
fn from(settings: Value) -> NetworkConfig {
    let config: NetworkConfig = serde_json::from_value(settings).expect("valid settings");
    config.complete(Backbone::Sashimi)
}

/// A random model, every parameter of which differs from where training would begin.
fn random(config: &NetworkConfig, codes: i64) -> Result<(Network, ParamStore)> {
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    let output = Output::PerPosition(codes);
    let shape = Shape { input: Input::Tokens { vocabulary: codes }, output };
    let model = seeded(5, || -> Result<Network> {
        let model = Network::new(&mut store.root(), config, shape)?;
        let _guard = tch::no_grad_guard();
        for entry in store.entries() {
            if matches!(entry.role, Role::Parameter(Hyper { .. })) {
                let _ = entry.tensor.detach().g_add_(&(entry.tensor.randn_like() * 0.03));
            }
        }
        Ok(model)
    })?;
    Ok((model, store))
}

/// `len` random codes of `batch` sequences: position by position, and (B, L).
fn random_codes(codes: i64, batch: usize, len: usize) -> Result<(Vec<Vec<u32>>, Tensor)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn: Vec<Vec<u32>> =
        (0..len).map(|_| (0..batch).map(|_| rng.random_range(0..codes as u32)).collect()).collect();
    let flat: Vec<i64> = drawn.iter().flatten().map(|&code| code.into()).collect();
    let tensor = Tensor::f_from_slice(&flat)?.view([len as i64, batch as i64]).transpose(0, 1);
    Ok((drawn, tensor))
}

/// The largest difference in log p of scores.
fn in_log_p(a: &Tensor, b: &Tensor) -> f64 {
    let log_p = |scores: &Tensor| scores.log_softmax(-1, Kind::Double);
    (log_p(a) - log_p(b)).abs().max().double_value(&[])
}

/// The scores (B, L, K) of an engine's steps.
fn steps(engine: &mut Engine, codes: &[Vec<u32>]) -> Result<Tensor> {
    let mut scores: Vec<f32> = Vec::new();
    for codes in codes {
        scores.extend(engine.step(codes)?);
    }
    let shape = [codes.len() as i64, engine.batch() as i64, -1];
    Ok(Tensor::f_from_slice(&scores)?.view(shape).transpose(0, 1))
}

/// The largest difference in log p over `len` random codes of `batch` sequences.
fn difference(model: &Network, engine: &mut Engine, codes: i64, len: usize) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let (drawn, input) = random_codes(codes, engine.batch(), len)?;
    let by_convolution = model.forward(&input, &Pass::eval())?; // (B, L, K)
    Ok(in_log_p(&by_convolution, &steps(engine, &drawn)?))
}

/// The largest difference of a small model of these settings, alone and in a batch.
fn worst(settings: &Value) -> Result<f64> {
    let config = from(settings.clone());
    let codes = 19;
    let (model, store) = random(&config, codes)?;
    let weights = store.state_dict().to_safetensors(&[])?;
    let stream = s4_stream::Model::new(&toml(&config), &weights)?;
    let mut worst = 0.0f64;
    for batch in [1, 3] {
        let found = difference(&model, &mut stream.engine(batch)?, codes, 300)?;
        // `max` would pass over NaN.
        anyhow::ensure!(found.is_finite(), "the difference is {found}");
        worst = worst.max(found);
    }
    Ok(worst)
}

/// Models that between them use everything that can be stepped.
fn settings() -> Vec<Value> {
    let small = |changes: Value, layer: Value, ssm: Value| {
        let mut model = json!({"d_model": 20, "n_layers": 2, "pool": [2, 3]});
        let mut block = json!({"ssm": {"d_state": 8}});
        let merge = |into: &mut Value, from: Value| {
            for (key, value) in from.as_object().expect("an object") {
                into[key] = value.clone();
            }
        };
        merge(&mut block["ssm"], ssm);
        merge(&mut block, layer);
        merge(&mut model, changes);
        model["layer"] = block;
        model
    };
    let none = || json!({});
    vec![
        small(none(), none(), none()),
        small(json!({"variant": "audio"}), none(), json!({"dt_transform": "softplus"})),
        small(json!({"lags": [2, 7, 30]}), none(), none()),
        small(json!({"logistics": {}}), none(), none()),
        small(
            json!({"lags": [5], "backbone": "s4", "pool": [],
                   "logistics": {"components": 3, "predictors": [[1], [3, 9, -12]]}}),
            none(),
            none(),
        ),
        small(json!({"unet": true, "pool": [2, 2, 2], "expand": 3}), none(), none()),
        small(json!({"unet": true, "variant": "audio", "ff": 0}), none(), none()),
        small(json!({"pool": [], "d_model": 32, "ff": 3}), none(), none()),
        small(json!({"pool": [1, 4], "ff": 0}), none(), none()),
        small(none(), none(), json!({"mode": "s4d", "init": "diag-lin"})),
        small(
            json!({"variant": "audio"}),
            none(),
            json!({"mode": "s4d", "init": "diag-inv", "disc": "bilinear", "dt_tie": false}),
        ),
        small(
            none(),
            json!({"final_act": "none", "activation": "silu"}),
            json!({"real_transform": "none", "imag_transform": "softplus", "n_ssm": 2,
                   "dt_tie": false}),
        ),
        small(
            none(),
            json!({"final_act": "silu", "activation": "tanh", "channels": 2}),
            json!({"init": "fourier", "rank": 2, "real_transform": "relu"}),
        ),
        small(
            none(),
            json!({"final_act": "id", "activation": "id", "channels": 3}),
            json!({"mode": "s4d", "init": "diag-legs", "bandlimit": 0.1, "dt_fast": true,
                   "dt_max": 0.5, "imag_transform": "exp"}),
        ),
        small(
            none(),
            json!({"activation": "relu", "final_act": "gelu"}),
            json!({"mode": "s4d", "init": "diag-real", "is_real": true, "d_state": 5}),
        ),
        small(none(), none(), json!({"init": "dplr-lin", "rank": 3, "real_transform": "softplus"})),
        wavenet(json!({"layers": 3, "blocks": 2})),
        wavenet(json!({"layers": 2, "blocks": 3, "kernel_size": 3, "bias": true})),
        wavenet(json!({"layers": 4, "blocks": 1, "kernel_size": 1})),
        samplernn(json!({"frame_sizes": [2, 3], "n_rnn": 2})),
        samplernn(json!({"frame_sizes": [4, 1, 3], "learn_h0": false, "companding": "a-law"})),
        samplernn(json!({"frame_sizes": [3], "weight_norm": false, "companding": "linear"})),
        samplernn(json!({"frame_sizes": [1, 4], "embed_frames": true})),
        samplernn(json!({"frame_sizes": [2, 2, 2], "embed_frames": true, "weight_norm": false})),
    ]
}

fn wavenet(mut section: Value) -> Value {
    for (key, size) in [("residual", 18), ("dilation", 7), ("skip", 33), ("end", 12)] {
        section[format!("{key}_channels")] = json!(size);
    }
    json!({"backbone": "wavenet", "d_model": 20, "wavenet": section})
}

fn samplernn(mut section: Value) -> Value {
    section["d_hidden"] = json!(18);
    json!({"backbone": "samplernn", "d_model": 5, "samplernn": section})
}

#[test]
fn steps_without_libtorch_are_those_of_the_convolution() {
    for settings in settings() {
        let worst = worst(&settings).with_context(|| settings.to_string()).unwrap();
        assert!(worst <= TOLERANCE, "{worst:e}: {settings}");
    }
}

/// The largest differences in log p between an engine that takes over the state of sequences after
/// `convolved` codes by convolution and `stepped` by libtorch's steps, and (an engine that has
/// stepped all of them, the convolution over everything), over what is left of 72 further codes.
fn handed_over(settings: &Value, convolved: i64, stepped: i64) -> Result<(f64, f64)> {
    let _guard = tch::no_grad_guard();
    let config = from(settings.clone());
    let (codes, batch, len) = (19, 3, convolved + 72);
    let (model, store) = random(&config, codes)?;
    let weights = store.state_dict().to_safetensors(&[])?;
    let stream = s4_stream::Model::new(&toml(&config), &weights)?;
    let first = convolved + stepped;
    let (drawn, input) = random_codes(codes, batch, len as usize)?;

    let mut state = model.default_state(batch as i64)?;
    state = model.forward_with_state(&input.narrow(1, 0, convolved), &state, &Pass::eval())?.1;
    let stepper = model.stepper(StepMode::Linear, 1.0)?;
    for at in convolved..first {
        state = stepper.step(&input.select(1, at), &state)?.1;
    }
    let tensors = stream::tensors_of(&state)?;
    let mut engine = stream.engine_on(batch, 2)?;
    engine.load_state(first as u64, &tensors)?;

    let (beginning, end) = drawn.split_at(first as usize);
    let mut own = stream.engine_on(batch, 2)?;
    let _ = steps(&mut own, beginning)?;
    let found = steps(&mut engine, end)?;
    let by_convolution = model.forward(&input, &Pass::eval())?.narrow(1, first, len - first);
    Ok((in_log_p(&steps(&mut own, end)?, &found), in_log_p(&by_convolution, &found)))
}

#[test]
fn a_beginning_by_convolution_goes_on_by_steps() {
    for settings in settings() {
        // All pooling factors and frames together divide 24; 5 more codes end in the midst of groups.
        for (convolved, stepped) in [(240, 0), (24, 5)] {
            let (own, convolution) = handed_over(&settings, convolved, stepped)
                .with_context(|| settings.to_string())
                .unwrap();
            assert!(own <= HANDED_OVER, "{own:e}: {settings}, {convolved} + {stepped}");
            assert!(
                convolution <= TOLERANCE,
                "{convolution:e}: {settings}, {convolved} + {stepped}"
            );
        }
    }
}

#[test]
fn a_prefix_is_continued_as_if_it_had_been_stepped() {
    let config = from(json!({"d_model": 20, "n_layers": 2, "pool": [2, 3]}));
    let codes = 19;
    let (model, store) = random(&config, codes).unwrap();
    let weights = store.state_dict().to_safetensors(&[]).unwrap();
    let stream = s4_stream::Model::new(&toml(&config), &weights).unwrap();
    // Less than a group of pooled positions; many groups, without and with a rest.
    for len in [5, 1200, 1205] {
        let (drawn, _) = random_codes(codes, 1, len + 30).unwrap();
        let (prefix, rest) = drawn.split_at(len);
        let mut stepped = stream.engine(1).unwrap();
        let all = steps(&mut stepped, prefix).unwrap();
        let prefix = prefix.concat();
        let (mut after, scores) = stream::after(&model, &stream, &prefix, 2).unwrap();
        assert_eq!((after.batch(), scores.len()), (2, 2 * codes as usize));
        let mut convolved = stream.engine(1).unwrap();
        let next = stream::convolve(&model, &mut convolved, &prefix).unwrap();

        let last = all.select(1, len as i64 - 1);
        let twice: Vec<Vec<u32>> = rest.iter().map(|codes| codes.repeat(2)).collect();
        let expected = steps(&mut stepped, rest).unwrap();
        for difference in [
            in_log_p(&last, &Tensor::from_slice(&scores).view([2, codes])),
            in_log_p(&last, &Tensor::from_slice(&next)),
            in_log_p(&expected, &steps(&mut after, &twice).unwrap()),
            in_log_p(&expected, &steps(&mut convolved, rest).unwrap()),
        ] {
            assert!(difference <= HANDED_OVER, "{difference:e} after {len}");
        }
    }
}

/// The eight-layer model of the paper over a second of audio.
#[test]
fn differences_do_not_grow_over_16000_steps() {
    let config = NetworkConfig::of(Backbone::Sashimi);
    let codes = 256;
    let (model, store) = random(&config, codes).unwrap();
    let weights = store.state_dict().to_safetensors(&[]).unwrap();
    let stream = s4_stream::Model::new(&toml(&config), &weights).unwrap();
    let worst = difference(&model, &mut stream.engine(1).unwrap(), codes, 16_000).unwrap();
    println!("largest difference in log p: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{worst:e}");
}

/// Makes random weights more like trained ones: a few of them are large, and the scores are far
/// apart.
fn sharpen(store: &ParamStore) {
    let _guard = tch::no_grad_guard();
    for (name, tensor) in store.state_dict().iter().filter(|(_, tensor)| tensor.dim() > 1) {
        if name.ends_with("output_linear.0.weight") || name.contains(".ff.") {
            let noise = normal(6, &tensor.size(), Kind::Float).pow_tensor_scalar(3) * 0.003;
            let _ = tensor.detach().g_add_(&noise);
        } else if name.starts_with("decoder") {
            let _ = tensor.detach().g_mul_scalar_(3.0);
        }
    }
}

/// The paper's model again, with weights of 16 bits.
#[test]
fn rounded_weights_differ_little_over_16000_steps() {
    let config = NetworkConfig::of(Backbone::Sashimi);
    let codes = 256;
    for sharp in [false, true] {
        let (_model, store) = random(&config, codes).unwrap();
        if sharp {
            sharpen(&store);
        }
        let weights = store.state_dict().to_safetensors(&[]).unwrap();
        let stream = s4_stream::Model::new(&toml(&config), &weights).unwrap();
        let (drawn, _) = random_codes(codes, 1, 16_000).unwrap();
        let expected = steps(&mut stream.engine(1).unwrap(), &drawn).unwrap();
        let rounded = steps(&mut stream.int16().engine(1).unwrap(), &drawn).unwrap();
        let worst = in_log_p(&expected, &rounded);
        let spread = expected.std(false).double_value(&[]);
        println!("largest difference in log p: {worst:.1e} of scores {spread:.1} apart");
        assert!(worst <= agreement::TOLERANCE_INT16, "{worst:e}, sharp: {sharp}");
    }
}

#[test]
fn the_check_allows_for_rounded_weights_and_no_more() {
    let config = from(json!({"d_model": 8, "n_layers": 1, "pool": [2, 3]}));
    let codes = 19;
    // Scores far apart make much of the same rounding.
    let check = |spread: f64| {
        let (model, store) = random(&config, codes).unwrap();
        let decoder = store.get("decoder.output_transform.weight").expect("a decoder");
        let _ = tch::no_grad(|| decoder.detach().g_mul_scalar_(spread));
        let weights = store.state_dict().to_safetensors(&[]).unwrap();
        let stream = s4_stream::Model::new(&toml(&config), &weights).unwrap();
        let check = |stream: &s4_stream::Model| {
            agreement::check(&model, Some(stream), codes as usize, agreement::LENGTH)
        };
        check(&stream).unwrap();
        let rounded = stream.int16();
        let difference = agreement::of_engine(&model, &rounded, 2000).unwrap();
        (difference, check(&rounded))
    };
    let (difference, checked) = check(4.0);
    assert!(difference > agreement::TOLERANCE, "{difference:e} would pass anyway");
    checked.unwrap();
    let message = check(40.0).1.unwrap_err().to_string();
    assert!(message.contains("int16 too coarse") && message.contains("at most 1e-3"), "{message}");
}

#[test]
fn averaged_weights_of_a_checkpoint_are_taken() {
    let config = from(json!({"d_model": 8, "n_layers": 1, "pool": [2]}));
    let codes = 19;
    let (model, store) = random(&config, codes).unwrap();
    let zeros = |(name, tensor): (&str, &Tensor)| (name.to_owned(), tensor.zeros_like());
    let schedule = ScheduleState::new(Schedule::Constant {}, 1, 1).unwrap();
    let state = TrainState { step: 1, ..TrainState::new(1, schedule) };
    let checkpoint = Checkpoint {
        meta: Meta::new(state, 0, toml(&config)),
        model: store.state_dict().iter().map(zeros).collect(),
        ema: Some(store.state_dict()),
        optimizer: StateDict::new(),
        meters: StateDict::new(),
        carried: StateDict::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("config.toml"), folder.path().join("last.safetensors")];
    fs::write(&paths[0], toml(&config)).unwrap();
    fs::write(&paths[1], checkpoint.to_bytes().unwrap()).unwrap();
    let stream = s4_stream::Model::load(&paths[0], &paths[1]).unwrap();
    assert_eq!(stream.outputs(), 19);
    let worst = difference(&model, &mut stream.engine(2).unwrap(), codes, 40).unwrap();
    assert!(worst <= TOLERANCE, "{worst:e}");
}

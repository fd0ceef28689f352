//! The engine without libtorch against the convolution of the model that it steps.

use std::fs;

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_core::layer::Pass;
use s4_core::params::{Hyper, ParamStore, Role};
use s4_core::state_dict::StateDict;
use sashimi::model::{CodeModel, SashimiConfig};
use serde::Serialize;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::checkpoint::{Checkpoint, Meta, TrainState};
use training::schedule::{Schedule, ScheduleState};

/// Of differences in log p.
const TOLERANCE: f64 = 1e-4;

/// The part of a run's configuration that the engine reads.
#[derive(Serialize)]
struct Run<'a> {
    model: &'a SashimiConfig,
}

fn toml(config: &SashimiConfig) -> String {
    training::config::to_toml(&Run { model: config }).unwrap()
}

/// A random model, every parameter of which differs from where training would begin.
fn random(config: &SashimiConfig, codes: i64) -> Result<(CodeModel, ParamStore)> {
    tch::manual_seed(5);
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    let model = CodeModel::new(&mut store.root(), config, codes)?;
    let _guard = tch::no_grad_guard();
    for entry in store.entries() {
        if matches!(entry.role, Role::Parameter(Hyper { .. })) {
            let _ = entry.tensor.detach().g_add_(&(entry.tensor.randn_like() * 0.03));
        }
    }
    Ok((model, store))
}

/// The largest difference in log p over `len` random codes of `batch` sequences.
fn difference(
    model: &CodeModel,
    engine: &mut s4_stream::Engine,
    codes: i64,
    len: usize,
) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let batch = engine.batch();
    let drawn: Vec<Vec<u16>> =
        (0..len).map(|_| (0..batch).map(|_| rng.random_range(0..codes as u16)).collect()).collect();
    let flat: Vec<i64> = drawn.iter().flatten().map(|&code| code.into()).collect();
    let input = Tensor::f_from_slice(&flat)?.view([len as i64, batch as i64]).transpose(0, 1);
    let by_convolution = model.forward(&input, None, &Pass::eval())?; // (B, L, K)
    let mut stepped: Vec<f32> = Vec::new();
    for codes in &drawn {
        stepped.extend(engine.step(codes)?);
    }
    let stepped = Tensor::f_from_slice(&stepped)?.view([len as i64, batch as i64, codes]);
    let log_p = |scores: &Tensor| scores.log_softmax(-1, Kind::Double);
    let difference = log_p(&by_convolution) - log_p(&stepped.transpose(0, 1));
    Ok(difference.abs().max().double_value(&[]))
}

/// The largest difference of a small model of these settings, alone and in a batch.
fn worst(settings: &Value) -> Result<f64> {
    let config: SashimiConfig = serde_json::from_value(settings.clone())?;
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
    ]
}

#[test]
fn steps_without_libtorch_are_those_of_the_convolution() {
    for settings in settings() {
        let worst = worst(&settings).with_context(|| settings.to_string()).unwrap();
        assert!(worst <= TOLERANCE, "{worst:e}: {settings}");
    }
}

/// The eight-layer model of the paper over a second of audio.
#[test]
fn differences_do_not_grow_over_16000_steps() {
    let config = SashimiConfig::default();
    let codes = 256;
    let (model, store) = random(&config, codes).unwrap();
    let weights = store.state_dict().to_safetensors(&[]).unwrap();
    let stream = s4_stream::Model::new(&toml(&config), &weights).unwrap();
    let worst = difference(&model, &mut stream.engine(1).unwrap(), codes, 16_000).unwrap();
    println!("largest difference in log p: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{worst:e}");
}

#[test]
fn averaged_weights_of_a_checkpoint_are_taken() {
    let config: SashimiConfig =
        serde_json::from_value(json!({"d_model": 8, "n_layers": 1, "pool": [2]})).unwrap();
    let codes = 19;
    let (model, store) = random(&config, codes).unwrap();
    let zeros = |(name, tensor): (&str, &Tensor)| (name.to_owned(), tensor.zeros_like());
    let state = TrainState {
        step: 1,
        batches: 1,
        samples: 1,
        batches_per_epoch: 1,
        schedule: ScheduleState::new(Schedule::Constant {}, 1).unwrap(),
        rollbacks: 0,
        evaluated_at: None,
        best: None,
        evaluations_since_best: 0,
        seconds: 0.0,
    };
    let checkpoint = Checkpoint {
        meta: Meta::new(state, 0, toml(&config)),
        model: store.state_dict().iter().map(zeros).collect(),
        ema: Some(store.state_dict()),
        optimizer: StateDict::new(),
        meters: StateDict::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("config.toml"), folder.path().join("last.safetensors")];
    fs::write(&paths[0], toml(&config)).unwrap();
    fs::write(&paths[1], checkpoint.to_bytes().unwrap()).unwrap();
    let stream = s4_stream::Model::load(&paths[0], &paths[1]).unwrap();
    assert_eq!(stream.levels(), 19);
    let worst = difference(&model, &mut stream.engine(2).unwrap(), codes, 40).unwrap();
    assert!(worst <= TOLERANCE, "{worst:e}");
}

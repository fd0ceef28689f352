//! One model, three ways: whole sequences by convolution, parts with a state, single steps. Outputs,
//! states and gradients agree.

use s4_config::SashimiConfig;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use audio_data::quantise::{Companding, Quantiser};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use sashimi::data::batch::CodeBatch;
use sashimi::experiment::{Experiment, Preset};
use sashimi::generate::sampling::Sampling;
use sashimi::generate::tensors::Tensors;
use sashimi::generate::{Generator, agreement};
use sashimi::model::CodeModel;
use sashimi::model::Sashimi;
use sashimi::model::SashimiState;
use sashimi::objective::NextCode;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::objective::{Objective, Phase};

/// Models that between them use every part.
fn variants() -> Vec<(&'static str, SashimiConfig)> {
    let ssm = json!({"d_state": 4, "dt_transform": "softplus"});
    let variant = |name, changes: Value| {
        let mut config = json!({"d_model": 4, "n_layers": 1, "layer": {"ssm": ssm}});
        for (key, value) in changes.as_object().expect("an object") {
            config[key] = value.clone();
        }
        (name, serde_json::from_value(config).expect("valid settings"))
    };
    vec![
        variant("plain", json!({})),
        variant("audio variant, two layers", json!({"variant": "audio", "n_layers": 2})),
        variant("U-Net, three pools", json!({"unet": true, "pool": [2, 3, 2], "n_layers": 2})),
        variant("audio variant, U-Net", json!({"variant": "audio", "unet": true, "pool": [2, 3]})),
        variant("U-Net without feed-forward", json!({"unet": true, "ff": 0, "pool": [2]})),
        variant("no pooling", json!({"pool": []})),
        variant("pools of one, wide", json!({"pool": [1, 4], "expand": 3})),
        variant(
            "S4D",
            json!({"layer": {"ssm": {"mode": "s4d", "init": "diag-lin", "d_state": 4}}}),
        ),
        variant(
            "unconstrained, shared, not gated",
            json!({"layer": {"final_act": "id",
                   "ssm": {"d_state": 4, "n_ssm": 1, "real_transform": "none"}}}),
        ),
    ]
}

static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draw` with tch's generator at a fixed seed, alone: the generator is the whole process's,
/// and tests run side by side.
fn seeded<T>(draw: impl FnOnce() -> T) -> T {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(1);
    draw()
}

fn model(config: &SashimiConfig) -> (ParamStore, Sashimi) {
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let model = seeded(|| Sashimi::new(&mut store.root(), config).expect("a model"));
    (store, model)
}

fn next_code(experiment: &Experiment) -> NextCode {
    seeded(|| NextCode::new(experiment, parity::device()).expect("a model"))
}

fn normal(shape: &[i64]) -> Tensor {
    // The generator is the whole process's: an initialisation beside it would come out otherwise.
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    Tensor::randn(shape, (Kind::Double, Device::Cpu)).to_device(parity::device())
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.size(), expected.size(), "{what}");
    let difference = (actual - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]).max(1e-6);
    assert!(difference <= tolerance * scale, "{what}: {difference:.2e} of {scale:.2e}");
}

/// The outputs of single steps, (B, H, L).
fn stepped(model: &Sashimi, x: &Tensor, state: &mut SashimiState) -> Result<Tensor> {
    let stepper = model.stepper(StepMode::Linear)?;
    let outputs: Vec<Tensor> = x.unbind(2).iter().map(|x| stepper.step(x, state)).collect();
    Ok(Tensor::stack(&outputs, 2))
}

#[test]
fn convolution_parts_and_steps_agree() -> Result<()> {
    for (name, config) in variants() {
        let (_store, model) = model(&config);
        let _guard = tch::no_grad_guard();
        let stride = model.stride();
        let len = 5 * stride + 2; // no whole number of groups
        let x = normal(&[2, config.d_model, len]);
        let whole = model.forward(&x, &Pass::eval())?;

        let by_steps = stepped(&model, &x, &mut model.default_state(2)?)?;
        assert_close(name, &by_steps, &whole, 1e-10);

        // Two parts by convolution, the rest by steps.
        let mut state = model.default_state(2)?;
        let mut parts = Vec::new();
        for (start, part) in [(0, 3 * stride), (3 * stride, stride)] {
            let x = x.narrow(2, start, part);
            parts.push(model.forward_with_state(&x, &mut state, &Pass::eval())?);
        }
        parts.push(stepped(&model, &x.narrow(2, 4 * stride, stride + 2), &mut state)?);
        assert_close(name, &Tensor::cat(&parts, 2), &whole, 1e-10);

        // The state stands within a group now, unless there are none.
        let refused = model.forward_with_state(&x.narrow(2, 0, stride), &mut state, &Pass::eval());
        let phase = len % stride;
        assert_eq!(refused.is_err(), phase != 0, "{name}: {refused:?}");
    }
    Ok(())
}

#[test]
fn sequences_of_any_length_are_finite_and_those_of_steps() -> Result<()> {
    for (variant, unet) in
        [("standalone", false), ("standalone", true), ("audio", false), ("audio", true)]
    {
        let settings = json!({"d_model": 4, "n_layers": 1, "pool": [2, 3], "variant": variant,
                              "unet": unet, "layer": {"ssm": {"d_state": 4}}});
        let (store, model) = model(&serde_json::from_value(settings)?);
        for len in [1, 5, 6, 7, 89] {
            let name = format!("{variant}, U-Net {unet}, {len} positions");
            let x = normal(&[2, 4, len]);
            store.zero_grad();
            let whole = model.forward(&x, &Pass::train())?;
            whole.square().sum(Kind::Double).backward();
            for (parameter, tensor, _) in store.parameters() {
                let largest = tensor.grad().abs().max().double_value(&[]);
                assert!(largest.is_finite(), "{name}: gradient of {parameter}");
            }
            let _guard = tch::no_grad_guard();
            let by_steps = stepped(&model, &x, &mut model.default_state(2)?)?;
            assert_close(&name, &by_steps, &whole, 1e-10);
        }
    }
    Ok(())
}

#[test]
fn gradients_of_parts_are_those_of_the_whole() -> Result<()> {
    for (name, config) in variants() {
        let (store, model) = model(&config);
        let stride = model.stride();
        let x = normal(&[2, config.d_model, 4 * stride]);
        let weight = normal(&x.size());
        let gradients = |store: &ParamStore| -> Vec<(String, Tensor)> {
            store.parameters().map(|(name, t, _)| (name.to_owned(), t.grad().copy())).collect()
        };
        (model.forward(&x, &Pass::train())? * &weight).sum(Kind::Double).backward();
        let whole = gradients(&store);

        store.zero_grad();
        let mut state = model.default_state(2)?;
        let mut parts = Vec::new();
        for (start, part) in [(0, stride), (stride, 3 * stride)] {
            let x = x.narrow(2, start, part);
            parts.push(model.forward_with_state(&x, &mut state, &Pass::train())?);
        }
        (Tensor::cat(&parts, 2) * &weight).sum(Kind::Double).backward();
        for ((parameter, part), (_, whole)) in gradients(&store).iter().zip(&whole) {
            assert_close(&format!("{name}: {parameter}"), part, whole, 1e-7);
        }
    }
    Ok(())
}

#[test]
fn nothing_is_seen_before_its_time() -> Result<()> {
    for (name, config) in variants() {
        let (_store, model) = model(&config);
        let _guard = tch::no_grad_guard();
        let len = 3 * model.stride();
        let x = normal(&[1, config.d_model, len]);
        let before = model.forward(&x, &Pass::eval())?;
        for changed in [0, len / 2, len - 1] {
            let other = x.copy();
            // Not the same for all channels, which layer norm would take away again.
            let _ = other.select(2, changed).g_add_(&normal(&[1, config.d_model]));
            let after = model.forward(&other, &Pass::eval())?;
            // The FFT spreads rounding errors over all positions.
            let difference = (&after - &before).abs().amax([0i64, 1].as_slice(), false);
            let past = difference.narrow(0, 0, changed).max_or_zero();
            assert!(past < 1e-10, "{name}: position {changed} changes the past by {past:.1e}");
            let now = difference.double_value(&[changed]);
            assert!(now > 1e-6, "{name}: position {changed} does not matter");
        }
    }
    Ok(())
}

trait MaxOrZero {
    fn max_or_zero(&self) -> f64;
}

impl MaxOrZero for Tensor {
    fn max_or_zero(&self) -> f64 {
        if self.numel() == 0 { 0.0 } else { self.max().double_value(&[]) }
    }
}

#[test]
fn a_bidirectional_model_works_on_whole_sequences_only() -> Result<()> {
    let config = serde_json::from_value(json!({
        "d_model": 4, "n_layers": 1, "pool": [2], "layer": {"bidirectional": true},
    }))?;
    let (_store, model) = model(&config);
    let x = normal(&[1, 4, 7]);
    assert_eq!(model.forward(&x, &Pass::eval())?.size(), x.size());
    assert!(model.default_state(1).is_err() && model.stepper(StepMode::Linear).is_err());
    Ok(())
}

const TINY: [&str; 8] = [
    "model.d_model=8",
    "model.n_layers=1",
    "model.pool=[2, 2]",
    "model.layer.ssm.d_state=4",
    "data.rate=8000",
    "data.bits=4",
    "preview.count=0",
    "train.seed=3",
];

fn tiny(more: &[&str]) -> Experiment {
    let overrides: Vec<String> = TINY.iter().chain(more).map(|&s| s.to_owned()).collect();
    Preset::find("small").unwrap().load(&overrides).unwrap().value
}

fn batch() -> CodeBatch {
    let codes = |seed: usize, len: usize| (0..len).map(|i| (i * i * seed % 16) as u16).collect();
    CodeBatch::new(&[codes(3, 37), codes(5, 30), codes(7, 3)])
}

#[test]
fn segments_change_gradients_but_no_figure() -> Result<()> {
    let batch = batch();
    let mut whole = next_code(&tiny(&[]));
    let mut parts = next_code(&tiny(&["data.segment=8"]));
    let on_device = whole.upload(&batch)?;
    let (a, b) = (whole.step(&on_device, Phase::Eval)?, parts.step(&on_device, Phase::Eval)?);
    assert_eq!((a.samples, b.samples), (70, 70));
    assert_close("loss", &b.loss, &a.loss, 1e-5);
    for ((name, a), (_, b)) in a.metrics.iter().zip(&b.metrics) {
        assert_close(name, b, a, 1e-5);
    }
    let bits = a.metrics[0].1.double_value(&[]) / 70.0;
    assert!((bits - a.loss.double_value(&[]) / std::f64::consts::LN_2).abs() < 1e-4);
    let surprise = parts.surprise(&batch)?.sum(Kind::Double).double_value(&[]) / 70.0;
    assert!((surprise - a.loss.double_value(&[])).abs() < 1e-4);

    // Back-propagation ends at the cuts, and its parts sum to the reported loss.
    let calls = std::cell::Cell::new(0);
    let sum = std::cell::Cell::new(0.0);
    let output = parts.train_step(&on_device, &|loss| {
        calls.set(calls.get() + 1);
        sum.set(sum.get() + loss.double_value(&[]));
        loss.f_backward()?;
        Ok(())
    })?;
    assert_eq!(calls.get(), 5, "37 codes in segments of 8");
    assert!((sum.get() - output.loss.double_value(&[])).abs() < 1e-5);
    whole.train_step(&on_device, &|loss| Ok(loss.f_backward()?))?;
    let gradient = |model: &NextCode| model.params().get("encoder.weight").unwrap().grad().copy();
    let difference = (gradient(&whole) - gradient(&parts)).abs().max().double_value(&[]);
    assert!(difference > 1e-8, "truncation changes nothing");
    Ok(())
}

#[test]
fn padding_counts_for_nothing() -> Result<()> {
    let mut model = next_code(&tiny(&[]));
    let on_device = model.upload(&batch())?;
    let together = model.step(&on_device, Phase::Eval)?;
    let mut loss = 0.0;
    let mut correct = 0.0;
    let CodeBatch { codes, lengths } = batch();
    for (row, &length) in codes.chunks(37).zip(&lengths) {
        let alone: Vec<u16> = row[..length].iter().map(|&code| code as u16).collect();
        let alone = model.upload(&CodeBatch::new(&[alone]))?;
        let alone = model.step(&alone, Phase::Eval)?;
        loss += alone.loss.double_value(&[]) * length as f64;
        correct += alone.metrics[1].1.double_value(&[]);
    }
    assert!((together.loss.double_value(&[]) * 70.0 - loss).abs() < 1e-3);
    assert_eq!(together.metrics[1].1.double_value(&[]), correct);
    Ok(())
}

fn code_model(config: Value) -> (ParamStore, CodeModel) {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let config = serde_json::from_value(config).expect("valid settings");
    let model = seeded(|| CodeModel::new(&mut store.root(), &config, 256).expect("a model"));
    (store, model)
}

/// What is heard is what was trained: float32 steps over 16,000 samples against the convolution.
#[test]
fn sixteen_thousand_steps_agree_with_the_convolution() -> Result<()> {
    for mode in [json!({"d_state": 16}), json!({"mode": "s4d", "init": "diag-lin", "d_state": 16})]
    {
        let (_store, model) =
            code_model(json!({"d_model": 8, "n_layers": 1, "layer": {"ssm": mode}}));
        let len = agreement::LENGTH;
        let difference = agreement::of_tensors(&model, 256, len, len - 1)?;
        assert!(difference <= agreement::TOLERANCE, "{mode}: {difference:.1e}");
    }
    Ok(())
}

#[test]
fn the_check_accepts_good_models_and_refuses_unstable_ones() -> Result<()> {
    let config = json!({"d_model": 8, "n_layers": 1,
                        "layer": {"ssm": {"d_state": 8, "real_transform": "none"}}});
    let (store, model) = code_model(config);
    agreement::check(&model, None, 256)?;
    // Re A above 0: the recurrence explodes.
    let _guard = tch::no_grad_guard();
    let name = "model.c_layers.0.layer.layer.kernel.A_real";
    let _ = store.get(name).expect("Re A").detach().fill_(-20.0);
    let message = agreement::check(&model, None, 256).unwrap_err().to_string();
    assert!(message.contains("differ by"), "{message}");
    Ok(())
}

#[test]
fn a_prefix_goes_through_by_convolution_as_by_steps() -> Result<()> {
    let (_store, model) = code_model(json!({"d_model": 8, "n_layers": 1}));
    let _guard = tch::no_grad_guard();
    let start = Quantiser::new(Companding::MuLaw, 8)?.zero();
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    for length in [0, 1, 14, 15, 16, 50] {
        let prefix: Vec<u16> = (0..length).map(|i| (i * 37 % 256) as u16).collect();
        let heard: Vec<u16> = std::iter::once(start).chain(prefix.iter().copied()).collect();
        let mut generator = Generator::new(Tensors::after(&model, &heard, 2)?, greedy, 0, 0..2)?;
        let stepper = model.stepper(StepMode::Linear)?;
        let mut state = model.default_state(1)?;
        let mut scores = None;
        for &code in &heard {
            let code = Tensor::from_slice(&[i64::from(code)]).to_device(parity::device());
            scores = Some(stepper.step(&code, &mut state));
        }
        for _ in 0..20 {
            let best = scores.expect("a start").argmax(1, false);
            let code = best.int64_value(&[0]) as u16;
            assert_eq!(generator.next_codes()?, [code, code], "after {length} codes");
            scores = Some(stepper.step(&best, &mut state));
        }
    }
    Ok(())
}

/// The sizes of the official models' backbones. The official U-Net's poolings are not
/// weight-normed: it has no lengths for their 1,152 rows.
#[test]
fn presets_have_the_published_sizes() -> Result<()> {
    for (name, expected) in
        [("sc09", 4_718_048), ("youtubemix", 4_718_048), ("sc09-unet", 6_787_488 + 1_152)]
    {
        let config = Preset::find(name)?.load(&[])?.value.model;
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let _model = seeded(|| Sashimi::new(&mut store.root(), &config))?;
        assert_eq!(store.num_parameters(), expected, "{name}");
    }
    Ok(())
}

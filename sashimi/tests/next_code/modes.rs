//! What is trained and generated: segments, padding, steps after a beginning by convolution.

use anyhow::Result;
use audio_data::quantise::{Companding, Quantiser};
use generation::sampling::Sampling;
use generation::tensors::Tensors;
use generation::{Generator, agreement};
use models::{Network, backbone};
use parity::seeded;
use s4_config::{Backbone, Input, NetworkConfig, Output, Shape};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use sashimi::data::batch::CodeBatch;
use sashimi::experiment::{Experiment, Preset};
use sashimi::objective::NextCode;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use training::objective::{Objective, Phase};

fn next_code(experiment: &Experiment) -> NextCode {
    seeded(1, || NextCode::new(experiment, parity::device()).expect("a model"))
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.size(), expected.size(), "{what}");
    let difference = (actual - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]).max(1e-6);
    assert!(difference <= tolerance * scale, "{what}: {difference:.2e} of {scale:.2e}");
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
    let nll = parts.nll(&batch)?.sum(Kind::Double).double_value(&[]) / 70.0;
    assert!((nll - a.loss.double_value(&[])).abs() < 1e-4);

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

const CODES: Shape =
    Shape { input: Input::Tokens { vocabulary: 256 }, output: Output::PerPosition(256) };

fn code_model(config: Value) -> (ParamStore, Network) {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let config: NetworkConfig = serde_json::from_value(config).expect("valid settings");
    let config = config.complete(Backbone::Sashimi);
    let model = seeded(1, || Network::new(&mut store.root(), &config, CODES).expect("a model"));
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
    agreement::check(&model, None, 256, agreement::LENGTH)?;
    // Re A above 0: the recurrence explodes.
    let _guard = tch::no_grad_guard();
    let name = "model.c_layers.0.layer.layer.kernel.A_real";
    let _ = store.get(name).expect("Re A").detach().fill_(-20.0);
    let message = agreement::check(&model, None, 256, agreement::LENGTH).unwrap_err().to_string();
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
        let prefix = (0..length).map(|i| i * 37 % 256);
        let heard: Vec<u32> = std::iter::once(start.into()).chain(prefix).collect();
        let mut generator = Generator::new(Tensors::after(&model, &heard, 2)?, greedy, 0, 0..2)?;
        let stepper = model.stepper(StepMode::Linear, 1.0)?;
        let mut state = model.default_state(1)?;
        let mut scores = None;
        for &code in &heard {
            let code = Tensor::from_slice(&[i64::from(code)]).to_device(parity::device());
            let next;
            (next, state) = stepper.step(&code, &state)?;
            scores = Some(next);
        }
        for _ in 0..20 {
            let best = scores.expect("a start").argmax(1, false);
            let code = best.int64_value(&[0]) as u32;
            assert_eq!(generator.next_codes()?, [code, code], "after {length} codes");
            let next;
            (next, state) = stepper.step(&best, &state)?;
            scores = Some(next);
        }
    }
    Ok(())
}

/// The sizes of the official models' backbones. The official U-Net's poolings are not
/// weight-normed: it has no lengths for their 1,152 rows.
#[test]
fn presets_have_the_published_sizes() -> Result<()> {
    let codes =
        Shape { input: Input::Tokens { vocabulary: 256 }, output: Output::PerPosition(256) };
    for (name, expected) in [
        ("sc09", 4_718_048),
        ("youtubemix", 4_718_048),
        ("sc09-unet", 6_787_488 + 1_152),
        ("sc09-wavenet", 4_113_152),
        ("youtubemix-wavenet", 4_113_152),
        ("beethoven-wavenet", 4_113_152),
        ("sc09-samplernn", 35_034_624),
        ("youtubemix-samplernn", 35_034_624),
        ("beethoven-samplernn", 35_034_624),
    ] {
        let config = Preset::find(name)?.load(&[])?.value.model;
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let _model = seeded(1, || backbone::new(&mut store.root(), &config, codes))?;
        assert_eq!(store.num_parameters(), expected, "{name}");
    }
    Ok(())
}

//! Every backbone in a network: whole sequences, parts with a state and single steps agree; a
//! condition reaches every block, with and without recomputation.

use anyhow::Result;
use models::Network;
use parity::seeded;
use s4_config::{Backbone, Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const ALL: [&str; 10] = [
    "s4",
    "sashimi",
    "transformer",
    "linear-attention",
    "lstm",
    "gru",
    "dilated",
    "wavenet",
    "samplernn",
    "stacked-rnn",
];
/// Those of residual blocks, which can be given a condition.
const BLOCKS: [&str; 7] =
    ["s4", "sashimi", "transformer", "linear-attention", "lstm", "gru", "dilated"];
const TOKENS: Shape =
    Shape { input: Input::Tokens { vocabulary: 11 }, output: Output::PerPosition(11) };
const VALUES: Shape = Shape { input: Input::Values { features: 3 }, output: Output::Classes(5) };

fn network(backbone: &str, changes: &Value, shape: Shape) -> (ParamStore, Network) {
    let mut settings = json!({"backbone": backbone, "d_model": 8, "n_layers": 2,
                              "layer": {"ssm": {"d_state": 4}}});
    if backbone == "sashimi" {
        settings["pool"] = json!([2, 3]);
    }
    if backbone == "wavenet" {
        settings["wavenet"] = json!({"layers": 3, "blocks": 2, "residual_channels": 5,
            "dilation_channels": 6, "skip_channels": 7, "end_channels": 9, "bias": true});
    }
    if backbone == "stacked-rnn" {
        settings["stacked_rnn"] = json!({"rnn_type": "lstm", "d_hidden": 5, "output_linear": true,
            "learn_h0": true, "weight_norm": true});
    }
    if backbone == "samplernn" {
        settings["samplernn"] = json!({"frame_sizes": [2, 3], "n_rnn": 2, "d_hidden": 6});
    }
    for (key, value) in changes.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    let config: NetworkConfig = serde_json::from_value(settings).expect("valid settings");
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let network = seeded(3, || Network::new(&mut store.root(), &config, shape)).expect("a network");
    (store, network)
}

fn normal(seed: i64, shape: &[i64]) -> Tensor {
    parity::normal(seed, shape, Kind::Double)
}

#[track_caller]
fn assert_close(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let error = (found - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]).max(1e-6);
    assert!(error <= 1e-9 * scale, "{what}: {error:.1e} of {scale:.1e}");
}

/// The continuation in two parts and by steps against the whole, of tokens and those further back.
#[test]
fn every_backbone_goes_on_from_a_state_and_step_by_step() -> Result<()> {
    let tokens =
        Tensor::arange(2 * 24, (Kind::Int64, Device::Cpu)).view([2, 24]).square().remainder(11);
    let _guard = tch::no_grad_guard();
    let looks_back = json!({"lags": [2, 4, 13],
        "logistics": {"components": 3, "predictors": [[1], [2, 7, -8]]}});
    let last = json!({"logistics": {}});
    for (backbone, changes) in ALL
        .into_iter()
        .flat_map(|of| [(of, json!({})), (of, looks_back.clone()), (of, last.clone())])
    {
        if backbone == "samplernn" && changes != json!({}) {
            continue; // It has no embedding, and scores of its own.
        }
        let (store, network) = network(backbone, &changes, TOKENS);
        if let Some(weight) = store.get("decoder.logistics.weight") {
            weight.shallow_clone().copy_(&normal(4, &weight.size())); // It begins with zeros.
        }
        let whole = network.forward(&tokens, &Pass::eval())?; // (B, L, K)
        assert_eq!(whole.size(), [2, 24, 11], "{backbone}");
        let (stride, mut state) = (network.stride(), network.default_state(2)?);
        let mut parts = Vec::new();
        for (start, len) in [(0, 2 * stride), (2 * stride, stride)] {
            let y;
            let part = tokens.narrow(1, start, len);
            (y, state) = network.forward_with_state(&part, &state, &Pass::eval())?;
            parts.push(y);
        }
        let stepper = network.stepper(StepMode::Linear, 1.0)?;
        for at in 3 * stride..24 {
            let y;
            (y, state) = stepper.step(&tokens.select(1, at), &state)?;
            parts.push(y.unsqueeze(1));
        }
        assert_close(&format!("{backbone}, {changes}"), &Tensor::cat(&parts, 1), &whole);
    }
    Ok(())
}

/// What SampleRNN gives of parts of frames, and of frames in several ways, is one function, too.
#[test]
fn samplernn_of_any_length_steps_as_it_runs() -> Result<()> {
    let tokens = Tensor::arange(2 * 19, (Kind::Int64, Device::Cpu)).view([2, 19]).remainder(11);
    let _guard = tch::no_grad_guard();
    for changes in [
        json!({"frame_sizes": [3], "d_hidden": 4, "learn_h0": false}),
        json!({"frame_sizes": [2, 2, 2], "d_hidden": 4, "weight_norm": false}),
        json!({"frame_sizes": [3, 2], "d_hidden": 4, "embed_frames": true}),
        json!({"frame_sizes": [1, 4], "d_hidden": 4, "companding": "linear"}),
    ] {
        let (_, network) = network("samplernn", &json!({"samplernn": &changes}), TOKENS);
        let stepper = network.stepper(StepMode::Linear, 1.0)?;
        let (mut state, mut steps) = (network.default_state(2)?, Vec::new());
        for at in 0..19 {
            let y;
            (y, state) = stepper.step(&tokens.select(1, at), &state)?;
            steps.push(y);
            let whole = network.forward(&tokens.narrow(1, 0, at + 1), &Pass::eval())?;
            assert_close(&changes.to_string(), &Tensor::stack(&steps, 1), &whole);
        }
        if network.stride() > 1 && 19 % network.stride() != 0 {
            let whole = tokens.narrow(1, 0, network.stride());
            let error = network.forward_with_state(&whole, &state, &Pass::eval()).unwrap_err();
            assert!(error.to_string().contains("midst of a frame"), "{error}");
            let error =
                network.forward_with_state(&tokens, &network.default_state(2)?, &Pass::eval());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(&format!("multiples of {}", network.stride())), "{error}");
        }
    }
    Ok(())
}

#[test]
fn samplernn_is_for_codes_and_their_next() {
    let config: NetworkConfig = serde_json::from_value(json!({"backbone": "samplernn"})).unwrap();
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    let error = Network::new(&mut store.root(), &config, VALUES).unwrap_err().to_string();
    assert!(error.contains("choose another backbone"), "{error}");
}

/// Without the last residual convolution, which nothing comes after.
#[test]
fn gradients_reach_every_parameter_of_the_published_baselines() -> Result<()> {
    let tokens = Tensor::arange(24, (Kind::Int64, Device::Cpu)).view([1, 24]).remainder(11);
    for backbone in ["wavenet", "samplernn", "stacked-rnn"] {
        let (store, network) = network(backbone, &json!({}), TOKENS);
        network.forward(&tokens, &Pass::train())?.square().sum(Kind::Double).backward();
        for (name, parameter, _) in store.parameters() {
            let is_last = name.starts_with("model.residual_convs.5.");
            assert_eq!(parameter.grad().defined(), !is_last, "{name}");
        }
    }
    Ok(())
}

/// The sizes of the SaShiMi paper.
#[test]
fn published_sizes_are_met() {
    let codes =
        Shape { input: Input::Tokens { vocabulary: 256 }, output: Output::PerPosition(256) };
    for (backbone, all, own) in
        [("wavenet", 4_244_480, 4_113_152), ("samplernn", 35_034_624, 35_034_624)]
    {
        let config: NetworkConfig = serde_json::from_value(json!({"backbone": backbone})).unwrap();
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        seeded(4, || Network::new(&mut store.root(), &config, codes)).unwrap();
        let parameters = store.parameters().filter(|(name, ..)| name.starts_with("model."));
        let backbone: usize = parameters.map(|(_, parameter, _)| parameter.numel()).sum();
        assert_eq!((store.num_parameters(), backbone), (all, own));
    }
}

/// What a robustness study needs of tokens: the loss as a function of their vectors.
#[test]
fn gradients_reach_the_embedding() -> Result<()> {
    let tokens = Tensor::arange(12, (Kind::Int64, Device::Cpu)).view([1, 12]).remainder(11);
    // SampleRNN takes the codes themselves.
    for backbone in ALL.into_iter().filter(|&backbone| backbone != "samplernn") {
        let (_, network) = network(backbone, &json!({}), TOKENS);
        let embedded = network.embed(&tokens)?.detach().set_requires_grad(true);
        let y = network.from_embedded(&embedded, &Pass::eval())?;
        assert_close(backbone, &y, &network.forward(&tokens, &Pass::eval())?);
        y.square().sum(Kind::Double).backward();
        let reached = embedded.grad().abs().amax([0i64, 1].as_slice(), false);
        assert!(reached.min().double_value(&[]) > 0.0, "{backbone}: every position matters");
    }
    Ok(())
}

/// SaShiMi as a classifier of padded sequences, both ways: padding does not matter.
#[test]
fn padding_changes_nothing_of_a_classifier() -> Result<()> {
    let _guard = tch::no_grad_guard();
    for (backbone, changes) in [
        ("s4", json!({})),
        ("sashimi", json!({})),
        ("sashimi", json!({"layer": {"bidirectional": true, "ssm": {"d_state": 4}}})),
        ("sashimi", json!({"variant": "audio", "unet": true})),
    ] {
        let (_, network) = network(backbone, &changes, VALUES);
        let x = normal(11, &[2, 31, 3]);
        let lengths = [31i64, 17];
        let pass = Pass::eval().with_lengths(Some(Tensor::from_slice(&lengths)));
        let padded = network.forward(&x, &pass)?;
        for (row, length) in (0..).zip(lengths) {
            for further in [0, 5] {
                let len = (length + further).min(31);
                let alone = x.narrow(0, row, 1).narrow(1, 0, len);
                let lengths = Some(Tensor::from_slice(&[length]));
                let alone = network.forward(&alone, &Pass::eval().with_lengths(lengths))?;
                assert_close(&format!("{backbone} {changes}"), &alone, &padded.narrow(0, row, 1));
            }
        }
    }
    Ok(())
}

/// Output, and gradients of the input, the condition and all parameters.
fn traces(backbone: &str, changes: &Value, condition: &Tensor, parts: bool) -> Result<Vec<Tensor>> {
    let mut settings = json!({"condition": 5, "dropout": 0.2});
    for (key, value) in changes.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    let shape = Shape { output: Output::PerPosition(2), ..VALUES };
    let (store, network) = network(backbone, &settings, shape);
    let len = 24;
    let x = Tensor::arange(2 * len * 3, (Kind::Double, Device::Cpu)).view([2, len, 3]).sin();
    let x = x.set_requires_grad(true);
    // As if a network had made it: its graph must outlive each block's backward pass.
    let source = condition.detach().set_requires_grad(true);
    let condition = source.tanh();
    let y = seeded(9, || -> Result<Tensor> {
        let y = if parts {
            let mut state = network.default_state(2)?;
            let mut outputs = Vec::new();
            for start in [0, len / 2] {
                let part = match condition.dim() {
                    3 => condition.narrow(2, start, len / 2),
                    _ => condition.shallow_clone(),
                };
                let pass = Pass::train().with_condition(Some(part));
                let y;
                let input = x.narrow(1, start, len / 2);
                (y, state) = network.forward_with_state(&input, &state, &pass)?;
                outputs.push(y);
            }
            Tensor::cat(&outputs, 1)
        } else {
            network.forward(&x, &Pass::train().with_condition(Some(condition)))?
        };
        y.square().sum(Kind::Double).backward();
        Ok(y)
    })?;
    let gradients = store.parameters().map(|(_, parameter, _)| parameter.grad());
    Ok([y.detach(), x.grad(), source.grad()].into_iter().chain(gradients).collect())
}

#[test]
fn a_condition_reaches_every_block_and_gradients_flow_back_with_recomputation_as_without() {
    for backbone in BLOCKS {
        for condition in [normal(12, &[2, 5]), normal(13, &[2, 5, 24])] {
            for parts in [false, true] {
                let run = |changes: Value| traces(backbone, &changes, &condition, parts).unwrap();
                let kept = run(json!({}));
                let what = format!("{backbone}, {:?}, parts {parts}", condition.size());
                let mean = kept[2].abs().mean(Kind::Double).double_value(&[]);
                assert!(mean > 0.0, "{what}: the condition matters");
                for (i, (kept, again)) in
                    kept.iter().zip(&run(json!({"recompute": true}))).enumerate()
                {
                    assert_close(&format!("{what}, {i}"), again, kept);
                }
            }
        }
    }
}

/// The condition's gradient by differences.
#[test]
fn the_gradient_of_a_condition_is_right() -> Result<()> {
    for backbone in ["s4", "sashimi"] {
        let shape = Shape { output: Output::PerPosition(2), ..VALUES };
        let (_, network) = network(backbone, &json!({"condition": 5, "recompute": true}), shape);
        let (x, direction) = (normal(14, &[2, 24, 3]), normal(15, &[2, 5, 24]));
        let condition = normal(16, &[2, 5, 24]).set_requires_grad(true);
        let loss = |condition: &Tensor| -> Result<Tensor> {
            let pass = Pass::eval().with_condition(Some(condition.shallow_clone()));
            Ok(network.forward(&x, &pass)?.square().sum(Kind::Double))
        };
        // A recomputation sets the generator, if only to where it stood.
        seeded(17, || loss(&condition).map(|loss| loss.backward()))?;
        let along = (condition.grad() * &direction).sum(Kind::Double).double_value(&[]);
        let _guard = tch::no_grad_guard();
        let at = |step: f64| -> Result<f64> {
            Ok(loss(&(&condition + &direction * step))?.double_value(&[]))
        };
        let difference = (at(1e-5)? - at(-1e-5)?) / 2e-5;
        assert!((along - difference).abs() < 1e-6 * along.abs(), "{along} and {difference}");
    }
    Ok(())
}

#[test]
fn conditions_that_do_not_fit_are_refused() {
    let x = normal(17, &[2, 24, 3]);
    let (_, without) = network("s4", &json!({}), VALUES);
    let (_, with) = network("s4", &json!({"condition": 5}), VALUES);
    let error = |network: &Network, condition: Option<Tensor>| {
        let pass = Pass::eval().with_condition(condition);
        network.forward(&x, &pass).unwrap_err().to_string()
    };
    assert!(error(&without, Some(normal(18, &[2, 5]))).contains("takes no condition"));
    assert!(error(&with, None).contains("needs a condition"));
    for shape in [&[2i64, 4][..], &[1, 5], &[2, 5, 23], &[5]] {
        let message = error(&with, Some(normal(11, shape)));
        assert!(message.contains("(2, 5) or (2, 5, 24)"), "{message}");
    }
    let (_, sashimi) = network("sashimi", &json!({"condition": 5}), VALUES);
    for len in [0, 12, 23] {
        let message = error(&sashimi, Some(normal(19, &[2, 5, len])));
        assert!(message.contains(&format!("{len} positions for sequences of 24")), "{message}");
    }
    assert!(error(&sashimi, Some(normal(20, &[2, 4, 24]))).contains("(2, 5)"));
    assert!(with.stepper(StepMode::Linear, 1.0).unwrap_err().to_string().contains("condition"));
}

#[test]
fn names_are_those_of_the_config() {
    for backbone in ALL {
        let parsed: Backbone = serde_json::from_value(json!(backbone)).unwrap();
        assert_eq!(parsed.key(), backbone);
    }
}

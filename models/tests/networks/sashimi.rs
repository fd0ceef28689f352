//! SaShiMi, three ways: whole sequences by convolution, parts with a state, single steps. Outputs,
//! states and gradients agree.

use anyhow::Result;
use models::sashimi::Sashimi;
use parity::seeded;
use s4_config::{NetworkConfig, SashimiConfig};
use s4_core::layer::{Pass, SequenceLayer, State};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// The settings of a `[model]`.
fn sashimi(settings: Value) -> SashimiConfig {
    serde_json::from_value::<NetworkConfig>(settings).expect("valid settings").sashimi()
}

/// Models that between them use every part.
fn variants() -> Vec<(&'static str, SashimiConfig)> {
    let ssm = json!({"d_state": 4, "dt_transform": "softplus"});
    let variant = |name, changes: Value| {
        let mut config = json!({"d_model": 4, "n_layers": 1, "layer": {"ssm": ssm}});
        for (key, value) in changes.as_object().expect("an object") {
            config[key] = value.clone();
        }
        (name, sashimi(config))
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

fn model(config: &SashimiConfig) -> (ParamStore, Sashimi) {
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let model = seeded(1, || Sashimi::new(&mut store.root(), config).expect("a model"));
    (store, model)
}

fn normal(seed: i64, shape: &[i64]) -> Tensor {
    parity::normal(seed, shape, Kind::Double).to_device(parity::device())
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.size(), expected.size(), "{what}");
    let difference = (actual - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]).max(1e-6);
    assert!(difference <= tolerance * scale, "{what}: {difference:.2e} of {scale:.2e}");
}

/// The outputs of single steps, (B, H, L).
fn stepped(model: &Sashimi, x: &Tensor, state: &mut State) -> Result<Tensor> {
    let stepper = model.stepper(StepMode::Linear, 1.0)?;
    let mut outputs = Vec::new();
    for x in x.unbind(2) {
        let y;
        (y, *state) = stepper.step(&x, state);
        outputs.push(y);
    }
    Ok(Tensor::stack(&outputs, 2))
}

/// The outputs of a part, (B, H, L); `state` moves on.
fn part(model: &Sashimi, x: &Tensor, state: &mut State, pass: &Pass) -> Result<Tensor> {
    let y;
    (y, *state) = model.forward_with_state(x, state, pass)?;
    Ok(y)
}

#[test]
fn convolution_parts_and_steps_agree() -> Result<()> {
    for (name, config) in variants() {
        let (_store, model) = model(&config);
        let _guard = tch::no_grad_guard();
        let stride = model.stride();
        let len = 5 * stride + 2; // no whole number of groups
        let x = normal(2, &[2, config.d_model, len]);
        let whole = model.forward(&x, &Pass::eval())?;

        let by_steps = stepped(&model, &x, &mut model.default_state(2)?)?;
        assert_close(name, &by_steps, &whole, 1e-10);

        // Two parts by convolution, the rest by steps.
        let mut state = model.default_state(2)?;
        let mut parts = Vec::new();
        for (start, len) in [(0, 3 * stride), (3 * stride, stride)] {
            let x = x.narrow(2, start, len);
            parts.push(part(&model, &x, &mut state, &Pass::eval())?);
        }
        parts.push(stepped(&model, &x.narrow(2, 4 * stride, stride + 2), &mut state)?);
        assert_close(name, &Tensor::cat(&parts, 2), &whole, 1e-10);

        // The state stands within a group now, unless there are none.
        let refused = part(&model, &x.narrow(2, 0, stride), &mut state, &Pass::eval());
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
        let (store, model) = model(&sashimi(settings));
        for len in [1, 5, 6, 7, 89] {
            let name = format!("{variant}, U-Net {unet}, {len} positions");
            let x = normal(3, &[2, 4, len]);
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
        let x = normal(4, &[2, config.d_model, 4 * stride]);
        let weight = normal(5, &x.size());
        let gradients = |store: &ParamStore| -> Vec<(String, Tensor)> {
            store.parameters().map(|(name, t, _)| (name.to_owned(), t.grad().copy())).collect()
        };
        (model.forward(&x, &Pass::train())? * &weight).sum(Kind::Double).backward();
        let whole = gradients(&store);

        store.zero_grad();
        let mut state = model.default_state(2)?;
        let mut parts = Vec::new();
        for (start, len) in [(0, stride), (stride, 3 * stride)] {
            let x = x.narrow(2, start, len);
            parts.push(part(&model, &x, &mut state, &Pass::train())?);
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
        let x = normal(6, &[1, config.d_model, len]);
        let before = model.forward(&x, &Pass::eval())?;
        for changed in [0, len / 2, len - 1] {
            let other = x.copy();
            // Not the same for all channels, which layer norm would take away again.
            let _ = other.select(2, changed).g_add_(&normal(7, &[1, config.d_model]));
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

/// Officially, the stand-alone model shifts what it pooled up by a pooled position even where its layers
/// look ahead; the model of the audio experiments does not.
#[test]
fn what_is_pooled_up_is_late_in_the_standalone_model_whatever_its_layers_see() -> Result<()> {
    for (variant, late) in [("standalone", true), ("audio", false)] {
        let config = sashimi(json!({
            "d_model": 4, "n_layers": 1, "pool": [2], "variant": variant,
            "layer": {"bidirectional": true},
        }));
        let (store, model) = model(&config);
        let _guard = tch::no_grad_guard();
        // Blocks that add nothing: what is left are the pools.
        for (name, parameter, _) in store.parameters() {
            if [".output_linear.0.", ".ff.2."].iter().any(|map| name.contains(map)) {
                let _ = parameter.detach().zero_();
            }
        }
        let x = normal(8, &[1, 4, 8]);
        let other = x.copy();
        let _ = other.select(2, 4).g_add_(&normal(9, &[1, 4]));
        let pass = Pass::eval();
        let change = (model.forward(&x, &pass)? - model.forward(&other, &pass)?).abs();
        let change = change.amax([0, 1].as_slice(), false);
        let changed: Vec<bool> = (0..8).map(|i| change.double_value(&[i]) > 1e-9).collect();
        // What goes in at 4 comes out there past the pools, and with its group, 4 and 5, or a group later.
        let group = if late { 6..8 } else { 4..6 };
        let expected: Vec<bool> = (0..8).map(|i| i == 4 || group.contains(&i)).collect();
        assert_eq!(changed, expected, "{variant}");
    }
    Ok(())
}

#[test]
fn a_bidirectional_model_works_on_whole_sequences_only() -> Result<()> {
    let config = sashimi(json!({
        "d_model": 4, "n_layers": 1, "pool": [2], "layer": {"bidirectional": true},
    }));
    let (_store, model) = model(&config);
    let x = normal(8, &[1, 4, 7]);
    assert_eq!(model.forward(&x, &Pass::eval())?.size(), x.size());
    assert!(model.default_state(1).is_err() && model.stepper(StepMode::Linear, 1.0).is_err());
    Ok(())
}

//! Convolution, chunks and steps are one function: the same outputs, states and gradients, and the
//! same kernels whichever way they are computed.

use anyhow::Result;
use parity::seeded;
use proptest::collection::vec;
use proptest::prelude::*;
use s4_config::{KernelMethod, NormKind, S4BlockConfig, StackConfig};
use s4_core::conv::fft;

use s4_core::layer::dropout::Dropout;

use s4_core::layer::s4_block::S4Block;
use s4_core::layer::s4_block::Systems;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{ParamStore, Role};
use s4_core::recurrence::StepMode;
use s4_core::ssm::parameters::SsmParameters;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::systems::{
    METHODS, Variant, Way, assert_close, deviation, disturb, normal, runner, ssm_config, system,
    variants,
};

const TIGHT: f64 = 1e-10;
/// S4's kernels by the papers' truncated generating function.
const CAUCHY: f64 = 1e-8;
/// Through the eigenbasis of Ā, whose condition number multiplies the rounding errors.
const EIGENBASIS: f64 = 1e-7;
const NO_DROPOUT: Dropout = Dropout { p: 0.0, tied: true };

const STEPS: [StepMode; 3] = [StepMode::Linear, StepMode::Dense, StepMode::Diagonal];
const FFT: Way = Way::Fft(KernelMethod::BlockPowers);

fn tolerance(way: Way) -> f64 {
    match way {
        Way::Steps(StepMode::Diagonal) => EIGENBASIS,
        Way::Fft(KernelMethod::Paper) => CAUCHY,
        _ => TIGHT,
    }
}

#[test]
fn kernels_agree_at_every_length() {
    for (name, config, h, c, rate) in variants() {
        let (_store, parameters) = system(10, &config, h, c);
        let ssm = parameters.ssm(rate);
        let _guard = tch::no_grad_guard();
        for len in [1, 2, 3, 17, 1000, 4097] {
            let naive = ssm.kernel(len, KernelMethod::Naive, Kind::Double).unwrap();
            assert_eq!(naive.size(), [c, h, len]);
            for method in METHODS {
                // An almost undamped state is a pole next to a node of the generating function.
                let cauchy = method == KernelMethod::Paper && ssm.p.is_some();
                let (double, float) = if cauchy { (CAUCHY, 2e-3) } else { (TIGHT, 1e-5) };
                let k = ssm.kernel(len, method, Kind::Double).unwrap();
                assert_close(&format!("{name}, L = {len}, {method:?}"), &k, &naive, double);
                let k = ssm.kernel(len, method, Kind::Float).unwrap();
                assert_eq!(k.kind(), Kind::Float);
                assert_close(&format!("{name}, L = {len}, {method:?}, f32"), &k, &naive, float);
            }
        }
    }
}

/// What a way of applying an SSM returns: outputs, final state, and all gradients of a random
/// functional of both.
struct Outcome {
    y: Tensor,
    state: Tensor,
    gradients: Vec<(String, Tensor)>,
}

fn outcome(
    way: Way,
    (store, parameters): (&mut ParamStore, &SsmParameters),
    rate: f64,
    (batch, len): (i64, i64),
) -> Outcome {
    let (h, n) = (parameters.d_model(), parameters.states());
    let u = normal(20, &[batch, h, len], Kind::Double).set_requires_grad(true);
    let s = normal(21, &[batch, h, n], Kind::Double).set_requires_grad(true);
    let (y, state) = way.apply(parameters, rate, &u, &s).expect("a causal system");
    let (wy, ws) = (normal(22, &y.size(), Kind::Double), normal(23, &state.size(), Kind::Double));
    store.zero_grad();
    ((&y * wy).sum(Kind::Double) + (&state * ws).sum(Kind::Double)).backward();
    let mut gradients: Vec<_> =
        store.parameters().map(|(name, t, _)| (name.to_owned(), t.grad().copy())).collect();
    gradients.push(("input".to_owned(), u.grad()));
    gradients.push(("initial state".to_owned(), s.grad()));
    Outcome { y: y.detach(), state: state.detach(), gradients }
}

#[track_caller]
fn assert_same(what: &str, found: &Outcome, expected: &Outcome, tolerance: f64) {
    assert_close(&format!("{what}: outputs"), &found.y, &expected.y, tolerance);
    assert_close(&format!("{what}: final state"), &found.state, &expected.state, tolerance);
    for ((name, found), (_, expected)) in found.gradients.iter().zip(&expected.gradients) {
        assert!(found.defined(), "{what}: {name} has no gradient");
        assert_close(&format!("{what}: gradient of {name}"), found, expected, tolerance);
    }
}

/// All ways against the steps of the dense Ā, the plainest of them.
fn assert_modes_agree(
    variants: impl IntoIterator<Item = Variant>,
    lengths: &[(i64, i64)],
    ways: impl Fn(i64) -> Vec<Way>,
) {
    for (name, config, h, c, rate) in variants {
        let (mut store, parameters) = system(11, &config, h, c);
        for &(batch, len) in lengths {
            let mut run = |way| outcome(way, (&mut store, &parameters), rate, (batch, len));
            let expected = run(Way::Steps(StepMode::Dense));
            for way in ways(len) {
                let what = format!("{name}, batch {batch}, L = {len}, {way:?}");
                assert_same(&what, &run(way), &expected, tolerance(way));
            }
        }
    }
}

#[test]
fn modes_agree_on_short_sequences() {
    assert_modes_agree(variants(), &[(1, 1), (2, 2), (1, 3), (3, 17)], |_| {
        let mut ways = METHODS.map(Way::Fft).to_vec();
        ways.extend(STEPS.map(Way::Steps));
        ways.extend([1, 2, 4, 16, 64].map(Way::Chunked));
        ways
    });
}

#[test]
fn modes_agree_at_length_1000() {
    // Every second variant: both matrices, both rules, several outputs, a rate.
    assert_modes_agree(variants().into_iter().step_by(2), &[(2, 1000)], |_| {
        vec![
            FFT,
            Way::Fft(KernelMethod::Paper),
            Way::Steps(StepMode::Linear),
            Way::Chunked(32),
            Way::Chunked(256),
            Way::Chunked(1024),
        ]
    });
}

/// Too long for steps with gradients: chunks of 64 stand for them.
#[test]
fn modes_agree_at_length_4097() {
    for (name, config, h, c, rate) in variants().into_iter().step_by(2) {
        let (mut store, parameters) = system(12, &config, h, c);
        let mut run = |way| outcome(way, (&mut store, &parameters), rate, (1, 4097));
        let expected = run(Way::Chunked(64));
        for way in [FFT, Way::Chunked(1024)] {
            assert_same(&format!("{name}, L = 4097, {way:?}"), &run(way), &expected, TIGHT);
        }
    }
}

#[test]
fn float32_modes_agree() {
    for (name, config, h, c, rate) in variants() {
        let (double, exact) = system(13, &config, h, c);
        let mut store = ParamStore::new(double.device(), Kind::Float);
        let parameters =
            seeded(14, || SsmParameters::new(&mut store.root(), h, c, &config)).unwrap();
        store.load_state_dict(&double.state_dict().to_kind(Kind::Float)).unwrap();
        double.load_state_dict(&store.state_dict().to_kind(Kind::Double)).unwrap();
        let _guard = tch::no_grad_guard();
        let u = normal(24, &[2, h, 300], Kind::Float);
        let s = normal(25, &[2, h, parameters.states()], Kind::Float);
        let (u64, s64) = (u.to_kind(Kind::Double), s.to_kind(Kind::Double));
        let (y, state) = FFT.apply(&exact, rate, &u64, &s64).unwrap();
        let steps = [StepMode::Linear, StepMode::Dense].map(Way::Steps);
        for way in [FFT, Way::Chunked(64)].into_iter().chain(steps) {
            // Rounding errors of the state add up over 300 steps.
            let tolerance = if matches!(way, Way::Steps(_)) { 5e-5 } else { 1e-5 };
            let (found, after) = way.apply(&parameters, rate, &u, &s).unwrap();
            assert_eq!((found.kind(), after.kind()), (Kind::Float, Kind::Float));
            assert_close(&format!("{name}, {way:?}: outputs"), &found, &y, tolerance);
            assert_close(&format!("{name}, {way:?}: state"), &after, &state, tolerance);
        }
    }
}

/// A sequence cut anywhere, each piece computed in another way, the state handed on.
#[test]
fn pieces_with_their_state_equal_one_pass() {
    let systems: Vec<_> = variants()
        .into_iter()
        .map(|(name, config, h, c, rate)| (name, system(14, &config, h, c), rate))
        .collect();
    let ways = [FFT, Way::Chunked(8), Way::Steps(StepMode::Linear), Way::Chunked(2)];
    let piece = (1..40i64, 0..ways.len());
    runner(48)
        .run(&(0..systems.len(), vec(piece, 1..6), 1..4i64), |(which, pieces, batch)| {
            let _guard = tch::no_grad_guard();
            let (name, (_, parameters), rate) = &systems[which];
            let (h, n) = (parameters.d_model(), parameters.states());
            let len = pieces.iter().map(|(len, _)| len).sum();
            let u = normal(26, &[batch, h, len], Kind::Double);
            let start = normal(27, &[batch, h, n], Kind::Double);
            let (expected, after) = FFT.apply(parameters, *rate, &u, &start).unwrap();
            let (mut state, mut outputs, mut at) = (start, Vec::new(), 0);
            for (len, way) in pieces {
                let piece = u.narrow(-1, at, len);
                let (y, next) = ways[way].apply(parameters, *rate, &piece, &state).unwrap();
                outputs.push(y);
                state = next;
                at += len;
            }
            let y = Tensor::cat(&outputs, -1);
            prop_assert!(deviation(&y, &expected) < TIGHT, "{name}: outputs");
            prop_assert!(deviation(&state, &after) < TIGHT, "{name}: state");
            Ok(())
        })
        .unwrap();
}

/// Truncated back-propagation cuts nothing by itself: gradients flow through a handed-on state.
#[test]
fn gradients_flow_through_a_handed_on_state() {
    for (name, config, h, c, rate) in variants() {
        let (store, parameters) = system(15, &config, h, c);
        let weight = normal(28, &[2, c, h, 50], Kind::Double);
        let gradients = |cut: Option<i64>| {
            let u = normal(29, &[2, h, 50], Kind::Double).set_requires_grad(true);
            let s = normal(30, &[2, h, parameters.states()], Kind::Double);
            let y = match cut {
                None => FFT.apply(&parameters, rate, &u, &s).unwrap().0,
                Some(at) => {
                    let (first, s) =
                        FFT.apply(&parameters, rate, &u.narrow(-1, 0, at), &s).unwrap();
                    let rest = u.narrow(-1, at, 50 - at);
                    let (second, _) = Way::Chunked(16).apply(&parameters, rate, &rest, &s).unwrap();
                    Tensor::cat(&[first, second], -1)
                }
            };
            store.zero_grad();
            (y * &weight).sum(Kind::Double).backward();
            let mut all: Vec<_> = store.parameters().map(|(_, t, _)| t.grad().copy()).collect();
            all.push(u.grad());
            all
        };
        let expected = gradients(None);
        for (found, expected) in gradients(Some(23)).iter().zip(&expected) {
            assert_close(name, found, expected, TIGHT);
        }
    }
}

fn values(t: &Tensor) -> Vec<f64> {
    Vec::try_from(t.detach().to_device(tch::Device::Cpu).flatten(0, -1)).expect("float64 values")
}

/// y[t] = Σ_j k[j] u[t - j] + Σ_j r[j] u[t + 1 + j] as it is written: u of (B, H, L), k and r of
/// (C, H, K).
fn direct(u: &Tensor, k: &Tensor, r: Option<&Tensor>) -> Tensor {
    let (batch, h, len) = u.size3().expect("u (B, H, L)");
    let (c, _, taps) = k.size3().expect("k (C, H, K)");
    let (u, k, r) = (values(u), values(k), r.map(values));
    let mut y = Vec::new();
    for b in 0..batch {
        for o in 0..c {
            for channel in 0..h {
                let u = &u[((b * h + channel) * len) as usize..][..len as usize];
                let kernel =
                    ((o * h + channel) * taps) as usize..((o * h + channel + 1) * taps) as usize;
                for t in 0..len as usize {
                    let past = k[kernel.clone()].iter().zip(u[..=t].iter().rev());
                    let mut sum: f64 = past.map(|(k, u)| k * u).sum();
                    if let Some(r) = &r {
                        let future = r[kernel.clone()].iter().zip(&u[t + 1..]);
                        sum += future.map(|(r, u)| r * u).sum::<f64>();
                    }
                    y.push(sum);
                }
            }
        }
    }
    Tensor::from_slice(&y).view([batch, c, h, len])
}

#[test]
fn fft_convolution_is_the_direct_sum() {
    let shapes = (1..90i64, 1..120i64, 1..4i64, 1..3i64, 1..3i64);
    runner(60)
        .run(&shapes, |(len, taps, h, c, batch)| {
            let u = normal(31, &[batch, h, len], Kind::Double);
            let k = normal(32, &[c, h, taps], Kind::Double);
            let r = normal(33, &[c, h, taps], Kind::Double);
            prop_assert!(
                deviation(&fft::causal(&u, &k, None).unwrap(), &direct(&u, &k, None)) < 1e-12
            );
            let both = fft::bidirectional(&u, &k, &r, None).unwrap();
            prop_assert!(deviation(&both, &direct(&u, &k, Some(&r))) < 1e-12);
            Ok(())
        })
        .unwrap();
}

fn block_config(settings: &Value) -> S4BlockConfig {
    serde_json::from_value(settings.clone()).expect("valid settings")
}

fn block(seed: i64, h: i64, settings: &Value) -> (ParamStore, S4Block) {
    seeded(seed, || {
        let mut store = ParamStore::new(parity::device(), Kind::Double);
        let config = block_config(settings);
        let block = S4Block::new(&mut store.root(), h, &config, NO_DROPOUT).expect("a block");
        disturb(&store);
        (store, block)
    })
}

/// The block as kernels and a sum, without its nonlinearities: half of the kernels look ahead.
#[test]
fn bidirectional_block_is_the_direct_sum() {
    for mode in ["s4", "s4d"] {
        for (channels, l_max) in [(1, None), (1, Some(9)), (1, Some(100))] {
            let settings = json!({
                "bidirectional": true, "channels": channels, "l_max": l_max, "activation": "id",
                "final_act": "none", "ssm": {"mode": mode, "d_state": 4},
            });
            let (store, mut block) = block(40, 3, &settings);
            let len = 31;
            let u = normal(41, &[2, 3, len], Kind::Double);
            let y = block.forward(&u, &Pass::eval()).unwrap();
            let Systems::Full(parameters) = block.systems() else { panic!("full parameters") };
            let taps = l_max.unwrap_or(len).min(len);
            let k = parameters.ssm(1.0).kernel(taps, KernelMethod::Naive, Kind::Double).unwrap();
            let expected = direct(&u, &k.narrow(0, 0, 1), Some(&k.narrow(0, 1, 1)));
            let expected = expected.squeeze_dim(1).to_device(u.device())
                + &u * store.get("layer.D").unwrap().unsqueeze(-1);
            assert_close(&format!("{mode}, l_max {l_max:?}"), &y, &expected, TIGHT);
        }
    }
}

/// Garbage behind a sequence's end changes nothing before it, and gets no gradient.
#[test]
fn padding_is_inert() {
    for bidirectional in [false, true] {
        for ssm in [json!({"d_state": 4}), json!({"mode": "s4d", "d_state": 4})] {
            let settings = json!({"bidirectional": bidirectional, "channels": 2, "ssm": ssm});
            let (_store, block) = block(42, 3, &settings);
            let lengths = [20i64, 1, 7, 13];
            let pass = Pass::eval()
                .with_lengths(Some(Tensor::from_slice(&lengths).to_device(parity::device())));
            let clean = normal(43, &[4, 3, 20], Kind::Double);
            let garbage = clean.copy();
            for (i, &len) in lengths.iter().enumerate() {
                if len < 20 {
                    let _ = garbage.get(i as i64).narrow(-1, len, 20 - len).fill_(1e30);
                }
            }
            let garbage = garbage.set_requires_grad(true);
            let y = block.forward(&garbage, &pass).unwrap();
            // Every output counts: at the padding too, gradients must not reach padded inputs.
            y.sum(Kind::Double).backward();
            let gradient = garbage.grad();
            for (i, &len) in lengths.iter().enumerate() {
                let i = i as i64;
                let what = format!("{settings}, length {len}");
                let alone = clean.narrow(0, i, 1).narrow(-1, 0, len);
                let alone = block.forward(&alone, &Pass::eval()).unwrap();
                assert_close(&what, &y.narrow(0, i, 1).narrow(-1, 0, len), &alone, TIGHT);
                let gradient = gradient.get(i);
                let valid = gradient.narrow(-1, 0, len).abs().min().double_value(&[]);
                assert!(valid > 0.0, "{what}: a valid position without gradient");
                let padded = gradient.narrow(-1, len, 20 - len).abs().sum(Kind::Double);
                assert_eq!(padded.double_value(&[]), 0.0, "{what}: gradient at the padding");
            }
        }
    }
}

/// `forward`, `forward_with_state` (in one piece and in several) and the stepper of a layer.
fn assert_layer_modes(what: &str, layer: &dyn SequenceLayer, h: i64) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let (batch, len) = (2, 29);
    let x = normal(50, &[batch, h, len], Kind::Double);
    let pass = Pass::eval();
    let expected = layer.forward(&x, &pass)?;
    assert_eq!(expected.size(), [batch, h, len], "{what}");
    let (y, after) = layer.forward_with_state(&x, &layer.default_state(batch)?, &pass)?;
    assert_close(&format!("{what}: with state"), &y, &expected, TIGHT);

    let (mut state, mut pieces, mut at) = (layer.default_state(batch)?, Vec::new(), 0);
    for piece in [1, 16, 5, 7] {
        let (y, next) = layer.forward_with_state(&x.narrow(-1, at, piece), &state, &pass)?;
        pieces.push(y);
        state = next;
        at += piece;
    }
    assert_close(&format!("{what}: in pieces"), &Tensor::cat(&pieces, -1), &expected, TIGHT);
    assert_eq!(state.len(), after.len(), "{what}");
    for (state, after) in state.iter().zip(&after) {
        assert_close(&format!("{what}: state in pieces"), state, after, TIGHT);
    }

    for mode in [StepMode::Linear, StepMode::Dense] {
        let stepper = layer.stepper(mode, 1.0)?;
        let (mut state, mut outputs) = (layer.default_state(batch)?, Vec::new());
        for x in x.unbind(-1) {
            let (y, next) = stepper.step(&x, &state);
            outputs.push(y);
            state = next;
        }
        let what = format!("{what}: {mode:?} steps");
        assert_close(&what, &Tensor::stack(&outputs, -1), &expected, TIGHT);
        for (state, after) in state.iter().zip(&after) {
            assert_close(&format!("{what}: state"), state, after, TIGHT);
        }
    }
    Ok(())
}

#[test]
fn block_modes_agree() {
    for settings in [
        json!({"ssm": {"d_state": 4}}),
        json!({"channels": 2, "ssm": {"d_state": 4, "n_ssm": 1, "rank": 2, "init": "legt"}}),
        json!({"final_act": "none", "activation": "tanh", "ssm": {"mode": "s4d", "d_state": 4}}),
        json!({"final_act": "id", "activation": "silu",
               "ssm": {"mode": "s4d", "disc": "bilinear", "dt_tie": false, "d_state": 4}}),
    ] {
        let (_store, block) = block(51, 3, &settings);
        assert_layer_modes(&settings.to_string(), &block, 3).unwrap();
    }
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let minimal = seeded(52, || S4Block::minimal(&mut store.root(), 3, 4, NO_DROPOUT, None));
    assert_layer_modes("minimal", &minimal.unwrap(), 3).unwrap();
}

/// A stack with running statistics and norms that are not at their initial values.
fn stack(seed: i64, config: &StackConfig, block: &S4BlockConfig) -> (ParamStore, Stack) {
    seeded(seed, || {
        let mut store = ParamStore::new(parity::device(), Kind::Double);
        let stack = Stack::new(&mut store.root(), config, |scope, _| {
            Ok(Box::new(S4Block::new(scope, config.d_model, block, Dropout::from(config))?))
        });
        disturb(&store);
        for entry in store.entries() {
            if entry.role == Role::Buffer && entry.tensor.is_floating_point() {
                let noise = Tensor::rand(entry.tensor.size(), (Kind::Double, tch::Device::Cpu));
                let _ = entry.tensor.shallow_clone().g_add_(&noise.to_device(store.device()));
            }
        }
        (store, stack.expect("a stack"))
    })
}

#[test]
fn stack_modes_agree() {
    for norm in [NormKind::Layer, NormKind::Batch, NormKind::None] {
        for prenorm in [true, false] {
            let config = StackConfig {
                d_model: 4,
                n_layers: 3,
                norm,
                prenorm,
                dropout: 0.2, // of no consequence in evaluation
                ..StackConfig::default()
            };
            let mode = if prenorm { "s4" } else { "s4d" };
            let block = block_config(&json!({"ssm": {"mode": mode, "d_state": 4}}));
            let (_store, stack) = stack(53, &config, &block);
            assert_layer_modes(&format!("{norm:?}, prenorm {prenorm}"), &stack, 4).unwrap();
        }
    }
}

#[test]
fn a_bidirectional_layer_has_no_state() {
    let (_store, block) = block(54, 2, &json!({"bidirectional": true, "ssm": {"d_state": 4}}));
    let x = normal(55, &[1, 2, 4], Kind::Double);
    assert!(block.default_state(1).is_err());
    assert!(block.stepper(StepMode::Linear, 1.0).is_err());
    let state = vec![Tensor::zeros([1, 2, 4], (Kind::Double, parity::device()))];
    assert!(block.forward_with_state(&x, &state, &Pass::eval()).is_err());
}

/// The default kernel in float32 is good to 2e-5 however long it is. The reference is another
/// method in float64, on the same float32 parameters.
#[test]
fn float32_kernels_are_exact_at_any_length() {
    for (mode, init) in
        [("s4", "legs"), ("s4", "fourier"), ("s4d", "diag-lin"), ("s4d", "diag-inv")]
    {
        for dt_min in [1e-3, 1e-4] {
            let settings = json!({"mode": mode, "init": init, "dt_min": dt_min, "d_state": 64});
            let config = ssm_config(&settings);
            let mut store = ParamStore::new(parity::device(), Kind::Float);
            let parameters =
                seeded(60, || SsmParameters::new(&mut store.root(), 2, 1, &config)).unwrap();
            let _guard = tch::no_grad_guard();
            let ssm = parameters.ssm(1.0);
            for len in [16_384, 65_536] {
                let k = ssm.kernel(len, KernelMethod::default(), Kind::Float).unwrap();
                let exact = ssm.kernel(len, KernelMethod::Paper, Kind::Double).unwrap();
                for h in 0..2 {
                    let (k, exact) = (k.select(1, h), exact.select(1, h));
                    let found = parity::relative_error(&k, &exact);
                    assert!(found <= 2e-5, "{init}, dt_min {dt_min}, L = {len}: {found:.1e}");
                }
            }
        }
    }
}

fn spectral_radius(a: &Tensor) -> f64 {
    a.linalg_eigvals().abs().max().double_value(&[])
}

/// Whatever training does to the parameters, the constrained systems stay stable.
#[test]
fn constrained_systems_are_stable() {
    let number = || -7.0..4.0f64;
    let transforms = prop::sample::select(vec!["exp", "softplus", "relu", "sigmoid"]);
    let modes = prop::sample::select(vec![("s4", "zoh"), ("s4d", "zoh"), ("s4d", "bilinear")]);
    let stored =
        (vec(number(), 3), vec(-50.0..50.0f64, 3), vec(-3.0..3.0f64, 12), vec(number(), 3));
    let cases = (transforms.clone(), transforms, modes, any::<bool>(), stored);
    runner(96)
        .run(&cases, |(real, dt, (mode, disc), dt_tie, (a_real, a_imag, p, inv_dt))| {
            let config = ssm_config(&json!({
                "mode": mode, "disc": disc, "d_state": 6, "rank": 2, "dt_tie": dt_tie,
                "real_transform": real, "dt_transform": dt,
            }));
            let (store, parameters) = system(61, &config, 1, 1);
            let set = |name: &str, values: &[f64]| {
                let tensor = store.get(name).expect(name).detach();
                let values = &values[..tensor.numel()];
                tensor.shallow_clone().copy_(&Tensor::from_slice(values).view_as(&tensor));
            };
            set("A_real", &a_real);
            set("A_imag", &a_imag);
            set("inv_dt", &inv_dt);
            if mode == "s4" {
                set("P", &p);
            }
            let _guard = tch::no_grad_guard();
            let a = parameters.ssm(1.0).discretise(1).unwrap().a.dense();
            let radius = spectral_radius(&a);
            prop_assert!(radius < 1.0, "spectral radius {radius}");
            if dt_tie {
                // Even a contraction: no input-free state ever grows.
                let gram = a.transpose(-1, -2).matmul(&a);
                let norm = gram.linalg_eigvalsh("L").max().double_value(&[]).sqrt();
                prop_assert!(norm < 1.0 + 1e-12, "norm {norm}");
            }
            Ok(())
        })
        .unwrap();
}

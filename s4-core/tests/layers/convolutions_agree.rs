//! A block convolves by FFT or in chunks, whatever its size: the same outputs, states and gradients
//! as by steps.

use parity::seeded;
use proptest::prelude::*;
use proptest::sample::select;
use s4_config::{Convolution, KernelMethod, S4BlockConfig};

use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::systems::{assert_close, disturb, normal, runner};

const TIGHT: f64 = 1e-10;
const LENGTHS: [i64; 6] = [1, 2, 3, 17, 1000, 4097];
/// From here on, the sum over a kernel that is stepped takes too long.
const LONG: i64 = 1000;

/// The same parameters for every convolution.
fn block(h: i64, settings: &Value, convolution: Convolution) -> (ParamStore, S4Block) {
    let config: S4BlockConfig = serde_json::from_value(settings.clone()).expect("valid settings");
    let config = S4BlockConfig { convolution, ..config };
    seeded(50, || {
        let mut store = ParamStore::new(parity::device(), Kind::Double);
        let dropout = Dropout { p: 0.0, tied: true };
        let block = S4Block::new(&mut store.root(), h, &config, dropout).expect("a block");
        disturb(&store);
        (store, block)
    })
}

/// Sizes and settings of a block.
#[derive(Debug, Clone)]
struct Sample {
    settings: Value,
    h: i64,
    batch: i64,
    len: i64,
}

fn samples() -> impl Strategy<Value = Sample> {
    let ssm = select(vec![
        json!({"mode": "s4", "init": "legs"}),
        json!({"mode": "s4", "init": "legt", "rank": 2}),
        json!({"mode": "s4", "init": "legs", "n_ssm": 1}),
        json!({"mode": "s4d", "init": "diag-lin"}),
        json!({"mode": "s4d", "init": "diag-inv", "disc": "bilinear"}),
    ]);
    let states = select(vec![2, 6, 64]);
    (ssm, states, select(LENGTHS.to_vec()), 1..4i64, 1..4i64, 1..3i64, any::<bool>()).prop_map(
        |(mut ssm, n, len, h, batch, channels, bidirectional)| {
            ssm["d_state"] = json!(n);
            let settings = json!({
                "ssm": ssm, "channels": channels, "bidirectional": bidirectional,
            });
            Sample { settings, h, batch, len }
        },
    )
}

/// Outputs, and the gradients of a random functional of them.
fn outcome(store: &mut ParamStore, block: &S4Block, u: &Tensor, pass: &Pass) -> Vec<Tensor> {
    let u = u.detach().set_requires_grad(true);
    let y = block.forward(&u, pass).expect("a forward pass");
    store.zero_grad();
    (&y * normal(51, &y.size(), Kind::Double)).sum(Kind::Double).backward();
    let gradients = store.parameters().map(|(_, t, _)| t.grad().copy());
    [y.detach(), u.grad()].into_iter().chain(gradients).collect()
}

#[test]
fn by_fft_and_in_chunks() {
    runner(60)
        .run(&samples(), |sample| {
            let Sample { settings, h, batch, len } = &sample;
            let u = normal(52, &[*batch, *h, *len], Kind::Double);
            let by = |convolution, kernel| {
                let (mut store, block) = block(*h, settings, convolution);
                outcome(&mut store, &block, &u, &Pass { kernel, ..Pass::eval() })
            };
            let found = by(Convolution::Chunked, KernelMethod::BlockPowers);
            let mut others = vec![by(Convolution::Fft, KernelMethod::BlockPowers)];
            if *len < LONG {
                others.push(by(Convolution::Auto, KernelMethod::Naive));
            }
            for expected in others {
                for (found, expected) in found.iter().zip(&expected) {
                    assert_close(&format!("{sample:?}"), found, expected, TIGHT);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Chunks do not add up rounding errors: float32 against float64, at a length of many chunks.
#[test]
fn long_float32_sequences_stay_exact() {
    let _guard = tch::no_grad_guard();
    for ssm in [json!({"init": "legs", "dt_min": 1e-4}), json!({"mode": "s4d", "init": "diag-lin"})]
    {
        let settings = json!({"final_act": "none", "activation": "id", "ssm": ssm});
        let u = normal(56, &[1, 4, 65_536], Kind::Float);
        for convolution in [Convolution::Chunked, Convolution::Fft] {
            let (double, exact) = block(4, &settings, Convolution::Fft);
            let config: S4BlockConfig = serde_json::from_value(settings.clone()).unwrap();
            let config = S4BlockConfig { convolution, ..config };
            let mut store = ParamStore::new(parity::device(), Kind::Float);
            let dropout = Dropout { p: 0.0, tied: true };
            let single =
                seeded(57, || S4Block::new(&mut store.root(), 4, &config, dropout)).unwrap();
            // The same parameters to the last bit: only what follows is rounded.
            store.load_state_dict(&double.state_dict().to_kind(Kind::Float)).unwrap();
            double.load_state_dict(&store.state_dict().to_kind(Kind::Double)).unwrap();
            let expected = exact.forward(&u.to_kind(Kind::Double), &Pass::eval()).unwrap();
            let found = single.forward(&u, &Pass::eval()).unwrap().to_kind(Kind::Double);
            let error = ((found - &expected).norm() / expected.norm()).double_value(&[]);
            assert!(error < 1e-6, "{settings} {convolution:?}: {error:e}");
        }
    }
}

/// From a state into a state, against the steps.
#[test]
fn with_a_state() {
    let causal = samples().prop_map(|mut sample| {
        sample.settings["bidirectional"] = json!(false);
        sample.len = sample.len.min(LONG);
        sample
    });
    runner(40)
        .run(&causal, |sample| {
            let _guard = tch::no_grad_guard();
            let Sample { settings, h, batch, len } = &sample;
            let (_store, stepped) = block(*h, settings, Convolution::Auto);
            let u = normal(53, &[*batch, *h, *len], Kind::Double);
            let shape = stepped.default_state(*batch).unwrap()[0].size();
            let start = vec![normal(54, &shape, Kind::Double)];
            let stepper = stepped.stepper(StepMode::Linear, 1.0).unwrap();
            let (mut state, mut outputs) = (vec![start[0].copy()], Vec::new());
            for u in u.unbind(-1) {
                let (y, next) = stepper.step(&u, &state);
                outputs.push(y);
                state = next;
            }
            let expected = Tensor::stack(&outputs, -1);
            for convolution in [Convolution::Chunked, Convolution::Fft] {
                let (_store, block) = block(*h, settings, convolution);
                let (y, after) = block.forward_with_state(&u, &start, &Pass::eval()).unwrap();
                assert_close(&format!("{sample:?} {convolution:?}"), &y, &expected, TIGHT);
                assert_close(&format!("{sample:?} state"), &after[0], &state[0], TIGHT);
            }
            Ok(())
        })
        .unwrap();
}

/// A truncated kernel, or one computed in another way, is applied by FFT whatever is asked for.
#[test]
fn what_chunks_cannot_do_goes_by_fft() {
    let settings = json!({"l_max": 20, "ssm": {"d_state": 4}});
    let (_store, fft) = block(2, &settings, Convolution::Fft);
    let (_store, chunked) = block(2, &settings, Convolution::Chunked);
    let u = normal(55, &[1, 2, 50], Kind::Double);
    let found = chunked.forward(&u, &Pass::eval()).unwrap();
    assert_close("l_max", &found, &fft.forward(&u, &Pass::eval()).unwrap(), 0.0);
    let paper = Pass { kernel: KernelMethod::Paper, ..Pass::eval() };
    assert!(chunked.plan(20, &Pass::eval()).to_string().starts_with("in chunks of"));
    for (len, pass) in [(21, Pass::eval()), (20, paper)] {
        assert_eq!(chunked.plan(len, &pass).to_string(), "by FFT");
    }
}

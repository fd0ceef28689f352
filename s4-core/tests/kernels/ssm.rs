//! Kernels of our own against their twins in tensor operations, run on the CPU from the same source:
//! outputs and all gradients.

use anyhow::Result;
use cuda::host::with_kernels;
use parity::{normal, seeded};
use s4_config::SsmConfig;
use s4_core::conv::chunked;
use s4_core::kernel::block_powers;
use s4_core::params::ParamStore;
use s4_core::ssm::discrete::DiscreteSsm;
use s4_core::ssm::parameters::SsmParameters;
use s4_core::ssm::powers::Powers;
use s4_core::ssm::transition::{Rotation, Transition};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// Sizes that fill a warp's lanes and do not, and every form of the parameters.
fn configs() -> Vec<(i64, SsmConfig)> {
    let settings = [
        json!({"d_state": 2}),
        json!({"d_state": 6, "rank": 2, "init": "legs", "dt_transform": "softplus"}),
        json!({"d_state": 64, "n_ssm": 1, "dt_fast": true}),
        json!({"d_state": 64, "rank": 2, "dt_tie": false, "real_transform": "softplus"}),
        json!({"d_state": 128, "n_ssm": 3}),
        json!({"mode": "s4d", "init": "diag-lin", "d_state": 2}),
        json!({"mode": "s4d", "init": "diag-legs", "d_state": 64, "dt_tie": false}),
        json!({"mode": "s4d", "init": "diag-inv", "d_state": 128, "disc": "bilinear", "n_ssm": 1}),
        json!({"mode": "s4d", "init": "diag-lin", "d_state": 6, "real_transform": "relu",
               "dt_transform": "sigmoid"}),
    ];
    let channels = |config: &SsmConfig| if config.n_ssm == Some(3) { 6 } else { 3 };
    settings
        .into_iter()
        .map(|settings| {
            let config: SsmConfig = serde_json::from_value(settings).unwrap();
            (channels(&config), config)
        })
        .collect()
}

/// The tensors of a discrete system.
fn parts(ssm: &DiscreteSsm) -> Vec<Tensor> {
    let mut parts = vec![ssm.b.shallow_clone(), ssm.c.shallow_clone()];
    parts.extend(transition_parts(&ssm.a));
    parts
}

fn transition_parts(a: &Transition) -> Vec<Tensor> {
    match a {
        Transition::Diagonal(Rotation { re, im }) => vec![re.shallow_clone(), im.shallow_clone()],
        Transition::LowRank(a) => [&a.d.re, &a.d.im, &a.p, &a.q].map(Tensor::shallow_clone).into(),
        Transition::Dense(a) => vec![a.shallow_clone()],
    }
}

/// `parts`, and the gradients of a random functional of them.
fn with_gradients(store: &mut ParamStore, parts: &[Tensor], extra: &[&Tensor]) -> Vec<Tensor> {
    store.zero_grad();
    let total = parts
        .iter()
        .zip(3..)
        .map(|(part, seed)| {
            let weights = normal(seed, &part.size(), Kind::Double);
            (part.to_kind(Kind::Double) * weights).sum(Kind::Double)
        })
        .reduce(|a, b| a + b)
        .unwrap();
    total.backward();
    let mut all: Vec<Tensor> = parts.iter().map(Tensor::detach).collect();
    all.extend(store.parameters().map(|(_, x, _)| x.grad().copy()).filter(Tensor::defined));
    all.extend(extra.iter().map(|x| x.grad().copy()));
    all
}

fn assert_close(name: &str, found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.size(), expected.size(), "{name}, tensor {i}");
        let [found, expected] = [found, expected].map(|x| x.to_kind(Kind::Double));
        let scale = expected.abs().max().double_value(&[]).max(1e-9);
        let error = (found - expected).abs().max().double_value(&[]) / scale;
        assert!(error < tolerance, "{name}, tensor {i}: {error:e}");
    }
}

fn parameters(kind: Kind, h: i64, outputs: i64, config: &SsmConfig) -> (ParamStore, SsmParameters) {
    let mut store = ParamStore::new(Device::Cpu, kind);
    let parameters = seeded(1, || SsmParameters::new(&mut store.root(), h, outputs, config));
    (store, parameters.unwrap())
}

#[test]
fn discretisation() {
    for (h, config) in configs() {
        for outputs in [1, 2] {
            let (mut store, parameters) = parameters(Kind::Double, h, outputs, &config);
            let mut run = || {
                let discrete = parameters.discrete(1.5, 10).unwrap();
                with_gradients(&mut store, &parts(&discrete), &[])
            };
            let (expected, found) = (run(), with_kernels(&mut run));
            assert_close(&format!("{config:?}"), &found, &expected, 1e-9);
        }
    }
}

#[test]
fn powers() {
    for (h, config) in configs() {
        for (outputs, len) in [(1, 1), (2, 5), (1, 32)] {
            let (mut store, parameters) = parameters(Kind::Double, h, outputs, &config);
            let mut run = || {
                let discrete = parameters.ssm(1.0).discretise(len).unwrap();
                let powers = Powers::new(&discrete, len, Kind::Double).unwrap();
                let mut parts = vec![powers.columns, powers.rows, powers.taps];
                parts.extend(transition_parts(&powers.carry));
                with_gradients(&mut store, &parts, &[])
            };
            let (expected, found) = (run(), with_kernels(&mut run));
            assert_close(&format!("{config:?}, {outputs}, {len}"), &found, &expected, 1e-9);
        }
    }
}

#[test]
fn convolution_kernels() {
    for (h, config) in configs() {
        for (outputs, len) in [(1, 1), (2, 17), (1, 300)] {
            let (mut store, parameters) = parameters(Kind::Double, h, outputs, &config);
            let mut run = || {
                let discrete = parameters.discrete(1.0, len).unwrap();
                let kernel = block_powers::kernel(&discrete, len, Kind::Double);
                with_gradients(&mut store, &[kernel], &[])
            };
            let (expected, found) = (run(), with_kernels(&mut run));
            assert_close(&format!("{config:?}, {outputs}, {len}"), &found, &expected, 1e-8);
        }
    }
}

/// A convolution's outputs, states and gradients, all of it by kernels.
fn convolve(
    kind: Kind,
    inputs: Kind,
    (h, config): &(i64, SsmConfig),
    (batch, len, chunk): (i64, i64, i64),
    directions: i64,
) -> Result<Vec<Tensor>> {
    let (mut store, parameters) = parameters(kind, *h, directions, config);
    let u = normal(20, &[batch, *h, len], Kind::Float).to_kind(inputs).set_requires_grad(true);
    let skip = normal(21, &[1, *h], Kind::Float).to_kind(kind).set_requires_grad(true);
    let discrete = parameters.discrete(1.0, len)?;
    if directions == 2 {
        let y = chunked::bidirectional(&discrete, &u, Some(&skip), chunk)?;
        return Ok(with_gradients(&mut store, &[y], &[&u, &skip]));
    }
    let state = normal(22, &[batch, *h, parameters.states()], Kind::Float);
    let state = state.to_kind(kind).set_requires_grad(true);
    let (y, last) = chunked::convolve(&discrete, &u, &state, Some(&skip), chunk)?;
    Ok(with_gradients(&mut store, &[y, last], &[&u, &skip, &state]))
}

#[test]
fn convolution() {
    for config in configs() {
        for size in [(1, 1, 16), (3, 17, 16), (2, 64, 16)] {
            for directions in [1, 2] {
                let run = |kind, inputs| convolve(kind, inputs, &config, size, directions).unwrap();
                let expected = run(Kind::Double, Kind::Double);
                let name = format!("{config:?}, {size:?}, {directions} directions");
                let found = with_kernels(|| run(Kind::Double, Kind::Double));
                assert_close(&name, &found, &expected, 1e-8);
                let found = with_kernels(|| run(Kind::Float, Kind::Float));
                assert_close(&name, &found, &expected, 2e-4);
                // Of inputs in bfloat16 all but the rounding of operands is exact.
                let found = with_kernels(|| run(Kind::Float, Kind::BFloat16));
                assert_close(&name, &found, &expected, 0.1);
            }
        }
    }
}

#[test]
fn long_sequences() {
    let config: SsmConfig = serde_json::from_value(json!({"d_state": 64})).unwrap();
    let run = || convolve(Kind::Double, Kind::Double, &(2, config.clone()), (1, 4097, 128), 2);
    let (expected, found) = (run().unwrap(), with_kernels(run).unwrap());
    assert_close("4,097 inputs", &found, &expected, 1e-8);
}

/// The rule of `conv/plan.rs` for exact products: float32 stays below 5e-6 of the largest output.
#[test]
fn float32_loses_nothing_to_length() {
    let config: SsmConfig = serde_json::from_value(json!({"d_state": 64})).unwrap();
    let run = |kind| {
        let (_store, parameters) = parameters(Kind::Double, 2, 2, &config);
        let u = normal(8, &[1, 2, 16_384], Kind::Double);
        let discrete = parameters.discrete(1.0, 16_384).unwrap();
        chunked::bidirectional(&discrete, &u.to_kind(kind), None, 128).unwrap().detach()
    };
    let expected = run(Kind::Double);
    let found = with_kernels(|| run(Kind::Float));
    assert_close("16,384 inputs", &[found], &[expected], 5e-6);
}

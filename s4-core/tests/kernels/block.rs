//! Whole blocks by kernels of our own, run on the CPU, against those in tensor operations.

use cuda::host::with_kernels;
use parity::{normal, seeded};
use s4_config::S4BlockConfig;
use s4_core::dispatched;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::systems::{assert_close, disturb};

fn block(h: i64, settings: &Value) -> (ParamStore, S4Block) {
    let config: S4BlockConfig = serde_json::from_value(settings.clone()).unwrap();
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let dropout = Dropout { p: 0.0, tied: true };
    let block = seeded(5, || {
        let block = S4Block::new(&mut store.root(), h, &config, dropout).unwrap();
        disturb(&store);
        block
    });
    (store, block)
}

/// Outputs, states and gradients of a sequence in two parts, the second going on from the first.
fn in_parts(store: &mut ParamStore, block: &S4Block, x: &Tensor, first: i64) -> Vec<Tensor> {
    store.zero_grad();
    let x = x.detach().set_requires_grad(true);
    let (batch, _, len) = x.size3().unwrap();
    let pass = Pass::train();
    let state = block.default_state(batch).unwrap();
    let (y0, state) = block.forward_with_state(&x.narrow(2, 0, first), &state, &pass).unwrap();
    let (y1, state) =
        block.forward_with_state(&x.narrow(2, first, len - first), &state, &pass).unwrap();
    let y = Tensor::cat(&[y0, y1], 2);
    finish(store, &x, &[y, state[0].shallow_clone()])
}

fn at_once(store: &mut ParamStore, block: &S4Block, x: &Tensor) -> Vec<Tensor> {
    store.zero_grad();
    let x = x.detach().set_requires_grad(true);
    let y = block.forward(&x, &Pass::train()).unwrap();
    finish(store, &x, &[y])
}

fn finish(store: &ParamStore, x: &Tensor, parts: &[Tensor]) -> Vec<Tensor> {
    let total = parts.iter().map(|part| (part * part.sin()).sum(Kind::Double));
    total.reduce(|a, b| a + b).unwrap().backward();
    let mut all: Vec<Tensor> = parts.iter().map(Tensor::detach).collect();
    all.push(x.grad());
    all.extend(store.parameters().map(|(_, p, _)| p.grad().copy()));
    all
}

#[test]
fn blocks_agree() {
    for settings in [
        json!({"ssm": {"d_state": 8}}),
        json!({"ssm": {"d_state": 64}, "bidirectional": true, "channels": 2}),
        json!({"ssm": {"d_state": 6, "mode": "s4d", "init": "diag-lin"}, "channels": 2}),
        json!({"ssm": {"d_state": 4, "bandlimit": 0.5}, "bidirectional": true}),
        json!({"ssm": {"d_state": 4}, "l_max": 20, "final_act": "none"}),
        json!({"ssm": {"d_state": 4}, "convolution": "fft"}),
    ] {
        for (batch, len) in [(1, 1), (2, 33), (3, 200)] {
            let (mut store, block) = block(3, &settings);
            let x = normal(6, &[batch, 3, len], Kind::Double);
            let mut run = || at_once(&mut store, &block, &x);
            let (expected, found) = (run(), with_kernels(&mut run));
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("{settings} {batch} {len} {i}"), found, expected, 1e-8);
            }
            if settings["bidirectional"] == json!(true) || !settings["l_max"].is_null() {
                continue;
            }
            let first = (len / 2).max(1).min(len - 1);
            if first == 0 {
                continue;
            }
            let mut run = || in_parts(&mut store, &block, &x, first);
            let (expected, found) = (run(), with_kernels(&mut run));
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let what = format!("{settings} {batch} {len} in parts, {i}");
                assert_close(&what, found, expected, 1e-8);
            }
        }
    }
}

/// What a block asks of libtorch, forward and backward, beside its own launches or loops: on a GPU that
/// is its time for small batches.
#[test]
fn few_operations() {
    for (mode, init) in [("s4", "legs"), ("s4d", "diag-lin")] {
        for (bidirectional, len, by_loops) in
            [(false, 1024, 130), (true, 1024, 145), (false, 4096, 145), (true, 4096, 160)]
        {
            let settings = json!({
                "ssm": {"d_state": 64, "mode": mode, "init": init},
                "bidirectional": bidirectional,
            });
            let count = || {
                // Fresh parameters: their gradients are the first, which nothing is added to.
                let (_store, block) = block(4, &settings);
                let x = normal(6, &[2, 4, len], Kind::Double);
                let x = s4_core::gpu::channel_major(&x).set_requires_grad(true);
                let step = || {
                    let y = block.forward(&x, &Pass::train()).unwrap();
                    y.sum(Kind::Double).backward();
                };
                dispatched::count(step).unwrap().1
            };
            for (counts, most) in [(with_kernels(count), 40), (count(), by_loops)] {
                assert!(counts.total() <= most, "{settings} {len}: {counts:?}");
            }
        }
    }
}

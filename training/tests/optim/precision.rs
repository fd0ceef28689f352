//! Training with bfloat16 in the linear maps goes as training in float32 does.

use anyhow::Result;
use parity::seeded;
use s4_config::StackConfig;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::linear::Linear;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore};
use tch::{Kind, Tensor};
use training::optim::{Optimizer, OptimizerConfig};
use training::precision::Precision;

const STEPS: usize = 25;

/// The losses of learning to tell two frequencies apart. Draws from tch's generator.
fn losses(precision: Precision) -> Result<Vec<f64>> {
    let device = parity::device();
    let mut store = ParamStore::new(device, Kind::Float);
    let config = StackConfig { d_model: 16, n_layers: 2, prenorm: true, ..StackConfig::default() };
    let encoder = Linear::new(&mut store.root().sub("encoder"), 1, 16, Hyper::GLOBAL)?;
    let none = Dropout { p: 0.0, tied: true };
    let stack = Stack::new(&mut store.root().sub("model"), &config, |scope, _| {
        Ok(Box::new(S4Block::minimal(scope, 16, 8, none, None)?))
    })?;
    let decoder = Linear::new(&mut store.root().sub("decoder"), 16, 2, Hyper::GLOBAL)?;
    // Waves of one frequency or the other, in noise.
    let labels = Tensor::arange(16, (Kind::Int64, device)).remainder(2);
    let frequency = (labels.to_kind(Kind::Float) * 0.3 + 0.3).view([-1, 1, 1]);
    let x = (frequency * Tensor::arange(32, (Kind::Float, device))).sin();
    let x = &x + x.randn_like() * 0.3;

    let mut optimizer =
        Optimizer::new(&store, OptimizerConfig { lr: 0.01, ..OptimizerConfig::default() })?;
    let pass = Pass { dense: precision.dense(), ..Pass::train() };
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        let y = stack.forward(&encoder.forward(&x), &pass)?;
        let scores = decoder.step(&y.mean_dim([2i64].as_slice(), false, None));
        assert_eq!(scores.kind(), Kind::Float);
        let loss = scores.cross_entropy_for_logits(&labels);
        store.zero_grad();
        loss.backward();
        for (name, parameter, _) in store.parameters() {
            let gradient = parameter.grad();
            assert_eq!((parameter.kind(), gradient.kind()), (Kind::Float, Kind::Float), "{name}");
            assert!(gradient.isfinite().all().int64_value(&[]) == 1, "{name} is not finite");
        }
        optimizer.step(1.0)?;
        losses.push(loss.double_value(&[]));
    }
    Ok(losses)
}

#[test]
fn the_loss_curves_are_close() -> Result<()> {
    let [full, rounded] =
        [Precision::Float32, Precision::Bf16].map(|kind| seeded(1, || losses(kind)));
    let (full, rounded) = (full?, rounded?);
    println!("float32 {full:.4?}\nbf16 {rounded:.4?}");
    assert!(full[STEPS - 1] < 0.7 * full[0], "nothing was learned");
    for (step, (a, b)) in full.iter().zip(&rounded).enumerate() {
        assert!((a - b).abs() < 0.03 * full[0], "step {step}: {a} and {b}");
    }
    assert!(full != rounded, "nothing was rounded");
    Ok(())
}

//! Dropout, with the mask tied along time and without.

use parity::seeded;
use s4_config::{S4BlockConfig, StackConfig};
use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use serde_json::json;
use tch::{Kind, Tensor};

use crate::systems::normal;

const P: f64 = 0.3;
const TIED: Dropout = Dropout { p: P, tied: true };
const FREE: Dropout = Dropout { p: P, tied: false };

fn ones(shape: &[i64]) -> Tensor {
    Tensor::ones(shape, (Kind::Double, parity::device()))
}

fn apply(dropout: Dropout, x: &Tensor, seed: i64) -> Tensor {
    seeded(seed, || dropout.forward(x, true))
}

/// Entries are 0 or 1/(1 - p), and as many are 0 as should be: within five standard deviations.
fn assert_share(mask: &Tensor) {
    let kept = mask.ne(0.0).to_kind(Kind::Double);
    let other = (mask - &kept / (1.0 - P)).abs().max().double_value(&[]);
    assert!(other < 1e-15, "an entry is neither 0 nor 1/(1 - p)");
    let n = mask.numel() as f64;
    let share = kept.mean(Kind::Double).double_value(&[]);
    let deviation = (P * (1.0 - P) / n).sqrt();
    assert!((share - (1.0 - P)).abs() < 5.0 * deviation, "{share} of the entries are kept");
    // The scale makes up for what is gone.
    let mean = mask.mean(Kind::Double).double_value(&[]);
    assert!((mean - 1.0).abs() < 5.0 * deviation / (1.0 - P), "mean {mean}");
}

#[test]
fn tied_mask_is_one_for_each_channel_of_each_sequence() {
    let y = apply(TIED, &ones(&[40, 50, 7]), 1);
    let first = y.narrow(-1, 0, 1);
    assert!(y.equal(&first.expand_as(&y)), "the mask changes along time");
    let mask = first.squeeze_dim(-1);
    assert_share(&mask);
    assert!(!mask.get(0).equal(&mask.get(1)), "the mask is shared by the batch");
    assert!(!mask.select(1, 0).equal(&mask.select(1, 1)), "the mask is shared by the channels");
    // A further dimension is tied as well: (B, H, …).
    let y = apply(TIED, &ones(&[40, 50, 3, 2]), 2);
    assert!(y.equal(&y.narrow(2, 0, 1).narrow(3, 0, 1).expand_as(&y)));
}

#[test]
fn free_mask_changes_along_time() {
    let y = apply(FREE, &ones(&[10, 20, 30]), 3);
    assert_share(&y);
    assert!(!y.select(-1, 0).equal(&y.select(-1, 1)));
}

#[test]
fn dropout_scales_what_it_keeps_and_its_gradient() {
    for dropout in [TIED, FREE] {
        let mask = apply(dropout, &ones(&[4, 5, 6]), 4);
        let x = normal(5, &[4, 5, 6], Kind::Double).set_requires_grad(true);
        let y = apply(dropout, &x, 4);
        assert!((&y - &x * &mask).abs().max().double_value(&[]) < 1e-14, "{dropout:?}");
        y.sum(Kind::Double).backward();
        assert!((x.grad() - &mask).abs().max().double_value(&[]) < 1e-14, "{dropout:?}");
    }
}

#[test]
fn evaluation_and_p_zero_change_nothing() {
    let x = normal(6, &[2, 3, 4], Kind::Float);
    for tied in [true, false] {
        assert!(Dropout { p: P, tied }.forward(&x, false).equal(&x));
        assert!(Dropout { p: 0.0, tied }.forward(&x, true).equal(&x));
    }
}

#[test]
fn the_seed_decides() {
    let x = ones(&[4, 8, 16]);
    for dropout in [TIED, FREE] {
        assert!(apply(dropout, &x, 7).equal(&apply(dropout, &x, 7)), "{dropout:?}");
        assert!(!apply(dropout, &x, 7).equal(&apply(dropout, &x, 8)), "{dropout:?}");
    }
}

/// In a network: training draws, evaluation does not, and a seed repeats every mask of a pass.
#[test]
fn networks_drop_in_training_alone() {
    let config = StackConfig { d_model: 8, n_layers: 2, dropout: P, ..StackConfig::default() };
    let block: S4BlockConfig = serde_json::from_value(json!({"ssm": {"d_state": 4}})).unwrap();
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let stack = seeded(9, || {
        Stack::new(&mut store.root(), &config, |scope, _| {
            Ok(Box::new(S4Block::new(scope, config.d_model, &block, Dropout::from(&config))?))
        })
    })
    .unwrap();
    let x = normal(10, &[2, 8, 12], Kind::Double);
    let train = |seed| seeded(seed, || stack.forward(&x, &Pass::train()).unwrap());
    let eval = |seed| seeded(seed, || stack.forward(&x, &Pass::eval()).unwrap());
    assert!(train(11).equal(&train(11)));
    assert!(!train(11).equal(&train(12)));
    assert!(eval(11).equal(&eval(12)));
    assert!(!eval(11).equal(&train(11)));
    assert!(StackConfig { dropout: 1.0, ..config }.validate().is_err());
}

//! Linear maps in bfloat16: close to those in full precision, and nothing else concerned.

use parity::seeded;
use s4_config::S4BlockConfig;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::systems::{deviation, normal};

/// Rounding to 8 significant bits is off by at most 2⁻⁹; products of many average that out.
const ROUNDING: f64 = 1.0 / 256.0;

type Build = fn(&mut s4_core::params::Scope, i64, i64, Hyper) -> anyhow::Result<Linear>;

/// Output, and gradients of the input and all parameters, in a fixed order.
fn results(build: Build, dense: DenseKind) -> Vec<Tensor> {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let linear = seeded(1, || build(&mut store.root(), 24, 10, Hyper::GLOBAL)).unwrap();
    let x = normal(2, &[3, 24, 40], Kind::Float).set_requires_grad(true);
    let y = linear.forward_in(&x, dense);
    (&y * normal(3, &[3, 10, 40], Kind::Float)).sum(Kind::Float).backward();
    let gradients = store.parameters().map(|(_, tensor, _)| tensor.grad());
    [y.detach(), x.grad()].into_iter().chain(gradients).collect()
}

#[test]
fn bfloat16_is_close_and_stays_inside_the_product() {
    for build in [Linear::new, Linear::pointwise, Linear::weight_normed] as [Build; 3] {
        let (full, rounded) =
            (results(build, DenseKind::Full), results(build, DenseKind::Bfloat16));
        assert_eq!(full.len(), rounded.len());
        for (i, (full, rounded)) in full.iter().zip(&rounded).enumerate() {
            assert_eq!(rounded.kind(), Kind::Float, "result {i}");
            let found = deviation(rounded, full);
            assert!(found < 2.0 * ROUNDING, "result {i} deviates by {found:.1e}");
        }
        assert!(deviation(&rounded[0], &full[0]) > 1e-5, "nothing was rounded");
    }
}

fn block(changes: &Value, dense: DenseKind) -> Tensor {
    let mut config = json!({"ssm": {"d_state": 8}});
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let config: S4BlockConfig = serde_json::from_value(config).unwrap();
    let none = s4_core::layer::dropout::Dropout { p: 0.0, tied: true };
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let block = seeded(4, || S4Block::new(&mut store.root(), 8, &config, none)).unwrap();
    let pass = Pass { dense, ..Pass::train() };
    block.forward(&normal(5, &[2, 8, 50], Kind::Float), &pass).unwrap()
}

#[test]
fn the_ssm_of_a_block_is_not_concerned() {
    let glu = |dense| block(&json!({}), dense);
    let alone = |dense| block(&json!({"final_act": "none"}), dense);
    assert!(alone(DenseKind::Full).equal(&alone(DenseKind::Bfloat16)));
    let found = deviation(&glu(DenseKind::Bfloat16), &glu(DenseKind::Full));
    assert!((1e-5..4.0 * ROUNDING).contains(&found), "the output map deviates by {found:.1e}");
}

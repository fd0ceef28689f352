//! Sizes of the published networks, from their settings: what the official code counts without
//! encoder and decoder.

use parity::seeded;
use s4_config::{NormKind, S4BlockConfig, StackConfig};
use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::params::ParamStore;
use serde_json::{Value, json};
use tch::{Device, Kind};

/// Trained scalars of six bidirectional S4 layers with a gated output, norms included.
fn backbone(d_model: i64, norm: NormKind, prenorm: bool, ssm: &Value) -> usize {
    let config = StackConfig { d_model, n_layers: 6, norm, prenorm, ..StackConfig::default() };
    let block = json!({"bidirectional": true, "final_act": "glu", "ssm": ssm});
    let block: S4BlockConfig = serde_json::from_value(block).expect("settings");
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    seeded(1, || {
        Stack::new(&mut store.root(), &config, |scope, _| {
            Ok(Box::new(S4Block::new(scope, d_model, &block, Dropout::from(&config))?))
        })
    })
    .expect("a network");
    store.num_parameters()
}

#[test]
fn backbones_have_the_published_sizes() {
    use NormKind::{Batch, Layer};
    let ssm = |d_state: i64, n_ssm: Option<i64>| json!({"d_state": d_state, "n_ssm": n_ssm});
    for (task, expected, found) in [
        ("ListOps", 808_008, backbone(256, Batch, false, &ssm(4, Some(1)))),
        ("Text, Retrieval", 808_520, backbone(256, Batch, true, &ssm(4, Some(1)))),
        ("Image", 3_558_528, backbone(512, Batch, false, &ssm(64, Some(1)))),
        ("Pathfinder, Path-X", 1_287_680, backbone(256, Batch, true, &ssm(64, None))),
        ("sCIFAR", 3_559_680, backbone(512, Layer, false, &ssm(64, Some(2)))),
        ("SC35", 302_080, backbone(128, Batch, true, &ssm(64, Some(2)))),
    ] {
        assert_eq!(found, expected, "{task}");
    }
}

//! Weights of the official code (state-spaces/s4) in a network of ours: the same logits.
//!
//! `lra-bench import` makes a run of a checkpoint as it is (docs/checkpoints.md); this is what it comes
//! to, with weights in a safetensors file.
//!
//! ```sh
//! cargo run -p models --example official_weights     # with the reference numbers in parity/fixtures
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use models::Network;
use s4_config::{Input, NetworkConfig, NormKind, Output, Pooling, Shape, Transform};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind};

/// Weights, an input and its logits, as the official code had them: a small model of pictures.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../parity/fixtures/model.safetensors");

/// The names that a network has: a checkpoint of the official `train.py` numbers what encoders and
/// decoders are made of (`encoder.0.weight`).
fn name(official: &str) -> String {
    for part in ["encoder", "decoder"] {
        let numbered = official.strip_prefix(part).and_then(|rest| rest.strip_prefix(".0."));
        if let Some(rest) = numbered {
            return format!("{part}.{rest}");
        }
    }
    official.to_owned()
}

fn main() -> Result<()> {
    let file = StateDict::from_safetensors(&fs::read(Path::new(FILE))?)?;
    let part = |prefix: &str| -> StateDict {
        let named = |(key, tensor): (&str, &tch::Tensor)| {
            Some((name(key.strip_prefix(prefix)?), tensor.shallow_clone()))
        };
        file.iter().filter_map(named).collect()
    };

    // What the official experiment says; without a prefix, all of a file are weights.
    let mut config = NetworkConfig {
        d_model: Some(8),
        n_layers: Some(2),
        norm: Some(NormKind::Layer),
        prenorm: Some(false),
        pooling: Some(Pooling::Last),
        ..NetworkConfig::default()
    };
    config.layer.bidirectional = true;
    config.layer.ssm.d_state = 8;
    config.layer.ssm.n_ssm = Some(2);
    // Settings that are in no name or shape are to be taken care of: another transform loads as well.
    config.layer.ssm.dt_transform = Transform::Softplus;
    let shape = Shape { input: Input::Values { features: 1 }, output: Output::Classes(10) };
    let mut params = ParamStore::new(Device::Cpu, Kind::Float);
    let network = Network::new(&mut params.root(), &config, shape)?;
    // Strictly: names, shapes and kinds must be those of the model, or the error lists what differs.
    params.load_state_dict(&part("cifar_like/sd/"))?;

    let x = file.get("cifar_like/in/x").context("an input")?; // (B, L, 1)
    let logits = tch::no_grad(|| network.forward(x, &Pass::eval()))?;
    let official = file.get("cifar_like/out64/logits_eval").context("logits")?;
    let off = (logits - official).abs().max().double_value(&[]);
    program::output::say(format_args!("logits differ by at most {off:.1e}"))?;
    ensure!(off < 1e-4, "they are not those of the official code");
    Ok(())
}

#[test]
fn logits_are_the_official_ones() -> Result<()> {
    main()
}

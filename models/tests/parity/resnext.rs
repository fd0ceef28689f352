//! The official classifier of SC09: outputs, features, gradients, running statistics.

use anyhow::{Context, Result, ensure};
use models::Network;
use parity::{Case, for_each_case};
use s4_config::{Backbone, Input, NetworkConfig, Output, ResnextConfig, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind};

/// Where an official parameter is in a network.
fn renamed(name: &str) -> String {
    match name.strip_prefix("classifier.") {
        Some(rest) => format!("decoder.output_transform.{rest}"),
        None => format!("model.{name}"),
    }
}

fn config(resnext: ResnextConfig) -> NetworkConfig {
    NetworkConfig {
        backbone: Some(Backbone::Resnext),
        resnext: Some(resnext),
        ..NetworkConfig::default()
    }
}

fn check(case: &Case, kind: Kind) -> Result<()> {
    let config = config(ResnextConfig {
        depth: case.int("depth", 0),
        cardinality: case.int("cardinality", 0),
        base_width: case.int("base_width", 0),
        widen: case.int("widen_factor", 0),
    });
    let device = parity::device();
    // The official pictures have bands in rows and frames in columns: ours are sequences of frames.
    let x = case.tensor("in/x")?.to_device(device).to_kind(kind).squeeze_dim(1).transpose(1, 2);
    let shape = Shape {
        input: Input::Values { features: x.size()[2] },
        output: Output::Classes(case.int("nlabels", 0)),
    };
    let mut store = ParamStore::new(device, kind);
    let network = Network::new(&mut store.root(), &config, shape)?;
    ensure!(Some(store.num_parameters() as u64) == case.json["facts"]["n_params"].as_u64());
    let dict: StateDict =
        case.group("sd").into_iter().map(|(name, tensor)| (renamed(&name), tensor)).collect();
    store.load_state_dict(&dict.to_kind(kind))?;
    let expect = |name: &str, actual: &tch::Tensor| match kind {
        Kind::Double => case.expect_f64(&format!("out64/{name}"), actual, 1e-8),
        _ => case.expect_f32(&format!("out/{name}"), actual),
    };
    let (features, logits) = network.features(&x, &Pass::train())?;
    expect("features_train", &features)?;
    expect("logits_train", &logits)?;
    let labels = case.tensor("in/labels")?.to_device(device);
    let mean = tch::Reduction::Mean;
    let loss = logits.cross_entropy_loss::<tch::Tensor>(&labels, None, mean, -100, 0.0);
    expect("loss", &loss)?;
    loss.backward();
    for (name, _) in case.group("grad64") {
        let gradient = store.get(&renamed(&name)).context("a parameter")?.grad();
        match kind {
            Kind::Double => case.expect_f64(&format!("grad64/{name}"), &gradient, 1e-8)?,
            _ => case.expect_f32(&format!("grad/{name}"), &gradient)?,
        }
    }
    for (name, expected) in case.group("sd_post") {
        let actual = store.get(&renamed(&name)).context("a buffer")?;
        let error = (actual - expected.to_device(device)).abs().max().double_value(&[]);
        ensure!(error < 1e-5, "{name}: off by {error:.2e}");
    }
    let _guard = tch::no_grad_guard();
    let (features, logits) = network.features(&x, &Pass::eval())?;
    expect("features_eval", &features)?;
    expect("logits_eval", &logits)
}

fn all(kind: Kind) {
    let mut seen = 0;
    for_each_case("audio_metrics", |case| {
        if !case.json["id"].as_str().is_some_and(|id| id.starts_with("resnext")) {
            return Ok(());
        }
        seen += 1;
        check(case, kind)
    });
    assert!(seen > 0);
}

#[test]
fn parity_resnext_float64() {
    all(Kind::Double);
}

#[test]
fn parity_resnext_float32() {
    all(Kind::Float);
}

#[test]
fn the_official_classifier_has_its_number_of_parameters() {
    let shape = Shape { input: Input::Values { features: 32 }, output: Output::Classes(10) };
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    Network::new(&mut store.root(), &config(ResnextConfig::default()), shape).unwrap();
    assert_eq!(store.num_parameters(), 34_425_546);
}

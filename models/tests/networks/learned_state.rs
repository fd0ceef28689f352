//! States to begin with that are learned.

use anyhow::Result;
use models::Network;
use parity::{normal, seeded};
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const SHAPE: Shape = Shape { input: Input::Values { features: 2 }, output: Output::PerPosition(3) };

fn network(backbone: &str, changes: &Value) -> Result<(ParamStore, Network)> {
    let mut settings = json!({"backbone": backbone, "d_model": 4, "n_layers": 2, "learned_state": true,
                              "layer": {"ssm": {"d_state": 4}}});
    for (key, value) in changes.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    let config: NetworkConfig = serde_json::from_value(settings)?;
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let network = seeded(3, || Network::new(&mut store.root(), &config, SHAPE))?;
    Ok((store, network))
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

#[test]
fn whole_sequences_parts_and_steps_begin_in_the_learned_state() -> Result<()> {
    for (backbone, changes) in [
        ("s4", json!({})),
        ("sashimi", json!({"pool": [4]})),
        ("lstm", json!({})),
        ("gru", json!({})),
        ("linear-attention", json!({"attention": {"heads": 2}})),
    ] {
        let (store, network) = network(backbone, &changes)?;
        let x = normal(1, &[2, 10, 2], Kind::Double);
        let zero = network.forward(&x, &Pass::eval())?;
        let mut learned = Vec::new();
        for entry in store.entries().iter().filter(|it| it.name.starts_with("learned_state.")) {
            assert_eq!(largest(&entry.tensor), 0.0, "nothing is changed at first");
            let values = normal(learned.len() as i64, &entry.tensor.size(), Kind::Double);
            entry.tensor.detach().copy_(&values);
            learned.push(entry.tensor.shallow_clone());
        }
        assert!(!learned.is_empty());
        let whole = network.forward(&x, &Pass::eval())?;
        assert!(largest(&(&whole - zero)) > 1e-3, "{backbone}");
        whole.square().sum(Kind::Double).backward();
        let moved = learned.iter().filter(|state| largest(&state.grad()) > 0.0).count();
        assert!(moved > 0, "{backbone}: the loss depends on them");

        let _guard = tch::no_grad_guard();
        let mut parts = Vec::new();
        let mut state = network.default_state(2)?;
        for (from, count) in [(0, 4), (4, 4)] {
            let (y, next) =
                network.forward_with_state(&x.narrow(1, from, count), &state, &Pass::eval())?;
            parts.push(y);
            state = next;
        }
        assert!(largest(&(Tensor::cat(&parts, 1) - whole.narrow(1, 0, 8))) < 1e-8, "{backbone}");
        let stepper = network.stepper(StepMode::Dense, 1.0)?;
        let mut state = network.default_state(2)?;
        for position in 0..10 {
            let (y, next) = stepper.step(&x.select(1, position), &state)?;
            assert!(largest(&(y - whole.select(1, position))) < 1e-8, "{backbone} {position}");
            state = next;
        }
    }
    Ok(())
}

#[test]
fn networks_that_look_ahead_begin_nowhere() {
    let ahead = json!({"layer": {"bidirectional": true, "ssm": {"d_state": 4}}});
    let error = format!("{:#}", network("s4", &ahead).unwrap_err());
    assert!(error.contains("model.learned_state") && error.contains("bidirectional"), "{error}");
}

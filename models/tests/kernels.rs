//! The model with kernels, as on a GPU, and without: outputs, states and gradients agree.
//! Apart from `networks`, which are also tried on GPUs.

use cuda::host::with_kernels;
use models::sashimi::Sashimi;
use s4_config::NetworkConfig;
use s4_core::gpu;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

fn model(changes: &Value) -> (ParamStore, Sashimi) {
    let mut config = json!({"d_model": 4, "n_layers": 1, "layer": {"ssm": {"d_state": 4}}});
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let config: NetworkConfig = serde_json::from_value(config).unwrap();
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    tch::manual_seed(1);
    let model = Sashimi::new(&mut store.root(), &config.sashimi()).unwrap();
    (store, model)
}

/// Outputs of whole sequences, of parts, the last state, and all gradients.
fn results(changes: &Value, x: &Tensor) -> Vec<Tensor> {
    let (store, model) = model(changes);
    let x = x.detach().set_requires_grad(true);
    let mut outputs = vec![model.forward(&x, &Pass::train()).unwrap()];
    let causal = changes["layer"]["bidirectional"] != json!(true);
    if causal {
        let mut state = model.default_state(x.size()[0]).unwrap();
        let half = 2 * model.stride();
        for start in [0, half] {
            let part = x.narrow(2, start, half);
            let y;
            (y, state) = model.forward_with_state(&part, &state, &Pass::train()).unwrap();
            outputs.push(y);
        }
        outputs.extend(state.into_iter().filter(|tensor| tensor.numel() > 0));
    }
    let sum: Tensor = outputs.iter().map(|y| y.square().sum(Kind::Double)).sum();
    sum.backward();
    outputs.push(x.grad());
    outputs.extend(store.parameters().map(|(_, parameter, _)| parameter.grad()));
    outputs
}

#[test]
fn kernels_change_nothing() {
    let x = Tensor::randn([3, 4, 57], (Kind::Double, Device::Cpu));
    for changes in [
        json!({"pool": [4, 2]}),
        json!({"variant": "audio", "unet": true, "pool": [2, 3]}),
        json!({"pool": [2], "layer": {"bidirectional": true, "ssm": {"d_state": 4}}}),
    ] {
        let expected = results(&changes, &x);
        let found = with_kernels(|| {
            assert!(gpu::has_kernels(&x));
            results(&changes, &x)
        });
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()));
            let scale = expected.abs().max().double_value(&[]).max(1e-3);
            let error = (found - expected).abs().max().double_value(&[]) / scale;
            assert!(error < 1e-8, "{changes}, result {i}: {error:.1e}");
        }
    }
}

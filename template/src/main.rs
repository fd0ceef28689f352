//! S4 learns which half of a noise is the louder one. Put your own data, model and loop in its place.

use anyhow::Result;
use models::Network;
use program::output::say;
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Tensor};
use training::optim::{Optimizer, OptimizerConfig};

const BATCH: i64 = 16;
const HALF: i64 = 64;

fn main() -> Result<()> {
    tch::manual_seed(0);
    let mut config = NetworkConfig { d_model: Some(16), n_layers: Some(2), ..Default::default() };
    config.layer.ssm.d_state = 16;
    let shape = Shape { input: Input::Values { features: 1 }, output: Output::Classes(2) };
    let mut params = ParamStore::new(Device::cuda_if_available(), Kind::Float);
    let network = Network::new(&mut params.root(), &config, shape)?;
    say(format_args!("{} parameters on {:?}", params.num_parameters(), params.device()))?;

    let mut optimizer =
        Optimizer::new(&params, OptimizerConfig { lr: 1e-2, ..Default::default() })?;
    for step in 0..=100 {
        let (x, labels) = batch(params.device());
        params.zero_grad();
        let logits = network.forward(&x, &Pass::train())?; // (B, 2)
        let loss = logits.cross_entropy_for_logits(&labels);
        loss.backward();
        optimizer.step(1.0)?; // times a schedule's factor, if you have one
        if step % 20 == 0 {
            let accuracy = logits.accuracy_for_logits(&labels).double_value(&[]);
            let loss = loss.double_value(&[]);
            say(format_args!("step {step}: loss {loss:.4}, accuracy {accuracy:.2}"))?;
        }
    }
    Ok(())
}

/// Noise, (B, L, 1), and which half of it is the louder one, (B).
fn batch(device: Device) -> (Tensor, Tensor) {
    let labels = Tensor::randint(2, [BATCH], (Kind::Int64, device));
    let second = labels.to_kind(Kind::Float).view([-1, 1]);
    let loudness = Tensor::cat(&[1.5 - &second, 0.5 + &second], 1);
    let noise = Tensor::randn([BATCH, 2, HALF], (Kind::Float, device));
    ((noise * loudness.unsqueeze(2)).view([BATCH, -1, 1]), labels)
}

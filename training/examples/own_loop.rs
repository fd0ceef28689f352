//! A model, data and training loop of one's own, without the trainer: S4 learns to tell two frequencies
//! apart in noise.
//!
//! ```sh
//! cargo run -p training --example own_loop
//! ```

use anyhow::{Result, ensure};
use models::Network;
use program::output::say;
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::heap;
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Tensor};
use training::optim::{AdamW, AdamWConfig, clip_grad_norm};

const BATCH: i64 = 32;
const LENGTH: i64 = 256;
const STEPS: u32 = 100;

fn main() -> Result<()> {
    heap::keep_freed_pages();
    tch::manual_seed(0);
    let mut config = NetworkConfig { d_model: Some(16), n_layers: Some(2), ..Default::default() };
    config.layer.bidirectional = true;
    config.layer.ssm.d_state = 16;
    let shape = Shape { input: Input::Values { features: 1 }, output: Output::Classes(2) };
    let mut params = ParamStore::new(Device::cuda_if_available(), Kind::Float);
    let network = Network::new(&mut params.root(), &config, shape)?;
    let mut optimizer = AdamW::new(&params, AdamWConfig { lr: 5e-3, ..AdamWConfig::default() })?;
    for step in 0..STEPS {
        let (x, labels) = batch(params.device());
        params.zero_grad();
        let loss = network.forward(&x, &Pass::train())?.cross_entropy_for_logits(&labels);
        loss.backward();
        clip_grad_norm(optimizer.parameters(), 1.0)?;
        // A rate that comes down, which is a factor of each group's own.
        optimizer.step(1.0 - f64::from(step) / f64::from(STEPS))?;
        if step % 20 == 0 {
            say(format_args!("step {step}: loss {:.4}", f64::try_from(&loss)?))?;
        }
    }
    let (x, labels) = batch(params.device());
    let logits = tch::no_grad(|| network.forward(&x, &Pass::eval()))?;
    let correct = logits.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Double).mean(None);
    let accuracy = f64::try_from(correct)?;
    say(format_args!("accuracy {accuracy:.3}"))?;
    ensure!(accuracy > 0.9, "it has learned less than it should");
    Ok(())
}

/// Sines of five or seven periods with any phase, (B, L, 1), in noise as loud; and which it is, (B).
fn batch(device: Device) -> (Tensor, Tensor) {
    let labels = Tensor::randint(2, [BATCH], (Kind::Int64, device));
    let turns = labels.to_kind(Kind::Float).unsqueeze(1) * 2.0 + 5.0;
    let phase = Tensor::rand([BATCH, 1], (Kind::Float, device));
    let time = Tensor::linspace(0.0, 1.0, LENGTH, (Kind::Float, device));
    let sines = ((turns * time + phase) * std::f64::consts::TAU).sin();
    let noise = Tensor::randn([BATCH, LENGTH], (Kind::Float, device));
    ((sines + noise * 0.7).unsqueeze(2), labels)
}

//! A model and a training loop of one's own, without the trainer: S4 learns to tell two frequencies
//! apart in noise.
//!
//! ```sh
//! cargo run -p training --example own_loop
//! ```

use anyhow::{Result, ensure};
use program::output::say;
use s4_config::S4BlockConfig;
use s4_core::heap;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::linear::Linear;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore, Scope};
use tch::{Device, Kind, Tensor};
use training::optim::{Optimizer, OptimizerConfig, clip_grad_norm};

const WIDTH: i64 = 16;
const BATCH: i64 = 32;
const LENGTH: i64 = 256;
const STEPS: u32 = 100;

/// Two S4 blocks with residual connections between linear maps; the mean over time is classified.
struct Model {
    encoder: Linear,
    blocks: [S4Block; 2],
    decoder: Linear,
}

impl Model {
    fn new(scope: &mut Scope) -> Result<Self> {
        let mut config = S4BlockConfig { bidirectional: true, ..Default::default() };
        config.ssm.d_state = 16;
        let none = Dropout { p: 0.0, tied: true };
        let mut block = |name| S4Block::new(&mut scope.sub(name), WIDTH, &config, none);
        Ok(Self {
            blocks: [block("first")?, block("second")?],
            encoder: Linear::new(&mut scope.sub("encoder"), 1, WIDTH, Hyper::GLOBAL)?,
            decoder: Linear::new(&mut scope.sub("decoder"), WIDTH, 2, Hyper::GLOBAL)?,
        })
    }

    /// Logits (B, 2) of sequences x (B, 1, L).
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut x = self.encoder.forward(x); // (B, H, L)
        for block in &self.blocks {
            x = &x + block.forward(&x, pass)?;
        }
        Ok(self.decoder.forward(&x.mean_dim(2, true, x.kind())).squeeze_dim(2))
    }
}

fn main() -> Result<()> {
    heap::keep_freed_pages();
    tch::manual_seed(0);
    let mut params = ParamStore::new(Device::cuda_if_available(), Kind::Float);
    let model = Model::new(&mut params.root())?;
    let mut optimizer =
        Optimizer::new(&params, OptimizerConfig { lr: 5e-3, ..OptimizerConfig::default() })?;
    for step in 0..STEPS {
        let (x, labels) = batch(params.device());
        params.zero_grad();
        let loss = model.forward(&x, &Pass::train())?.cross_entropy_for_logits(&labels);
        loss.backward();
        clip_grad_norm(optimizer.parameters(), 1.0)?;
        // A rate that comes down, which is a factor of each group's own.
        optimizer.step(1.0 - f64::from(step) / f64::from(STEPS))?;
        if step % 20 == 0 {
            say(format_args!("step {step}: loss {:.4}", f64::try_from(&loss)?))?;
        }
    }
    let (x, labels) = batch(params.device());
    let logits = tch::no_grad(|| model.forward(&x, &Pass::eval()))?;
    let correct = logits.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Double).mean(None);
    let accuracy = f64::try_from(correct)?;
    say(format_args!("accuracy {accuracy:.3}"))?;
    ensure!(accuracy > 0.9, "it has learned less than it should");
    Ok(())
}

/// Sines of five or seven periods with any phase, (B, 1, L), in noise as loud; and which it is, (B).
fn batch(device: Device) -> (Tensor, Tensor) {
    let labels = Tensor::randint(2, [BATCH], (Kind::Int64, device));
    let turns = labels.to_kind(Kind::Float).unsqueeze(1) * 2.0 + 5.0;
    let phase = Tensor::rand([BATCH, 1], (Kind::Float, device));
    let time = Tensor::linspace(0.0, 1.0, LENGTH, (Kind::Float, device));
    let sines = ((turns * time + phase) * std::f64::consts::TAU).sin();
    let noise = Tensor::randn([BATCH, LENGTH], (Kind::Float, device));
    ((sines + noise * 0.7).unsqueeze(1), labels)
}

#[test]
fn it_learns() -> Result<()> {
    main()
}

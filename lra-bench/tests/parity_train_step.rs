//! Training steps of the official `example.py` classifier, built from our layers: scores, every
//! gradient, five AdamW steps. Alone, to be tried on GPUs.

use anyhow::{Context, Result, ensure};
use parity::{Case, for_each_case};
use s4_config::NormKind;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::linear::Linear;
use s4_core::layer::norm::Norm;
use s4_core::layer::residual::Residual;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore};
use s4_core::state_dict::StateDict;
use tch::{Kind, Reduction, Tensor};
use training::optim::{Optimizer, OptimizerConfig};

struct Example {
    store: ParamStore,
    encoder: Linear,
    blocks: Vec<Residual>,
    decoder: Linear,
}

impl Example {
    fn new(case: &Case, kind: Kind) -> Result<Self> {
        let (width, classes) = (case.int("d_model", 0), case.int("d_output", 10));
        let none = Dropout { p: 0.0, tied: true };
        let mut store = ParamStore::new(parity::device(), kind);
        let mut root = store.root();
        let inputs = case.int("d_input", 1);
        let encoder = Linear::new(&mut root.sub("encoder"), inputs, width, Hyper::GLOBAL)?;
        let mut blocks = Vec::new();
        for i in 0..case.int("n_layers", 0) {
            let lr = Some(case.real("ssm_lr", 0.001));
            let mut scope = root.sub(format_args!("s4_layers.{i}"));
            let layer = S4Block::minimal(&mut scope, width, case.int("d_state", 64), none, lr)?;
            let mut scope = root.sub(format_args!("norms.{i}"));
            let norm = Norm::new(&mut scope, NormKind::Layer, width, Hyper::GLOBAL)?;
            let prenorm = case.flag("prenorm", false);
            blocks.push(Residual::new(Box::new(layer), norm, prenorm, none));
        }
        let decoder = Linear::new(&mut root.sub("decoder"), width, classes, Hyper::GLOBAL)?;
        let dict: StateDict = case.group("sd").into_iter().collect();
        store.load_state_dict(&dict.to_kind(kind))?;
        Ok(Self { store, encoder, blocks, decoder })
    }

    fn scores(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.encoder.forward(&x.transpose(1, 2));
        for block in &self.blocks {
            x = block.forward(&x, &Pass::train())?;
        }
        Ok(self.decoder.step(&x.mean_dim([2i64].as_slice(), false, None)))
    }
}

fn expect(case: &Case, name: &str, actual: &Tensor, kind: Kind) -> Result<()> {
    let (group, rest) = name.split_once('/').context("group")?;
    match kind {
        Kind::Double => case.expect_f64(&format!("{group}64/{rest}"), actual, 1e-8),
        _ => case.expect_f32(name, actual),
    }
}

fn train(kind: Kind) {
    for_each_case("train_step", |case| {
        let model = Example::new(case, kind)?;
        ensure!(case.real("dropout", 0.0) == 0.0, "dropout draws differ from torch's");
        let config = OptimizerConfig {
            lr: case.real("lr", 0.0),
            weight_decay: case.real("weight_decay", 0.0),
            ..OptimizerConfig::default()
        };
        let mut optimizer = Optimizer::new(&model.store, config)?;
        let device = parity::device();
        let x = case.tensor("in/x")?.to_device(device).to_kind(kind);
        let labels = case.tensor("in/labels")?.to_device(device);
        let loss = |scores: &Tensor| {
            scores.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0)
        };
        let mut losses = Vec::new();
        for step in 1..=5 {
            let scores = model.scores(&x)?;
            let value = loss(&scores);
            losses.push(value.detach());
            model.store.zero_grad();
            value.backward();
            if step == 1 {
                expect(case, "out/logits", &scores, kind)?;
                for (name, tensor, _) in model.store.parameters() {
                    expect(case, &format!("grad/{name}"), &tensor.grad(), kind)?;
                }
            }
            optimizer.step(1.0)?;
            if kind == Kind::Double && (step == 1 || step == 5) {
                for (name, tensor, _) in model.store.parameters() {
                    case.expect_f64(&format!("sd_after{step}_64/{name}"), tensor, 1e-8)?;
                }
            }
        }
        losses.push(loss(&model.scores(&x)?).detach());
        expect(case, "out/losses", &Tensor::stack(&losses, 0), kind)
    });
}

#[test]
fn parity_train_step_float64() {
    train(Kind::Double);
}

#[test]
fn parity_train_step_float32() {
    train(Kind::Float);
}

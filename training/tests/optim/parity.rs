//! AdamW against the official code's steps on its `example.py` classifier.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use parity::{Case, relative_error};
use s4_core::params::{Hyper, ParamStore};
use tch::{Kind, Tensor};
use training::optim::{Backend, Optimizer, OptimizerConfig};

/// The model's initial parameters in the fixture's groups. The first group is the global one.
fn store(case: &Case, kind: Kind) -> Result<(ParamStore, OptimizerConfig)> {
    // Tensors this small are faster on one thread, by far where other programs are running.
    tch::set_num_threads(1);
    let groups = case.json["facts"]["param_groups"].as_array().context("param_groups")?;
    let mut store = ParamStore::new(parity::device(), kind);
    let mut config = OptimizerConfig::default();
    for (i, group) in groups.iter().enumerate() {
        let lr = group["lr"].as_f64().context("lr")?;
        let weight_decay = group["weight_decay"].as_f64().context("weight_decay")?;
        let mut hyper = Hyper { lr: Some(lr), weight_decay: Some(weight_decay) };
        if i == 0 {
            config = OptimizerConfig { lr, weight_decay, ..config };
            hyper = Hyper::GLOBAL;
        }
        for name in group["params"].as_array().context("params")? {
            let name = name.as_str().context("name")?;
            // A copy: steps must not change the fixture.
            let value = case.tensor(&format!("sd/{name}"))?.copy();
            let _ = store.root().parameter(name, &value, hyper)?;
        }
    }
    Ok((store, config))
}

/// The first step, from the stored gradients.
#[test]
fn parity_first_step_from_stored_gradients() {
    parity::for_each_case("train_step", |case| {
        for (kind, suffix, tolerance) in [(Kind::Float, "", 1e-6), (Kind::Double, "64", 1e-12)] {
            for backend in [Backend::Fused, Backend::Plain] {
                let (store, config) = store(case, kind)?;
                let mut optimizer = Optimizer::with_backend(&store, config, backend)?;
                for (name, param, _) in store.parameters() {
                    let grad = case.tensor(&format!("grad{suffix}/{name}"))?;
                    let grad = grad.to_device(param.device());
                    (param * grad).sum(kind).backward();
                }
                optimizer.step(1.0)?;
                let after = if suffix.is_empty() { "sd_after1" } else { "sd_after1_64" };
                for (name, param, _) in store.parameters() {
                    let error = relative_error(param, &case.tensor(&format!("{after}/{name}"))?);
                    ensure!(error <= tolerance, "{backend:?} {kind:?} {name}: {error:e}");
                }
            }
        }
        Ok(())
    });
}

/// Five steps with gradients of our own, from the classifier written out below.
#[test]
fn parity_five_steps() {
    parity::for_each_case("train_step", |case| {
        for backend in [Backend::Fused, Backend::Plain] {
            let (store, config) = store(case, Kind::Double)?;
            let mut optimizer = Optimizer::with_backend(&store, config, backend)?;
            let x = case.tensor("in/x")?.to_kind(Kind::Double).to_device(store.device());
            let labels = case.tensor("in/labels")?.to_device(store.device());
            let losses = case.tensor("out64/losses")?;
            for step in 0..=5 {
                store.zero_grad();
                let logits = Classifier::new(case, &store).logits(&x);
                // tch's cross_entropy_for_logits computes in float32 whatever it is given.
                let loss = logits.log_softmax(-1, Kind::Double).nll_loss(&labels);
                let expected = losses.double_value(&[step]);
                let error = (loss.double_value(&[]) - expected).abs() / expected;
                ensure!(error <= 1e-8, "{backend:?}: loss before step {}: {error:e}", step + 1);
                for (name, param, _) in store.parameters().filter(|_| step == 1 || step == 5) {
                    let truth = case.tensor(&format!("sd_after{step}_64/{name}"))?;
                    let error = relative_error(param, &truth);
                    ensure!(error <= 1e-8, "{backend:?}: {name} after step {step}: {error:e}");
                }
                loss.backward();
                if step < 5 {
                    optimizer.step(1.0)?;
                }
            }
        }
        Ok(())
    });
}

/// The official minimal S4D classifier, as literally as tch allows.
///
/// `B` batch, `L` length, `H` channels, `N` half the state size.
struct Classifier<'a> {
    params: HashMap<&'a str, &'a Tensor>,
    layers: i64,
    prenorm: bool,
}

impl<'a> Classifier<'a> {
    fn new(case: &Case, store: &'a ParamStore) -> Self {
        Self {
            params: store.parameters().map(|(name, tensor, _)| (name, tensor)).collect(),
            layers: case.int("n_layers", 0),
            prenorm: case.flag("prenorm", false),
        }
    }

    fn p(&self, name: &str) -> &Tensor {
        self.params[name]
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        let mut x = x.linear(self.p("encoder.weight"), Some(self.p("encoder.bias"))); // (B, L, H)
        for i in 0..self.layers {
            let z = if self.prenorm { self.norm(i, &x) } else { x.shallow_clone() };
            let z = self.s4d(i, &z.transpose(1, 2)).transpose(1, 2);
            x = z + x;
            if !self.prenorm {
                x = self.norm(i, &x);
            }
        }
        let pooled = x.mean_dim([1i64].as_slice(), false, x.kind()); // (B, H)
        pooled.linear(self.p("decoder.weight"), Some(self.p("decoder.bias")))
    }

    fn norm(&self, i: i64, x: &Tensor) -> Tensor {
        let [weight, bias] = ["weight", "bias"].map(|part| self.p(&format!("norms.{i}.{part}")));
        x.layer_norm(weight.size(), Some(weight), Some(bias), 1e-5, false)
    }

    /// (B, H, L) to (B, H, L)
    fn s4d(&self, i: i64, u: &Tensor) -> Tensor {
        let p = |name: &str| self.p(&format!("s4_layers.{i}.{name}"));
        let length = u.size()[2];
        let dt = p("kernel.log_dt").exp().unsqueeze(-1); // (H, 1)
        let a = Tensor::complex(&-p("kernel.log_A_real").exp(), p("kernel.A_imag")); // (H, N)
        let dt_a = &a * dt;
        let c = p("kernel.C").view_as_complex() * (dt_a.exp() - 1.0) / a; // (H, N)
        let time = Tensor::arange(length, (u.kind(), u.device()));
        let powers = (dt_a.unsqueeze(-1) * time).exp(); // (H, N, L)
        let kernel = (c.unsqueeze(-1) * powers)
            .sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
            .real()
            * 2.0; // (H, L)
        let spectrum = |t: &Tensor| t.fft_rfft(2 * length, -1, "backward");
        let y = (spectrum(u) * spectrum(&kernel)).fft_irfft(2 * length, -1, "backward");
        let y = y.narrow(-1, 0, length) + u * p("D").unsqueeze(-1);
        let (weight, bias) = (p("output_linear.0.weight"), p("output_linear.0.bias"));
        y.gelu("none").conv1d(weight, Some(bias), 1, 0, 1, 1).glu(-2)
    }
}

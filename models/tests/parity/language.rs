//! Adaptive embedding and softmax against the official code.

use anyhow::{Context, Result};
use models::adaptive::{AdaptiveEmbedding, AdaptiveSoftmax};
use parity::{Case, for_each_case};
use s4_config::AdaptiveConfig;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind};

fn config(case: &Case) -> Result<AdaptiveConfig> {
    let settings = &case.json["settings"];
    Ok(AdaptiveConfig {
        cutoffs: serde_json::from_value(settings["cutoffs"].clone())?,
        divisor: settings["div_val"].as_i64().context("div_val")?,
        tie_weights: settings["tie_weights"].as_bool().context("tie_weights")?,
        tie_projections: serde_json::from_value(settings["tie_projs"].clone())?,
        ..AdaptiveConfig::default()
    })
}

fn adaptive(kind: Kind) {
    for_each_case("lm", |case| {
        let config = config(case)?;
        let (tokens, width) = (case.int("n_token", 0), case.int("d_model", 0));
        let mut store = ParamStore::new(Device::Cpu, kind);
        let embedding =
            AdaptiveEmbedding::new(&mut store.root().sub("encoder"), &config, tokens, width)?;
        let softmax = AdaptiveSoftmax::new(&mut store.root().sub("loss"), &embedding)?;
        // Tensors that the two share are in the file twice.
        let known = |(name, _): &(String, _)| store.get(name).is_some();
        let given = case.group("sd").into_iter().filter(known).collect::<StateDict>();
        store.load_state_dict(&given.to_kind(kind))?;
        let expect = |name: &str, actual: &tch::Tensor| match kind {
            Kind::Double => case.expect_f64(&name.replacen('/', "64/", 1), actual, 1e-8),
            _ => case.expect_f32(name, actual),
        };

        let x = embedding.forward(&case.tensor("in/tokens")?)?; // (B, H, L)
        expect("out/embedding", &x.transpose(1, 2))?;
        let hidden = case.tensor("in/hidden")?.to_kind(kind).flatten(0, 1);
        let log_p = softmax.log_probabilities(&hidden)?;
        expect("out/logprobs", &log_p)?;
        let next = case.tensor("in/targets")?.flatten(0, 1);
        let nll = softmax.nll(&hidden, &next, false)?;
        expect("out/loss", &nll.mean(kind))?;
        // Both forms agree token by token, also about what they learn.
        let naive = -log_p.gather(1, &next.unsqueeze(1), false).squeeze_dim(1);
        let tolerance = if kind == Kind::Double { 1e-12 } else { 1e-5 };
        assert!((&nll - &naive).abs().max().double_value(&[]) < tolerance);
        let gradients = |loss: &tch::Tensor| -> Vec<tch::Tensor> {
            store.zero_grad();
            loss.backward();
            store
                .parameters()
                .map(|(_, x, _)| x.grad())
                .filter(|g| g.defined())
                .map(|g| g.copy())
                .collect()
        };
        let weights = tch::Tensor::arange(nll.size()[0], (kind, Device::Cpu));
        let (ours, theirs) = ((nll * &weights).sum(kind), (naive * &weights).sum(kind));
        for (a, b) in gradients(&ours).iter().zip(gradients(&theirs)) {
            assert!((a - &b).abs().max().double_value(&[]) < 1e3 * tolerance);
        }
        Ok(())
    });
}

#[test]
fn adaptive_float64() {
    adaptive(Kind::Double);
}

#[test]
fn adaptive_float32() {
    adaptive(Kind::Float);
}

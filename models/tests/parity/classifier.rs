//! Whole classifiers against the official experiments: scores, loss, gradients, running
//! statistics, optimiser groups.

use anyhow::{Context, Result, ensure};
use models::Network;
use parity::{Case, for_each_case};
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::{Hyper, ParamStore};
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// The official layer settings in our words.
fn layer(official: &Value) -> Result<Value> {
    let mut layer = json!({"ssm": {}});
    for (key, value) in official.as_object().context("layer")? {
        let ignored = [
            "_name_",
            "layer",
            "gate",
            "gate_act",
            "bottleneck",
            "mult_act",
            "initializer",
            "weight_norm",
            "tie_dropout",
            "wd",
            "drop_kernel",
            "deterministic",
            "verbose",
        ];
        if key == "final_act" && value.is_null() {
            layer[key] = json!("none"); // no output map either
        }
        if value.is_null() || ignored.contains(&key.as_str()) {
            continue;
        }
        match key.as_str() {
            "channels" | "bidirectional" | "activation" | "final_act" | "l_max" => {
                layer[key] = value.clone();
            }
            "lr" if value.is_object() => {
                let own = value.as_object().context("lr")?;
                let own = own.iter().filter(|(_, v)| !v.is_null());
                layer["ssm"]["lr"] =
                    Value::Object(own.map(|(k, v)| (k.clone(), v.clone())).collect());
            }
            _ => layer["ssm"][key] = value.clone(),
        }
    }
    Ok(layer)
}

fn config(case: &Case) -> Result<(NetworkConfig, Shape)> {
    let pairs = case.setting("decoder").as_str() == Some("retrieval");
    let pooling = case.setting("decoder")["mode"].as_str().unwrap_or("pool");
    let config = serde_json::from_value(json!({
        "d_model": case.setting("d_model"),
        "n_layers": case.setting("n_layers"),
        "norm": case.setting("norm"),
        "prenorm": case.setting("prenorm"),
        "pooling": pooling,
        "layer": layer(case.setting("layer"))?,
    }))?;
    let input = match case.setting("vocab").as_i64() {
        Some(vocabulary) => Input::Tokens { vocabulary },
        None => {
            Input::Values { features: *case.tensor("in/x")?.size().last().context("features")? }
        }
    };
    let classes = case.int("classes", 0);
    let output = if pairs { Output::Pair(classes) } else { Output::Classes(classes) };
    Ok((config, Shape { input, output }))
}

/// The optimiser groups that the registered hyper-parameters imply.
fn check_groups(case: &Case, store: &ParamStore) -> Result<()> {
    let groups = case.json["facts"]["param_groups"].as_array().context("param_groups")?;
    let (global_lr, global_decay) = (0.01, 0.05);
    let mut seen = 0;
    for (name, _, Hyper { lr, weight_decay }) in store.parameters() {
        let group = groups
            .iter()
            .find(|g| g["params"].as_array().is_some_and(|p| p.iter().any(|n| n == name)))
            .with_context(|| format!("{name} is in no official group"))?;
        let expected = (group["lr"].as_f64(), group["weight_decay"].as_f64());
        let actual = (lr.or(Some(global_lr)), weight_decay.or(Some(global_decay)));
        ensure!(actual == expected, "{name}: (lr, decay) {actual:?}, official {expected:?}");
        seen += 1;
    }
    let official: usize = groups.iter().filter_map(|g| g["params"].as_array()).map(Vec::len).sum();
    ensure!(seen == official, "{seen} parameters, official {official}");
    Ok(())
}

/// The state dict with C̃ in place of C, as the official code has it after its first forward pass:
/// its gradients are those at fixed C̃.
fn with_c_tilde(case: &Case, config: &NetworkConfig, dict: &StateDict) -> Result<StateDict> {
    let mut dict: StateDict = dict.iter().map(|(n, t)| (n.to_owned(), t.shallow_clone())).collect();
    for i in 0..config.depth() {
        let prefix = format!("model.layers.{i}.layer.layer.kernel");
        let name = format!("sd_post/{prefix}.l_kernel");
        if !case.has(&name) {
            continue;
        }
        let l_kernel = case.tensor(&name)?.int64_value(&[]);
        let tilde = SsmParameters::with_c_tilde(&config.layer.ssm, &dict.under(&prefix), l_kernel)?;
        for (name, tensor) in tilde.iter() {
            dict.insert(format!("{prefix}.{name}"), tensor.shallow_clone());
        }
    }
    Ok(dict)
}

fn model(kind: Kind) {
    for_each_case("model", |case| {
        let (config, shape) = config(case)?;
        let device = parity::device();
        let mut store = ParamStore::new(device, kind);
        let model = Network::new(&mut store.root(), &config, shape)?;
        let dict: StateDict = case.group("sd").into_iter().collect();
        store.load_state_dict(&with_c_tilde(case, &config, &dict.to_kind(kind))?)?;
        check_groups(case, &store)?;

        let x = case.tensor("in/x")?.to_device(device);
        let x = if x.is_floating_point() { x.to_kind(kind) } else { x };
        let lengths = if case.has("in/lengths") {
            Some(case.tensor("in/lengths")?.to_device(device))
        } else {
            None
        };
        let pass = |train: bool| {
            let pass = if train { Pass::train() } else { Pass::eval() };
            pass.with_lengths(lengths.as_ref().map(Tensor::shallow_clone))
        };
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&format!("out64/{name}"), actual, 1e-8),
            _ => case.expect_f32(&format!("out/{name}"), actual),
        };
        let logits = model.forward(&x, &pass(true))?;
        expect("logits_train", &logits)?;
        let labels = case.tensor("in/labels")?.to_device(device);
        let loss =
            logits.cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Mean, -100, 0.0);
        expect("loss", &loss)?;
        loss.backward();
        for (name, tensor, _) in store.parameters() {
            check_gradient(case, name, &tensor.grad(), kind).with_context(|| name.to_owned())?;
        }
        for (name, expected) in case.group("sd_post") {
            if name.contains("running") {
                let actual = store.get(&name).context("buffer")?;
                let error = (actual - expected.to_device(device)).abs().max().double_value(&[]);
                ensure!(error < 1e-5, "{name}: off by {error:.2e}");
            }
        }
        let _guard = tch::no_grad_guard();
        expect("logits_eval", &model.forward(&x, &pass(false))?)
    });
}

/// Gradients; those that are zero in theory (a bias in front of batch norm) only absolutely.
fn check_gradient(case: &Case, name: &str, grad: &Tensor, kind: Kind) -> Result<()> {
    let expected = case.tensor(&format!("grad64/{name}"))?;
    if expected.abs().max().double_value(&[]) < 1e-12 {
        let largest = grad.abs().max().double_value(&[]);
        let bound = if kind == Kind::Double { 1e-12 } else { 1e-5 };
        ensure!(largest < bound, "should be zero, is {largest:.2e}");
        return Ok(());
    }
    match kind {
        Kind::Double => case.expect_f64(&format!("grad64/{name}"), grad, 1e-8),
        _ => case.expect_f32(&format!("grad/{name}"), grad),
    }
}

#[test]
fn parity_model_float64() {
    model(Kind::Double);
}

#[test]
fn parity_model_float32() {
    model(Kind::Float);
}

//! SaShiMi against the official code, both of its variants: outputs of whole sequences and of
//! steps, gradients.

use anyhow::{Context, Result};
use models::sashimi::Sashimi;
use parity::{Case, for_each_case};
use s4_config::{NetworkConfig, SashimiConfig, Variant};
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// Settings that describe the run, or change nothing here.
const IGNORED: &[&str] = &[
    "L",
    "batch",
    "_name_",
    "layer",
    "wd",
    "verbose",
    "l_max",
    "prenorm",
    "dropres",
    "residual",
    "norm",
    "transposed",
    "interp",
    "act_pool",
    "backend",
    "deterministic",
];
const MODEL: &[&str] = &["d_model", "n_layers", "pool", "expand", "ff", "unet", "dropout"];
const BLOCK: &[&str] = &["channels", "bidirectional", "activation", "final_act"];

fn config(case: &Case) -> Result<SashimiConfig> {
    let settings = case.json["settings"].as_object().context("settings")?;
    let (mut model, mut block, mut ssm) = (Map::new(), Map::new(), Map::new());
    let mut sort = |settings: &Map<String, Value>| {
        for (key, value) in settings {
            let part = match key.as_str() {
                // Without a nonlinearity there is no output map either.
                "final_act" if value.is_null() => {
                    block.insert(key.clone(), json!("none"));
                    continue;
                }
                key if IGNORED.contains(&key) || value.is_null() => continue,
                key if MODEL.contains(&key) => &mut model,
                key if BLOCK.contains(&key) => &mut block,
                _ => &mut ssm,
            };
            part.insert(key.clone(), value.clone());
        }
    };
    sort(settings);
    // The audio experiments' settings of the layer are a table of their own.
    let nested = case.setting("layer").as_object();
    if let Some(layer) = nested {
        sort(layer);
    }
    block.insert("ssm".to_owned(), Value::Object(ssm));
    model.insert("layer".to_owned(), Value::Object(block));
    let variant = if nested.is_some() { Variant::Audio } else { Variant::Standalone };
    model.insert("variant".to_owned(), json!(variant));
    let config: NetworkConfig = serde_json::from_value(Value::Object(model)).context("settings")?;
    Ok(config.sashimi())
}

/// The state dict with C̃ in place of C, as the official code has it after its first forward pass:
/// its gradients are those at fixed C̃. A layer's kernel is as long as the sequence it sees.
fn with_c_tilde(config: &SashimiConfig, dict: &StateDict, len: i64) -> Result<StateDict> {
    let mut changed: StateDict =
        dict.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    for (name, _) in dict.iter() {
        let Some(prefix) = name.strip_suffix(".l_kernel") else { continue };
        let finest_first = &config.pool;
        let pooled = match prefix.split('.').collect::<Vec<_>>()[..] {
            ["c_layers", ..] => finest_first.len(),
            ["u_layers", k, ..] => finest_first.len() - 1 - k.parse::<usize>()?,
            ["d_layers", i, ..] => {
                let per_block = if config.ff > 0 { 2 } else { 1 };
                i.parse::<usize>()? / (config.n_layers as usize * per_block + 1)
            }
            _ => anyhow::bail!("{prefix} is no place of a layer"),
        };
        let len = len / finest_first[..pooled].iter().product::<i64>();
        let tilde = SsmParameters::with_c_tilde(&config.layer.ssm, &dict.under(prefix), len)?;
        for (name, tensor) in tilde.iter() {
            changed.insert(format!("{prefix}.{name}"), tensor.shallow_clone());
        }
    }
    Ok(changed)
}

fn sashimi(kind: Kind) {
    for_each_case("sashimi", |case| {
        let config = config(case)?;
        let device = parity::device();
        let mut store = ParamStore::new(device, kind);
        let model = Sashimi::new(&mut store.root(), &config)?;
        let dict = case.group("sd").into_iter().collect::<StateDict>().to_kind(kind);
        let input = |name: &str| -> Result<Tensor> {
            Ok(case.tensor(&format!("in/{name}"))?.to_device(device).to_kind(kind))
        };
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&format!("out64/{name}"), actual, 1e-8),
            _ => case.expect_f32(&format!("out/{name}"), actual),
        };
        let x = input("x")?; // (B, L, H)
        let len = x.size()[1];

        // First as it was initialised, then with C̃.
        for (steps, dict) in [("y_step0", &dict), ("y_step", &with_c_tilde(&config, &dict, len)?)] {
            store.load_state_dict(dict)?;
            let _guard = tch::no_grad_guard();
            expect("y", &model.forward(&x.transpose(1, 2), &Pass::eval())?.transpose(1, 2))?;
            if case.has(&format!("out64/{steps}")) {
                let stepper = model.stepper(StepMode::Linear, 1.0)?;
                let mut state = model.default_state(x.size()[0])?;
                let mut y = Vec::new();
                for x in x.unbind(1) {
                    let next;
                    (next, state) = stepper.step(&x, &state);
                    y.push(next);
                }
                expect(steps, &Tensor::stack(&y, 1))?;
            }
        }
        if kind == Kind::Double && case.has("in/grad_weight") {
            let x = x.set_requires_grad(true);
            let y = model.forward(&x.transpose(1, 2), &Pass::eval())?.transpose(1, 2);
            (y * input("grad_weight")?).sum(kind).backward();
            case.expect_f64("grad64/x", &x.grad(), 1e-8)?;
            for (name, tensor, _) in store.parameters() {
                case.expect_f64(&format!("grad64/{name}"), &tensor.grad(), 1e-8)?;
            }
        }
        Ok(())
    });
}

#[test]
fn parity_sashimi_float64() {
    sashimi(Kind::Double);
}

#[test]
fn parity_sashimi_float32() {
    sashimi(Kind::Float);
}

//! Diffusion against the official code: noise networks and their gradients, schedules, the way back.

use anyhow::{Context, Result, bail, ensure};
use models::diffusion::process::{Reverse, diffuse, errors};
use models::diffusion::schedule::Schedule;
use models::diffusion::{NoiseNetwork, official, sinusoids};
use parity::{Case, for_each_case};
use s4_config::{
    DiffusionConfig, MelConditionConfig, NoiseBackbone, NoiseNetworkConfig, NoiseSashimiConfig,
    NoiseWaveNetConfig, SsmConfig,
};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;
use serde_json::Value;
use tch::{Kind, Tensor};

fn config(case: &Case) -> Result<DiffusionConfig> {
    let model = case.setting("model");
    let int = |key: &str| model[key].as_i64().with_context(|| key.to_owned());
    let flag = |key: &str| model[key].as_bool().unwrap_or(false);
    let ints = |key: &str| -> Vec<i64> {
        model[key].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
    };
    let mut network = NoiseNetworkConfig {
        embedding: int("diffusion_step_embed_dim_in")?,
        hidden: [
            int("diffusion_step_embed_dim_mid")?,
            model["diffusion_step_embed_dim_out"].as_i64().unwrap_or(512),
        ],
        ..NoiseNetworkConfig::default()
    };
    match model["_name_"].as_str() {
        Some("sashimi") => {
            network.sashimi = Some(NoiseSashimiConfig {
                d_model: int("d_model")?,
                n_layers: int("n_layers")?,
                pool: ints("pool"),
                expand: int("expand")?,
                ff: int("ff")?,
                unet: flag("unet"),
                ssm: SsmConfig::default(),
            });
        }
        Some("wavenet") => {
            network.backbone = NoiseBackbone::WaveNet;
            network.wavenet = Some(NoiseWaveNetConfig {
                channels: int("res_channels")?,
                skip: int("skip_channels")?,
                layers: int("num_res_layers")?,
                cycle: int("dilation_cycle")?,
                legacy: case.flag("legacy", false),
            });
        }
        other => bail!("no network is called {other:?}"),
    }
    if !flag("unconditional") {
        let bands = case.tensor("in/mel")?.size()[1];
        let upsample = ints("mel_upsample").try_into().ok().context("mel_upsample")?;
        network.mel = Some(MelConditionConfig { bands, upsample, cut: true });
    }
    Ok(DiffusionConfig { network, ..schedule_config(case)? })
}

fn schedule_config(case: &Case) -> Result<DiffusionConfig> {
    let default = DiffusionConfig::default();
    Ok(DiffusionConfig {
        steps: case.int("T", default.steps as i64) as usize,
        beta_first: case.real("beta_0", default.beta_first),
        beta_last: case.real("beta_T", default.beta_last),
        ..default
    })
}

/// The list of β that the case sets in place of T steps.
fn listed(value: &Value) -> Option<Vec<f64>> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect())
}

/// With C̃ in place of C, as the official code has it after its first forward pass.
fn with_c_tilde(config: &NoiseNetworkConfig, dict: &StateDict, len: i64) -> Result<StateDict> {
    let mut changed: StateDict =
        dict.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    let sizes = config.sashimi();
    for (name, _) in dict.iter() {
        let Some(prefix) = name.strip_suffix(".l_kernel") else { continue };
        let blocks = sizes.n_layers as usize + 1;
        let pooled = match prefix.split('.').collect::<Vec<_>>()[..] {
            ["c_layers", ..] => sizes.pool.len(),
            ["u_layers", i, ..] => sizes.pool.len() - 1 - i.parse::<usize>()? / blocks,
            ["d_layers", i, ..] => i.parse::<usize>()? / blocks,
            _ => bail!("{prefix} is no place of a layer"),
        };
        let len = len / sizes.pool[..pooled].iter().product::<i64>();
        let tilde = SsmParameters::with_c_tilde(&sizes.ssm, &dict.under(prefix), len)?;
        for (name, tensor) in tilde.iter() {
            changed.insert(format!("{prefix}.{name}"), tensor.shallow_clone());
        }
    }
    Ok(changed)
}

/// The case's network with its weights, and these.
fn loaded(
    case: &Case,
    config: &DiffusionConfig,
    kind: Kind,
) -> Result<(ParamStore, NoiseNetwork, StateDict)> {
    let mut store = ParamStore::new(parity::device(), kind);
    let network = NoiseNetwork::new(&mut store.root(), &config.network)?;
    let official = case.group("sd").into_iter().collect::<StateDict>().to_kind(kind);
    let dict = official::from_official(&official);
    store.load_state_dict(&dict)?;
    Ok((store, network, dict))
}

fn network(kind: Kind) {
    for_each_case("diffwave", |case| {
        if !case.has("in/steps") {
            return Ok(());
        }
        let config = config(case)?;
        let device = parity::device();
        let (store, network, dict) = loaded(case, &config, kind)?;
        let count = case.json["facts"]["n_params"].as_u64().context("n_params")?;
        ensure!(store.num_parameters() as u64 == count, "{} parameters", store.num_parameters());

        let input = |name: &str| -> Result<Tensor> {
            Ok(case.tensor(&format!("in/{name}"))?.to_device(device).to_kind(kind))
        };
        let optional = |name: &str| -> Result<Option<Tensor>> {
            case.has(&format!("in/{name}")).then(|| input(name)).transpose()
        };
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&format!("out64/{name}"), actual, 1e-8),
            _ => case.expect_f32(&format!("out/{name}"), actual),
        };
        let (audio, noise, mel) = (input("audio")?, input("noise")?, optional("mel")?);
        let steps = case.tensor("in/steps")?.to_device(device);
        let alpha_bar = Schedule::training(&config).to_device(device)?;
        let x = diffuse(&audio, &noise, &steps, &alpha_bar);
        expect("x_t", &x)?;
        expect("step_embedding", &sinusoids(&steps, config.network.embedding, kind))?;
        let guard = tch::no_grad_guard();
        expect("eps", &network.forward(&x, &steps, mel.as_ref(), &Pass::eval())?)?;
        drop(guard);

        let len = audio.size()[2];
        store.load_state_dict(&with_c_tilde(&config.network, &dict, len)?)?;
        let errors =
            errors(&network, &alpha_bar, &audio, &noise, &steps, mel.as_ref(), &Pass::eval())?;
        let loss = errors.mean(kind);
        expect("loss", &loss)?;
        if kind != Kind::Double {
            return Ok(());
        }
        loss.backward();
        // None where the official code cannot go backward.
        for (name, expected) in case.group("grad64") {
            let one: StateDict = [(name.clone(), expected.shallow_clone())].into_iter().collect();
            let ours = official::from_official(&one);
            let (our_name, translated) = ours.iter().next().context("a tensor")?;
            let gradient = store.get(our_name).with_context(|| our_name.to_owned())?.grad();
            // In the official form: the sign of w_imag is another.
            let sign = if our_name.ends_with(".A_imag") { -1.0 } else { 1.0 };
            ensure!(gradient.size() == translated.size(), "{name}: {:?}", gradient.size());
            let gradient = gradient.reshape(expected.size()) * sign;
            if name == "init_conv.0.conv.weight_v" || expected.abs().max().double_value(&[]) < 1e-12
            {
                // Zero in theory: one input channel under weight norm.
                let largest = gradient.abs().max().double_value(&[]);
                ensure!(largest < 1e-12, "{name} should be zero, is {largest:.2e}");
                continue;
            }
            case.expect_f64(&format!("grad64/{name}"), &gradient, 1e-8)?;
        }
        Ok(())
    });
}

#[test]
fn parity_diffusion_float64() {
    network(Kind::Double);
}

#[test]
fn parity_diffusion_float32() {
    network(Kind::Float);
}

fn reverse(kind: Kind) {
    for_each_case("diffwave", |case| {
        if !case.has("in/noises") {
            return Ok(());
        }
        let config = config(case)?;
        let device = parity::device();
        let (_store, network, _) = loaded(case, &config, kind)?;
        let schedule = match listed(case.setting("sampling_beta")) {
            Some(fast) => Schedule::fast(&DiffusionConfig { fast, aligned: false, ..config }),
            None => Schedule::training(&config),
        };
        let noises = case.tensor("in/noises")?.to_device(device).to_kind(kind);
        let batch = noises.size()[1];
        let mel = case.has("in/sample_mel").then(|| case.tensor("in/sample_mel")).transpose()?;
        let mel = mel.map(|mel| mel.to_device(device).to_kind(kind).expand([batch, -1, -1], false));
        let mut reverse = Reverse::new(&network, &schedule, noises.get(0), mel);
        let (mut trajectory, mut found) = (vec![noises.get(0)], Vec::new());
        for k in 1..=schedule.len() as i64 {
            found.push(reverse.step(|| Ok(noises.get(k)))?);
            trajectory.push(reverse.sound().shallow_clone());
        }
        ensure!(reverse.left() == 0 && reverse.step(|| Ok(noises.get(0))).is_err());
        for (name, actual) in [("trajectory", trajectory), ("eps_trajectory", found)] {
            let actual = Tensor::stack(&actual, 0);
            match kind {
                Kind::Double => case.expect_f64(&format!("out64/{name}"), &actual, 1e-8)?,
                _ => case.expect_f32(&format!("out/{name}"), &actual)?,
            }
        }
        Ok(())
    });
}

#[test]
fn parity_reverse_float64() {
    reverse(Kind::Double);
}

#[test]
fn parity_reverse_float32() {
    reverse(Kind::Float);
}

#[test]
fn parity_schedule() {
    for_each_case("diffwave", |case| {
        if !case.has("out64/beta") {
            return Ok(());
        }
        let schedule = match listed(case.setting("beta")) {
            Some(beta) => Schedule::listed(beta),
            None => Schedule::training(&schedule_config(case)?),
        };
        let expect = |name: &str, actual: &[f64]| {
            case.expect_f64(&format!("out64/{name}"), &Tensor::from_slice(actual), 1e-8)
        };
        expect("beta", &schedule.beta)?;
        expect("alpha_bar", &schedule.alpha_bar)?;
        let alpha: Vec<f64> = schedule.beta.iter().map(|beta| 1.0 - beta).collect();
        expect("alpha", &alpha)?;
        // σ_0, which nothing uses, is √β_0 there and 0 here.
        let mut sigma: Vec<f64> = (0..schedule.len()).map(|t| schedule.sigma(t)).collect();
        ensure!(sigma[0] == 0.0);
        sigma[0] = schedule.beta[0].sqrt();
        expect("sigma", &sigma)
    });
}

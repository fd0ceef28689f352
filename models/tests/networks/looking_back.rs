//! What networks see of tokens further back: in their input (`lags`), and in their scores (`logistics`).
//!
//! Shapes: B batch, L length, K components, J predictors, V levels.

use anyhow::Result;
use models::Network;
use parity::{normal, seeded};
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const LEVELS: i64 = 16;
const TOKENS: Shape =
    Shape { input: Input::Tokens { vocabulary: LEVELS }, output: Output::PerPosition(LEVELS) };

fn config(changes: &Value) -> NetworkConfig {
    let mut settings = json!({"backbone": "s4", "d_model": 8, "n_layers": 1, "norm": "layer",
                              "layer": {"ssm": {"d_state": 4}}});
    for (key, value) in changes.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    serde_json::from_value(settings).expect("valid settings")
}

fn network(changes: &Value, kind: Kind) -> Result<(ParamStore, Network)> {
    let mut store = ParamStore::new(Device::Cpu, kind);
    let network = seeded(3, || Network::new(&mut store.root(), &config(changes), TOKENS))?;
    Ok((store, network))
}

fn tokens(len: i64) -> Tensor {
    let numbers = Tensor::arange(2 * len, (Kind::Int64, Device::Cpu)).view([2, len]);
    (&numbers * &numbers + &numbers * 3).remainder(LEVELS)
}

#[test]
fn lags_embed_what_stands_so_many_places_before_the_next_token() -> Result<()> {
    let (store, network) = network(&json!({"lags": [2, 5, 40]}), Kind::Double)?;
    let x = tokens(12);
    let embedded = network.embed(&x)?; // (B, H, L)
    let weight = |name: &str| store.get(name).unwrap().shallow_clone();
    let vectors = [
        (1, weight("encoder.weight")),
        (2, weight("encoder.lags.2.weight")),
        (5, weight("encoder.lags.5.weight")),
    ];
    for (row, at) in (0..2).flat_map(|row| (0..12).map(move |at| (row, at))) {
        let expected: Tensor = vectors
            .iter()
            .filter(|(lag, _)| at + 1 >= *lag)
            .map(|(lag, vectors)| vectors.select(0, x.int64_value(&[row, at + 1 - lag])))
            .sum();
        let error = embedded.select(0, row).select(1, at) - expected;
        assert!(error.abs().max().double_value(&[]) < 1e-12, "row {row}, position {at}");
    }
    let variance = weight("encoder.lags.40.weight").var(true).double_value(&[]);
    assert!(
        (0.2..0.5).contains(&variance),
        "a third, so that all three have variance 1: {variance}"
    );
    Ok(())
}

/// Every parameter of the mixture from what the head's linear map is given, the rest by differences of
/// distribution functions.
#[test]
fn scores_of_levels_are_logarithms_of_a_mixture_of_logistic_distributions() -> Result<()> {
    let predictors = [vec![1i64], vec![3], vec![1, 2, -3]];
    let settings = json!({"logistics": {"components": 2, "predictors": predictors}});
    let (store, network) = network(&settings, Kind::Double)?;
    let _guard = tch::no_grad_guard();
    let bias = store.get("decoder.logistics.bias").unwrap().shallow_clone();
    // Of each component: log π, b, log s and three weights; the same at every position.
    bias.shallow_clone().copy_(&normal(5, &[12], Kind::Double));
    let said: Vec<f64> = Vec::try_from(&bias)?;
    let x = tokens(10);
    let scores = network.forward(&x, &Pass::eval())?; // (B, L, V)
    let sums = scores.exp().sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
    assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-12);

    let half = 1.0 / (LEVELS - 1) as f64;
    let place = |level: f64| 2.0 * half * level - 1.0;
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for (row, at) in (0..2).flat_map(|row| (0..10).map(move |at| (row, at))) {
        let level = |lag: i64| match at + 1 - lag.abs() {
            before if before < 0 => 0.0,
            known => lag.signum() as f64 * place(x.int64_value(&[row, known]) as f64),
        };
        let predictions: Vec<f64> = predictors
            .iter()
            .map(|lags| lags.iter().map(|&lag| level(lag)).sum::<f64>().clamp(-1.0, 1.0))
            .collect();
        let components: Vec<[f64; 3]> = said
            .chunks_exact(6)
            .zip([-5.0, -2.0])
            .map(|(own, first)| {
                let mean = own[3..].iter().sum::<f64>() / 3.0;
                let weights = own[3..].iter().map(|weight| weight - mean + 1.0 / 3.0);
                let mean = weights.zip(&predictions).map(|(weight, p)| weight * p).sum::<f64>();
                [own[0].exp(), mean + 0.1 * own[1], (own[2] + first).max(-7.0).exp()]
            })
            .collect();
        let shares: f64 = components.iter().map(|[share, ..]| share).sum();
        for number in 0..LEVELS {
            let border = |at: f64, [_, mean, scale]: [f64; 3]| sigmoid((at - mean) / scale);
            let cell = |of: [f64; 3]| {
                let upper = match number == LEVELS - 1 {
                    true => 1.0,
                    false => border(place(number as f64) + half, of),
                };
                let lower = if number == 0 { 0.0 } else { border(place(number as f64) - half, of) };
                upper - lower
            };
            let mixed: f64 = components.iter().map(|&of| of[0] / shares * cell(of)).sum();
            let expected = ((1.0 - 1e-4) * mixed + 1e-4 / LEVELS as f64).ln();
            let found = scores.double_value(&[row, at, number]);
            assert!((found - expected).abs() < 1e-9, "{row}, {at}, {number}: {found}, {expected}");
        }
    }

    // What is trained is what is said.
    let next = x.roll([1i64], [1i64]);
    let nll = network.nll(&x, &next, &Pass::eval())?;
    let gathered = -scores.gather(2, &next.unsqueeze(2), false).squeeze_dim(2);
    assert!((nll - gathered).abs().max().double_value(&[]) < 1e-12);
    Ok(())
}

/// In float32, however far off and however narrow: finite, with gradients.
#[test]
fn scores_of_levels_are_stable() -> Result<()> {
    let settings = json!({"lags": [3], "logistics": {"components": 3}});
    let (store, network) = network(&settings, Kind::Float)?;
    let x = tokens(30);
    for size in [0.0, 1.0, 30.0, 1000.0] {
        tch::no_grad(|| {
            let bias = store.get("decoder.logistics.bias").unwrap();
            bias.shallow_clone().copy_(&(normal(7, &[12], Kind::Float) * size));
        });
        let nll = network.nll(&x, &x, &Pass::train())?;
        let worst = nll.max().double_value(&[]);
        assert!(worst.is_finite() && worst < 12.0, "{size}: {worst}");
        for tensor in store.parameters().map(|(_, tensor, _)| tensor) {
            tensor.shallow_clone().zero_grad();
        }
        nll.mean(Kind::Float).backward();
        for (name, tensor, _) in store.parameters() {
            let gradient = tensor.grad();
            assert!(gradient.defined(), "{name} has no gradient");
            let largest = gradient.abs().max().double_value(&[]);
            assert!(largest.is_finite(), "{name} at {size}: {largest}");
        }
        let sums = network.forward(&x, &Pass::eval())?.exp();
        let sums = sums.sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
        assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-4);
    }
    Ok(())
}

#[test]
fn what_has_no_tokens_to_look_back_at_is_refused() {
    let values = Input::Values { features: 2 };
    let tokens = TOKENS.input;
    let fewer = Output::PerPosition(LEVELS - 1);
    for (changes, input, output, words) in [
        (json!({"lags": [2]}), values, Output::Classes(3), "model.lags is for tokens"),
        (json!({"lags": [3, 2]}), tokens, TOKENS.output, "rise, from 2"),
        (json!({"lags": [1, 2]}), tokens, TOKENS.output, "rise, from 2"),
        (json!({"logistics": {}}), tokens, Output::Classes(3), "model.logistics is for the next"),
        (json!({"logistics": {}}), values, TOKENS.output, "model.logistics is for the next"),
        (json!({"logistics": {}}), tokens, fewer, "model.logistics is for the next"),
        (json!({"lags": [2], "adaptive": {"cutoffs": [4]}}), tokens, TOKENS.output, "model.lags"),
        (
            json!({"logistics": {}, "adaptive": {"cutoffs": [4]}}),
            tokens,
            TOKENS.output,
            "leave one out",
        ),
    ] {
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let made = Network::new(&mut store.root(), &config(&changes), Shape { input, output });
        let error = format!("{:#}", made.unwrap_err());
        assert!(error.contains(words), "{changes}: {error}");
    }
    let (_, network) = network(&json!({"logistics": {}}), Kind::Float).unwrap();
    let embedded = network.embed(&self::tokens(5)).unwrap();
    let error = network.from_embedded(&embedded, &Pass::eval()).unwrap_err().to_string();
    assert!(error.contains("which are to be given"), "{error}");
}

//! What is done around networks that are asked for a series.

use anyhow::Result;
use models::Network;
use s4_config::{
    Decoder, ForecastConfig, Input, NetworkConfig, Normalise, Output, Pooling, Series, Shape,
};
use s4_core::layer::Pass;
use s4_core::params::{Hyper, ParamStore, Role};
use tch::{Device, Kind, Tensor};

const CONTEXT: i64 = 12;
const STEPS: i64 = 5;

/// Two channels, both asked for, and a feature beside.
const BOTH: Series =
    Series { steps: STEPS, context: Some(CONTEXT), channels: 2, targets: 2, levels: 1 };

fn network(forecast: &ForecastConfig, series: Series) -> Result<(ParamStore, Network)> {
    let config = NetworkConfig {
        d_model: Some(4),
        n_layers: Some(1),
        prenorm: Some(true),
        pooling: Some(Pooling::Last),
        forecast: Some(forecast.clone()),
        ..NetworkConfig::default()
    };
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let shape = Shape { input: Input::Values { features: 3 }, output: Output::Series(series) };
    let network = parity::seeded(1, || Network::new(&mut store.root(), &config, shape))?;
    Ok((store, network))
}

/// Windows whose channels are empty in the steps asked for.
fn windows() -> Tensor {
    let x = parity::normal(2, &[3, CONTEXT + STEPS, 3], Kind::Double);
    let _ = x.narrow(1, CONTEXT, STEPS).narrow(2, 0, 2).zero_();
    x
}

fn forecast(network: &Network, x: &Tensor) -> Tensor {
    let y = network.forward(x, &Pass::eval()).unwrap();
    assert_eq!(y.size()[..2], [3, STEPS]);
    y
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn what_windows_are_freed_of_comes_back_in_the_forecast() {
    for decoder in [Decoder::Positions, Decoder::Direct] {
        for (normalise, scale) in [(Normalise::Last, 1.0), (Normalise::Standard, 3.0)] {
            let config = ForecastConfig { normalise, decoder, ..ForecastConfig::default() };
            let (_store, network) = network(&config, BOTH).unwrap();
            let x = windows();
            let moved = x.copy();
            let mut known = moved.narrow(1, 0, CONTEXT).narrow(2, 0, 2);
            known.copy_(&(known.copy() * scale + 7.0));
            let error =
                distance(&(forecast(&network, &x) * scale + 7.0), &forecast(&network, &moved));
            // The variance of a window is a little more than its own.
            assert!(error < 1e-3, "{normalise:?} {decoder:?}: {error}");
        }
    }
}

#[test]
fn independent_channels_do_not_see_each_other_and_have_one_network() {
    for independent in [true, false] {
        let config = ForecastConfig { independent, ..ForecastConfig::default() };
        let (_store, network) = network(&config, BOTH).unwrap();
        let x = windows();
        let y = forecast(&network, &x);
        let other = x.copy();
        let _ = other.narrow(1, 0, CONTEXT).narrow(2, 1, 1).zero_();
        let moved = distance(&forecast(&network, &other).select(2, 0), &y.select(2, 0));
        assert_eq!(moved < 1e-12, independent, "{moved}");
        if independent {
            let swapped = x.index_select(2, &Tensor::from_slice(&[1i64, 0, 2]));
            let expected = y.index_select(2, &Tensor::from_slice(&[1i64, 0]));
            assert!(distance(&forecast(&network, &swapped), &expected) < 1e-12);
        }
    }
}

#[test]
fn training_begins_with_the_last_value_and_a_linear_map_adds_what_it_knows() {
    let config =
        ForecastConfig { normalise: Normalise::Last, linear: true, ..ForecastConfig::default() };
    let target = Series { targets: 1, levels: 2, ..BOTH };
    let (store, network) = network(&config, target).unwrap();
    let x = windows();
    let last = x.narrow(1, CONTEXT - 1, 1).narrow(2, 1, 1);
    let y = forecast(&network, &x);
    assert_eq!(y.size()[2], 2);
    assert!(distance(&y, &last) < 1e-12);
    // A map to each step from the value two steps before the last.
    let mut entries = store.entries().iter();
    let weight = entries.find(|entry| entry.name == "forecast.linear.weight").unwrap();
    assert_eq!(weight.tensor.size(), [STEPS, CONTEXT, 1]);
    let _ = tch::no_grad(|| weight.tensor.narrow(1, CONTEXT - 3, 1).fill_(1.0));
    let before = x.narrow(1, CONTEXT - 3, 1).narrow(2, 1, 1);
    assert!(distance(&forecast(&network, &x), &before) < 1e-12);
    // A map that is solved is not trained.
    let frozen = |config: &ForecastConfig| {
        let (store, _network) = self::network(config, target).unwrap();
        let entries = store.entries().iter();
        let frozen = entries.filter(|entry| entry.role == Role::Parameter(Hyper::FROZEN));
        frozen.map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    assert!(frozen(&config).is_empty());
    let solved = ["forecast.linear.weight", "forecast.linear.bias"];
    assert_eq!(frozen(&ForecastConfig { ridge: true, ..config }), solved);
}

#[test]
fn contradictions_are_named() {
    let error =
        |config: &ForecastConfig, series| format!("{:#}", network(config, series).err().unwrap());
    let independent = ForecastConfig { independent: true, ..ForecastConfig::default() };
    let target = Series { targets: 1, ..BOTH };
    assert!(error(&independent, target).contains("only 1 of them"));
    let linear = ForecastConfig { linear: true, ..ForecastConfig::default() };
    let ridge = ForecastConfig { ridge: true, ..linear.clone() };
    assert!(error(&ridge, BOTH).contains("normalise to \"last\""));
    let whole = Series { context: None, ..BOTH };
    assert!(error(&linear, whole).contains("model.forecast.linear is for forecasts"));
    let (_store, network) = network(&ForecastConfig::default(), BOTH).unwrap();
    let short = windows().narrow(1, 0, CONTEXT);
    let error = network.forward(&short, &Pass::eval()).unwrap_err().to_string();
    assert!(error.contains("expected windows (batch, 12 + 5"), "{error}");
}

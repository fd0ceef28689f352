//! Noise networks and the way back: what the official numbers do not show.

use models::diffusion::NoiseNetwork;
use models::diffusion::process::{Reverse, errors};
use models::diffusion::schedule::Schedule;
use parity::normal;
use s4_config::{
    DiffusionConfig, MelConditionConfig, NoiseBackbone, NoiseNetworkConfig, NoiseSashimiConfig,
    NoiseWaveNetConfig,
};
use s4_core::layer::Pass;
use s4_core::layer::linear::DenseKind;
use s4_core::params::ParamStore;
use tch::{Device, Kind, Tensor};

fn store() -> ParamStore {
    ParamStore::new(Device::Cpu, Kind::Float)
}

fn made(config: &NoiseNetworkConfig) -> (ParamStore, NoiseNetwork) {
    let mut store = store();
    let network = parity::seeded(1, || NoiseNetwork::new(&mut store.root(), config)).unwrap();
    // The last map begins with zeros.
    let last = store.get("final_conv.2.conv.weight").unwrap();
    last.detach().copy_(&normal(2, &last.size(), Kind::Float));
    (store, network)
}

fn small(backbone: NoiseBackbone, mel: bool) -> NoiseNetworkConfig {
    let config = NoiseNetworkConfig {
        backbone,
        embedding: 8,
        hidden: [8, 8],
        mel: mel.then_some(MelConditionConfig { bands: 5, upsample: [4, 2], cut: false }),
        ..NoiseNetworkConfig::default()
    };
    match backbone {
        NoiseBackbone::Sashimi => NoiseNetworkConfig {
            sashimi: Some(NoiseSashimiConfig {
                d_model: 4,
                n_layers: 1,
                pool: vec![4],
                ..NoiseSashimiConfig::default()
            }),
            ..config
        },
        NoiseBackbone::WaveNet => NoiseNetworkConfig {
            wavenet: Some(NoiseWaveNetConfig {
                channels: 4,
                skip: 6,
                layers: 3,
                cycle: 2,
                legacy: false,
            }),
            ..config
        },
    }
}

const BOTH: [NoiseBackbone; 2] = [NoiseBackbone::Sashimi, NoiseBackbone::WaveNet];

fn forward(network: &NoiseNetwork, x: &Tensor, mel: Option<&Tensor>, pass: &Pass) -> Tensor {
    let _guard = tch::no_grad_guard();
    let steps = Tensor::zeros([x.size()[0]], (Kind::Int64, Device::Cpu));
    network.forward(x, &steps, mel, pass).unwrap()
}

#[test]
fn published_sizes_have_the_published_parameters() {
    let sashimi = |d_model, mel| NoiseNetworkConfig {
        sashimi: Some(NoiseSashimiConfig { d_model, ..NoiseSashimiConfig::default() }),
        mel,
        ..NoiseNetworkConfig::default()
    };
    let wavenet = |channels, skip, layers, cycle, mel| NoiseNetworkConfig {
        backbone: NoiseBackbone::WaveNet,
        wavenet: Some(NoiseWaveNetConfig { channels, skip, layers, cycle, legacy: false }),
        mel,
        ..NoiseNetworkConfig::default()
    };
    let mel = || Some(MelConditionConfig::default());
    for (config, expected) in [
        (sashimi(128, None), 23_470_971),
        (sashimi(64, None), 7_734_267),
        (wavenet(256, 256, 36, 12, None), 24_071_681),
        (wavenet(128, 256, 30, 10, None), 6_827_393),
        (sashimi(32, mel()), 3_153_459),
        (wavenet(64, 64, 36, 12, mel()), 3_098_129),
    ] {
        let mut store = store();
        NoiseNetwork::new(&mut store.root(), &config).unwrap();
        assert_eq!(store.num_parameters(), expected, "{config:?}");
    }
}

#[test]
fn a_fresh_network_finds_no_noise() {
    for backbone in BOTH {
        let mut store = store();
        // Four rectified channels may all be zero, which the official norm divides by: not these.
        let fresh = || NoiseNetwork::new(&mut store.root(), &small(backbone, false)).unwrap();
        let network = parity::seeded(1, fresh);
        let y = forward(&network, &normal(3, &[2, 1, 16], Kind::Float), None, &Pass::eval());
        assert_eq!(f64::try_from(y.abs().max()).unwrap(), 0.0, "{backbone:?}");
    }
}

/// What a click in the spectrogram moves, it moves where it is, at every resolution.
#[test]
fn a_spectrogram_acts_where_it_is() {
    for backbone in BOTH {
        let (_, network) = made(&small(backbone, true));
        let (x, mel) = (
            normal(4, &[1, 1, 256], Kind::Float),
            Tensor::zeros([1, 5, 32], (Kind::Float, Device::Cpu)),
        );
        let plain = forward(&network, &x, Some(&mel), &Pass::eval());
        for frame in [4i64, 26] {
            let clicked = mel.copy();
            let _ = clicked.narrow(2, frame, 1).fill_(5.0);
            let moved = (forward(&network, &x, Some(&clicked), &Pass::eval()) - &plain).abs();
            let moved = moved.flatten(0, 2);
            let at = Tensor::arange(256, (Kind::Float, Device::Cpu));
            let centre =
                f64::try_from((&moved * at).sum(Kind::Float) / moved.sum(Kind::Float)).unwrap();
            let expected = 8.0 * frame as f64;
            assert!((centre - expected).abs() < 40.0, "{backbone:?}: {centre} for {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let sound = |len: i64| Tensor::zeros([2, 1, len], (Kind::Float, Device::Cpu));
    let (_, network) = made(&small(NoiseBackbone::Sashimi, false));
    let (_, vocoder) = made(&small(NoiseBackbone::WaveNet, true));
    let steps = Tensor::zeros([2], (Kind::Int64, Device::Cpu));
    let mel = Tensor::zeros([2, 5, 2], (Kind::Float, Device::Cpu));
    for (network, len, mel, word) in [
        (&network, 15, None, "multiple of 4"),
        (&network, 0, None, "multiple of 4"),
        (&network, 16, Some(&mel), "takes no mel"),
        (&vocoder, 16, None, "needs a mel"),
        (&vocoder, 17, Some(&mel), "too few for 17"),
    ] {
        let error = network.forward(&sound(len), &steps, mel, &Pass::eval()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn bfloat16_is_near_float32_and_learns() {
    for backbone in BOTH {
        let (store, network) = made(&small(backbone, true));
        let (x, noise) = (normal(5, &[2, 1, 32], Kind::Float), normal(6, &[2, 1, 32], Kind::Float));
        let mel = normal(7, &[2, 5, 4], Kind::Float);
        let full = forward(&network, &x, Some(&mel), &Pass::eval());
        let pass = Pass { dense: DenseKind::Bfloat16, ..Pass::train() };
        let rounded = forward(&network, &x, Some(&mel), &pass);
        assert_eq!(rounded.kind(), Kind::Float);
        let error = parity::relative_error(&rounded, &full);
        assert!(error > 0.0 && error < 0.05, "{backbone:?}: {error}");
        let schedule = Schedule::training(&DiffusionConfig::default());
        let alpha_bar = schedule.to_device(Device::Cpu).unwrap();
        let steps = Tensor::from_slice(&[0i64, 199]);
        let loss = errors(&network, &alpha_bar, &x, &noise, &steps, Some(&mel), &pass).unwrap();
        loss.mean(Kind::Float).backward();
        for (name, tensor, _) in store.parameters() {
            // Nothing comes of the last layer's residual path.
            if !name.contains("residual_blocks.2.res_conv") {
                assert!(tensor.grad().defined(), "{name}");
            }
        }
    }
}

#[test]
fn fast_steps_are_known_by_their_noise() {
    let config = DiffusionConfig::default();
    let (training, fast) = (Schedule::training(&config), Schedule::fast(&config));
    assert_eq!((fast.len(), fast.steps[0]), (6, 0.0));
    for (step, alpha_bar) in fast.steps.iter().zip(&fast.alpha_bar) {
        let below = step.floor() as usize;
        let neighbours = training.alpha_bar[below + 1]..=training.alpha_bar[below];
        assert!(neighbours.contains(alpha_bar), "{step}: {alpha_bar}");
    }
    let listed = Schedule::fast(&DiffusionConfig { aligned: false, ..config.clone() });
    assert_eq!(listed.steps, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // More noise than training has is known by its last step.
    let noisy = DiffusionConfig { fast: vec![0.9, 0.99], ..config };
    assert_eq!(Schedule::fast(&noisy).steps[1], 199.0);
}

#[test]
fn steps_evenly_taken_are_as_noisy_as_they_were() {
    let training = Schedule::training(&DiffusionConfig::default());
    assert_eq!(training.evenly(200).unwrap().steps, training.steps);
    let few = training.evenly(4).unwrap();
    assert_eq!(few.steps, [49.0, 99.0, 149.0, 199.0]);
    assert_eq!(few.alpha_bar[3], training.alpha_bar[199]);
    let product: f64 = few.beta.iter().map(|beta| 1.0 - beta).product();
    assert!((product - training.alpha_bar[199]).abs() < 1e-12);
    assert!(training.evenly(0).is_err() && training.evenly(201).is_err());
}

/// A network that finds the noise exactly is led back to the sound.
#[test]
fn the_way_back_ends() {
    let (_, network) = made(&small(NoiseBackbone::WaveNet, false));
    let schedule = Schedule::training(&DiffusionConfig { steps: 3, ..DiffusionConfig::default() });
    let mut reverse = Reverse::new(&network, &schedule, normal(8, &[1, 1, 16], Kind::Float), None);
    let mut asked = 0;
    while reverse.left() > 0 {
        let _ = reverse
            .step(|| {
                asked += 1;
                Ok(Tensor::zeros([1, 1, 16], (Kind::Float, Device::Cpu)))
            })
            .unwrap();
    }
    assert_eq!(asked, 2, "the last step adds no noise");
    assert!(reverse.step(|| unreachable!()).is_err());
}

//! Saved models: bytes and back, strict loading, and the official code's C̃.

use anyhow::Result;
use parity::seeded;
use proptest::prelude::*;
use s4_config::{NormKind, S4BlockConfig, StackConfig};
use s4_core::layer::dropout::Dropout;

use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore, Role};
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::systems::{METHODS, assert_close, ssm_config, system};

const NO_DROPOUT: Dropout = Dropout { p: 0.0, tied: true };

fn zeros(shape: &[i64], kind: Kind) -> Tensor {
    Tensor::zeros(shape, (kind, Device::Cpu))
}

fn dict(entries: &[(&str, Tensor)]) -> StateDict {
    entries.iter().map(|(name, t)| ((*name).to_owned(), t.shallow_clone())).collect()
}

fn assert_identical(found: &StateDict, expected: &StateDict) {
    assert_eq!(found.len(), expected.len());
    for (name, tensor) in expected.iter() {
        let found = found.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        assert_eq!((found.kind(), found.size()), (tensor.kind(), tensor.size()), "{name}");
        assert!(
            found.to_device(Device::Cpu).equal(&tensor.to_device(Device::Cpu)),
            "{name} differs"
        );
    }
}

/// Every kind, a scalar, an empty tensor, one that is not contiguous, and values at the ends of
/// their ranges.
fn samples() -> StateDict {
    let floats = Tensor::from_slice(&[0.0, -0.0, 1.5, -2.25, 1e-3, f64::INFINITY]);
    let kinds = [
        ("float", Kind::Float),
        ("double", Kind::Double),
        ("bfloat16", Kind::BFloat16),
        ("half", Kind::Half),
    ];
    let mut samples: StateDict =
        kinds.iter().map(|&(name, kind)| (name.to_owned(), floats.to_kind(kind))).collect();
    samples.insert("int64", Tensor::from_slice(&[i64::MIN, -1, 0, i64::MAX]));
    samples.insert("int", Tensor::from_slice(&[i32::MIN, 7, i32::MAX]));
    samples.insert("uint8", Tensor::from_slice(&[0u8, 255]));
    samples.insert("bool", Tensor::from_slice(&[true, false, true]));
    samples.insert("scalar", Tensor::from(3i64));
    samples.insert("empty", zeros(&[0, 4], Kind::Float));
    let grid = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([3, 4]);
    samples.insert("transposed", grid.transpose(0, 1));
    samples.insert("every second", grid.slice(1, 0, None, 2));
    samples
}

#[test]
fn safetensors_round_trip_of_all_kinds() {
    let samples = samples();
    let bytes = samples.to_safetensors(&[("format", "pt"), ("step", "12")]).unwrap();
    let back = StateDict::from_safetensors(&bytes).unwrap();
    assert_identical(&back, &samples);
    let mut sorted: Vec<&str> = samples.names().collect();
    sorted.sort_unstable();
    assert_eq!(back.names().collect::<Vec<_>>(), sorted);
    let header = String::from_utf8_lossy(&bytes);
    assert!(header.contains("\"step\":\"12\""));
    // Bits that compare unequal to themselves, or equal to others.
    let special = Tensor::from_slice(&[f32::NAN, -0.0]);
    let dict = dict(&[("special", special)]);
    let back = StateDict::from_safetensors(&dict.to_safetensors(&[]).unwrap()).unwrap();
    let values = Vec::<f32>::try_from(back.get("special").unwrap()).unwrap();
    assert!(values[0].is_nan() && values[1] == 0.0 && values[1].is_sign_negative());
}

#[test]
fn kinds_that_are_not_saved_are_named() {
    let dict = dict(&[("layer.kernel.z", zeros(&[2], Kind::ComplexFloat))]);
    let message = format!("{:#}", dict.to_safetensors(&[]).unwrap_err());
    assert!(message.contains("layer.kernel.z") && message.contains("ComplexFloat"), "{message}");
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = samples().to_safetensors(&[]).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for cut in [0, 1, 7, 8, 9, 8 + header / 2, 8 + header, bytes.len() - 1] {
        let error = StateDict::from_safetensors(&bytes[..cut]).expect_err("truncated");
        assert!(format!("{error:#}").contains("safetensors"), "{error:#}");
    }
    let mut long = bytes.clone();
    long.push(0);
    assert!(StateDict::from_safetensors(&long).is_err(), "bytes behind the last tensor");
    let mut huge = bytes.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(StateDict::from_safetensors(&huge).is_err(), "a header longer than the file");
    let mut garbled = bytes;
    garbled[8] = b'!';
    assert!(StateDict::from_safetensors(&garbled).is_err(), "a header that is not JSON");
    assert!(StateDict::from_safetensors(b"PK\x03\x04 a PyTorch file").is_err());
}

/// Whatever the damage to its header, a file is read or refused, without a crash.
#[test]
fn no_damage_to_the_header_crashes() {
    let bytes = samples().to_safetensors(&[]).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    crate::systems::runner(64)
        .run(&(0..8 + header, any::<u8>()), |(at, value)| {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            if let Ok(dict) = StateDict::from_safetensors(&damaged) {
                prop_assert!(dict.len() <= samples().len());
            }
            Ok(())
        })
        .unwrap();
}

/// A small network with batch norm: parameters and buffers, floating point and integer.
fn network(seed: i64) -> (ParamStore, Stack) {
    seeded(seed, || {
        let mut store = ParamStore::new(parity::device(), Kind::Float);
        let config = StackConfig {
            d_model: 2,
            n_layers: 2,
            norm: NormKind::Batch,
            prenorm: true,
            ..StackConfig::default()
        };
        let block: S4BlockConfig =
            serde_json::from_value(json!({"ssm": {"d_state": 4}})).expect("settings");
        let stack = Stack::new(&mut store.root(), &config, |scope, _| {
            Ok(Box::new(S4Block::new(scope, 2, &block, NO_DROPOUT)?))
        });
        crate::systems::disturb(&store);
        (store, stack.expect("a network"))
    })
}

fn copy(dict: &StateDict) -> StateDict {
    dict.iter().map(|(name, t)| (name.to_owned(), t.copy())).collect()
}

#[test]
fn a_network_saved_and_loaded_is_the_same_network() {
    let (store, stack) = network(1);
    let x = crate::systems::normal(2, &[3, 2, 20], Kind::Float);
    // Train a little, so that the running statistics have moved.
    let _ = stack.forward(&x, &Pass::train()).unwrap();
    let bytes = store.state_dict().to_safetensors(&[]).unwrap();
    let (other, restored) = network(3);
    let before = stack.forward(&x, &Pass::eval()).unwrap();
    assert_ne!(before, restored.forward(&x, &Pass::eval()).unwrap());
    other.load_state_dict(&StateDict::from_safetensors(&bytes).unwrap()).unwrap();
    assert_identical(&other.state_dict(), &store.state_dict());
    let after = restored.forward(&x, &Pass::eval()).unwrap();
    assert_close("restored outputs", &after, &before, 1e-6);
    let name = "layers.1.norm.norm.num_batches_tracked";
    assert_eq!(other.get(name).unwrap().int64_value(&[]), 1);
}

/// Loads a spoilt copy of the model's own state dict: refused, with `expected` in the message, and
/// nothing changed, not even what came before the fault.
#[track_caller]
fn assert_refused(spoil: impl FnOnce(&mut StateDict), expected: &[&str]) {
    let (store, _stack) = network(4);
    let before = copy(&store.state_dict());
    // Other values everywhere, so that a partial load would show.
    let mut other: StateDict =
        before.iter().map(|(name, t)| (name.to_owned(), t.ones_like())).collect();
    spoil(&mut other);
    let message = format!("{:#}", store.load_state_dict(&other).expect_err("a strict load"));
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert_identical(&store.state_dict(), &before);
}

const WEIGHT: &str = "layers.1.layer.output_linear.0.weight";

#[test]
fn missing_tensors_are_named() {
    let without = |dict: &mut StateDict| {
        let rest = dict.iter().filter(|(name, _)| *name != WEIGHT);
        *dict = rest.map(|(name, t)| (name.to_owned(), t.shallow_clone())).collect();
    };
    assert_refused(without, &[WEIGHT, "missing"]);
}

#[test]
fn extra_tensors_are_named() {
    let extra = |dict: &mut StateDict| dict.insert("layers.2.layer.D", zeros(&[1, 2], Kind::Float));
    assert_refused(extra, &["layers.2.layer.D", "not part of this model"]);
}

#[test]
fn other_shapes_are_named() {
    let shape = |dict: &mut StateDict| dict.insert(WEIGHT, zeros(&[2, 4], Kind::Float));
    assert_refused(shape, &[WEIGHT, "[2, 4]", "[4, 2]"]);
    // Even where they would broadcast.
    let shape = |dict: &mut StateDict| dict.insert(WEIGHT, zeros(&[1, 2], Kind::Float));
    assert_refused(shape, &[WEIGHT, "[1, 2]", "[4, 2]"]);
}

#[test]
fn other_kinds_are_named() {
    let kind = |dict: &mut StateDict| dict.insert(WEIGHT, zeros(&[4, 2], Kind::Double));
    assert_refused(kind, &[WEIGHT, "Double", "Float"]);
    let name = "layers.0.norm.norm.num_batches_tracked";
    let kind = |dict: &mut StateDict| dict.insert(name, zeros(&[], Kind::Float));
    assert_refused(kind, &[name, "Float", "Int64"]);
}

#[test]
fn all_faults_are_reported_together() {
    let two = |dict: &mut StateDict| {
        dict.insert(WEIGHT, zeros(&[1], Kind::Float));
        dict.insert("another", zeros(&[1], Kind::Float));
    };
    assert_refused(two, &[WEIGHT, "another"]);
    let everything = |dict: &mut StateDict| *dict = StateDict::new();
    assert_refused(everything, &["layers.0.layer.layer.D", "more"]);
}

/// `VarStore::load` broadcasts a half-precision [1] into a float [4] and changes its kind.
#[test]
fn one_half_is_not_four_floats() {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let w =
        store.root().parameter("w", &Tensor::ones([4], (Kind::Float, Device::Cpu)), Hyper::GLOBAL);
    let w = w.unwrap();
    let error = store.load_state_dict(&dict(&[("w", zeros(&[1], Kind::Half))])).unwrap_err();
    assert!(format!("{error:#}").contains("w has shape [1], expected [4]"), "{error:#}");
    let error = store.load_state_dict(&dict(&[("w", zeros(&[4], Kind::Half))])).unwrap_err();
    assert!(format!("{error:#}").contains("w is Half, expected Float"), "{error:#}");
    assert_eq!((w.kind(), w.size()), (Kind::Float, vec![4]));
    assert_eq!(w.sum(Kind::Double).double_value(&[]), 4.0);
}

#[test]
fn duplicate_names_are_refused() {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let one = Tensor::ones([1], (Kind::Float, Device::Cpu));
    let mut root = store.root();
    let _ = root.sub("layer").parameter("w", &one, Hyper::GLOBAL).unwrap();
    let error = root.sub("layer").parameter("w", &one, Hyper::GLOBAL).unwrap_err();
    assert!(error.to_string().contains("layer.w"), "{error}");
    assert!(root.buffer("layer.w", &one).is_err());
    assert_eq!(store.entries().len(), 1);
}

#[test]
fn loading_keeps_the_parameters_trainable_and_shared() {
    let (store, stack) = network(5);
    let other = copy(&network(6).0.state_dict());
    store.load_state_dict(&other).unwrap();
    for entry in store.entries() {
        let trained = matches!(entry.role, Role::Parameter(_));
        assert_eq!(entry.tensor.requires_grad(), trained, "{}", entry.name);
        assert!(entry.tensor.is_leaf(), "{}", entry.name);
    }
    // The layers use the very tensors that were loaded into.
    let x = crate::systems::normal(7, &[2, 2, 9], Kind::Float);
    let y = stack.forward(&x, &Pass::eval()).unwrap();
    let (reference, expected) = network(6);
    let expected = expected.forward(&x, &Pass::eval()).unwrap();
    assert_close("loaded outputs", &y, &expected, 1e-6);
    drop(reference);
    (y.square().sum(Kind::Float)).backward();
    for (name, tensor, _) in store.parameters() {
        assert!(tensor.grad().defined(), "{name} has no gradient");
    }
    store.zero_grad();
    // Loading copies: the dict is not tied to the model afterwards.
    let mut d = other.get("layers.0.layer.layer.D").unwrap().shallow_clone();
    let _ = d.fill_(99.0);
    let model = store.get("layers.0.layer.layer.D").unwrap();
    assert!(model.max().double_value(&[]) < 99.0);
}

#[test]
fn store_converts_and_places_what_is_registered() {
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let mut root = store.root();
    let p = root.parameter("p", &Tensor::from_slice(&[0.5f32]), Hyper::NO_DECAY).unwrap();
    let b = root.buffer("b", &Tensor::from_slice(&[0.5f32])).unwrap();
    let n = root.buffer("n", &Tensor::from(7i64)).unwrap();
    assert_eq!((p.kind(), b.kind(), n.kind()), (Kind::Double, Kind::Double, Kind::Int64));
    assert_eq!((p.device(), n.device()), (parity::device(), Device::Cpu));
    assert!(p.requires_grad() && !b.requires_grad());
    assert_eq!(store.num_parameters(), 1);
    let names: Vec<_> = store.entries().iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["p", "b", "n"]);
    assert_eq!(store.parameters().map(|(_, _, h)| h).collect::<Vec<_>>(), [Hyper::NO_DECAY]);
}

/// C to C̃ and back; the kernels stay what they are all along.
#[test]
fn c_tilde_comes_and_goes() {
    for (settings, channels) in [
        (json!({"d_state": 8}), 1),
        (json!({"d_state": 6, "init": "legt", "rank": 2, "n_ssm": 1}), 2),
        (json!({"d_state": 8, "init": "fourier", "dt_tie": false}), 1),
        (json!({"d_state": 8, "bandlimit": 0.2}), 1),
    ] {
        let config = ssm_config(&settings);
        let (store, mut parameters) = system(8, &config, 2, channels);
        let c = store.get("C").unwrap();
        let original = c.copy();
        let kernels = |parameters: &SsmParameters| {
            let _guard = tch::no_grad_guard();
            METHODS.map(|m| parameters.ssm(1.0).kernel(130, m, Kind::Double).unwrap())
        };
        let expected = kernels(&parameters);
        let same = |parameters: &SsmParameters, when: &str| {
            // The limit drops entries of what is stored, C or C̃: not the same function.
            if config.bandlimit.is_some() {
                return;
            }
            for (found, expected) in kernels(parameters).iter().zip(&expected) {
                assert_close(&format!("{settings}, kernel {when}"), found, expected, 1e-8);
            }
        };
        assert_eq!(parameters.c_tilde_length(), None);
        parameters.undo_c_tilde().unwrap();
        assert!(c.equal(&original), "nothing to undo");

        parameters.make_c_tilde(100).unwrap();
        assert_eq!(parameters.c_tilde_length(), Some(100));
        assert!(crate::systems::deviation(c, &original) > 1e-4, "C̃ is not C");
        same(&parameters, "with C̃");
        parameters.make_c_tilde(1).unwrap();
        assert_eq!(parameters.c_tilde_length(), Some(200), "the length doubles");
        same(&parameters, "with C̃ of twice the length");
        assert!(c.requires_grad() && store.get("l_kernel").unwrap().int64_value(&[]) == 200);

        parameters.undo_c_tilde().unwrap();
        assert_eq!(parameters.c_tilde_length(), None);
        assert_close(&format!("{settings}, C"), c, &original, 1e-8);
        same(&parameters, "with C again");
    }
    let s4d = ssm_config(&json!({"mode": "s4d", "d_state": 4}));
    assert!(system(9, &s4d, 1, 1).1.make_c_tilde(10).is_err());
}

/// Official names and shapes with H = 6, N/2 = 4.
fn official(ssm: &[(&str, &[i64])], channels: i64, output: &[i64]) -> StateDict {
    let mut dict = StateDict::new();
    dict.insert("layer.D", zeros(&[channels, 6], Kind::Float));
    for (name, shape) in ssm {
        let kind = if *name == "l_kernel" { Kind::Int64 } else { Kind::Float };
        dict.insert(format!("layer.kernel.{name}"), zeros(shape, kind));
    }
    if let [outputs, _] = output {
        dict.insert("output_linear.0.weight", zeros(output, Kind::Float));
        dict.insert("output_linear.0.bias", zeros(&[*outputs], Kind::Float));
    }
    dict
}

#[test]
fn official_state_dicts_fit() {
    let load = |settings, dict: &StateDict| -> Result<()> {
        let mut store = ParamStore::new(parity::device(), Kind::Float);
        let config: S4BlockConfig = serde_json::from_value(settings)?;
        seeded(12, || S4Block::new(&mut store.root(), 6, &config, NO_DROPOUT))?;
        store.load_state_dict(dict)
    };
    let s4: &[(&str, &[i64])] = &[
        ("C", &[2, 6, 4, 2]),
        ("inv_dt", &[6, 1]),
        ("B", &[1, 3, 4, 2]),
        ("P", &[1, 3, 4, 2]),
        ("A_real", &[3, 4]),
        ("A_imag", &[3, 4]),
        ("l_kernel", &[]),
    ];
    let settings = json!({"bidirectional": true, "ssm": {"d_state": 8, "n_ssm": 3}});
    load(settings, &official(s4, 1, &[12, 6])).unwrap();

    let s4d: &[(&str, &[i64])] = &[
        ("C", &[2, 6, 4, 2]),
        ("inv_dt", &[6, 4]),
        ("B", &[1, 6, 4, 2]),
        ("A_real", &[6, 4]),
        ("A_imag", &[6, 4]),
    ];
    let settings = json!({
        "channels": 2, "final_act": "id", "ssm": {"mode": "s4d", "d_state": 8, "dt_tie": false},
    });
    load(settings, &official(s4d, 2, &[6, 12])).unwrap();

    let settings = json!({
        "final_act": "none", "ssm": {"mode": "s4d", "d_state": 8, "is_real": true, "n_ssm": 1},
    });
    let real: &[(&str, &[i64])] =
        &[("C", &[1, 6, 8]), ("inv_dt", &[6, 1]), ("B", &[1, 1, 8]), ("A_real", &[1, 8])];
    load(settings, &official(real, 1, &[])).unwrap();
}

#[test]
fn official_minimal_state_dict_fits() {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    seeded(13, || S4Block::minimal(&mut store.root(), 6, 8, NO_DROPOUT, None)).unwrap();
    let float = |shape: &[i64]| zeros(shape, Kind::Float);
    let official = dict(&[
        ("D", float(&[6])),
        ("kernel.C", float(&[6, 4, 2])),
        ("kernel.log_dt", float(&[6])),
        ("kernel.log_A_real", float(&[6, 4])),
        ("kernel.A_imag", float(&[6, 4])),
        ("output_linear.0.weight", float(&[12, 6, 1])),
        ("output_linear.0.bias", float(&[12])),
    ]);
    store.load_state_dict(&official).unwrap();
}

#[test]
fn parts_and_kinds_of_a_dict() {
    let dict = dict(&[
        ("model.w", Tensor::from_slice(&[1.5f32])),
        ("model.n", Tensor::from(3i64)),
        ("modelling", Tensor::from_slice(&[2.5f32])),
    ]);
    let part = dict.under("model");
    assert_eq!(part.names().collect::<Vec<_>>(), ["w", "n"]);
    let double = dict.to_kind(Kind::Double);
    assert_eq!(double.get("model.w").unwrap().kind(), Kind::Double);
    assert_eq!(double.get("model.n").unwrap().kind(), Kind::Int64);
    let mut replaced = dict.under("model");
    replaced.insert("w", Tensor::from_slice(&[9.0f32]));
    assert_eq!((replaced.len(), replaced.get("w").unwrap().double_value(&[0])), (2, 9.0));
    assert!(StateDict::new().is_empty() && replaced.get("v").is_none());
}

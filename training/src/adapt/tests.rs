use s4_core::layer::linear::Linear;
use s4_core::params::Hyper;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::checkpoint::export_weights;

/// A backbone of one map with a bias, and a head.
fn model(folder: &std::path::Path) -> (ParamStore, Linear, InitConfig) {
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let mut root = store.root();
    let map = Linear::new(&mut root.sub("model.layers.0"), 3, 2, Hyper::NO_DECAY).unwrap();
    let one = Tensor::ones([2], (Kind::Double, Device::Cpu));
    let _ = root.parameter("model.norm.weight", &one, Hyper::NO_DECAY).unwrap();
    let _ = root.parameter("model.kernel.C", &one, Hyper::NO_DECAY).unwrap();
    let _ = root.parameter("decoder.weight", &one, Hyper::GLOBAL).unwrap();
    let file = folder.join("base.safetensors");
    export_weights(&file, &store.state_dict()).unwrap();
    (store, map, InitConfig::new(file.display().to_string()))
}

fn begin(way: &str, store: &mut ParamStore, init: &InitConfig) -> Adapting {
    Adapting::begin(&way.parse().unwrap(), init, store, 10, 0).unwrap()
}

fn trained(store: &ParamStore) -> Vec<&str> {
    store.parameters().map(|(name, ..)| name).collect()
}

#[test]
fn ways_are_read_and_written() {
    for way in ["full", "probe", "lp-ft", "lp-ft:5", "lora:4:8", "bias", "groups:dt,C,norm"] {
        assert_eq!(way.parse::<Adapt>().unwrap().to_string(), way);
    }
    assert_eq!("lora".parse::<Adapt>().unwrap().to_string(), "lora:8:16");
    for wrong in ["half", "lora:0", "lora:x", "lp-ft:x", "groups", "groups:E", "probe:1", ""] {
        assert!(wrong.parse::<Adapt>().is_err(), "{wrong}");
    }
}

#[test]
fn what_is_trained_is_what_the_way_says_and_the_head() {
    let folder = tempfile::tempdir().unwrap();
    for (way, names) in [
        ("probe", &["decoder.weight"][..]),
        ("bias", &["model.layers.0.bias", "decoder.weight"]),
        ("groups:C,norm", &["model.norm.weight", "model.kernel.C", "decoder.weight"]),
        ("lora", &["decoder.weight", "model.layers.0.lora_A", "model.layers.0.lora_B"]),
    ] {
        let (mut store, _, init) = model(folder.path());
        let _adapting = begin(way, &mut store, &init);
        assert_eq!(trained(&store), names, "{way}");
        assert_eq!(store.state_dict().names().collect::<Vec<_>>(), names, "{way}");
    }
    let (mut store, _, init) = model(folder.path());
    let _adapting = begin("full", &mut store, &init);
    assert_eq!(trained(&store).len(), 5);
}

#[test]
fn the_head_comes_first_and_then_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _, init) = model(folder.path());
    let adapting = begin("lp-ft:2", &mut store, &init);
    for step in 0..4 {
        adapting.before(step).unwrap();
        let wants = |name: &str| store.get(name).unwrap().requires_grad();
        assert_eq!(wants("model.layers.0.weight"), step >= 2);
        assert!(wants("decoder.weight"));
    }
}

#[test]
fn low_rank_changes_have_the_gradients_of_a_sum_and_fold_into_the_weight() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, map, init) = model(folder.path());
    let adapting = begin("lora:2:6", &mut store, &init);
    let get = |name: &str| store.get(&format!("model.layers.0.{name}")).unwrap().detach();
    let base = get("weight").copy();
    let values = Tensor::arange(4, (Kind::Double, Device::Cpu)).view([2, 2]) + 0.5;
    get("lora_B").copy_(&values);
    adapting.fold().unwrap();

    let x = Tensor::arange(6, (Kind::Double, Device::Cpu)).view([2, 3]).sin();
    let y = map.step(&x);
    y.square().sum(Kind::Double).backward();
    adapting.project().unwrap();

    // The same as a layer of its own: W x + 3 B A x + b.
    let (a, b) = (get("lora_A").copy(), get("lora_B").copy());
    let (a, b) = (a.set_requires_grad(true), b.set_requires_grad(true));
    let applied = x.matmul(&base.transpose(0, 1))
        + x.matmul(&a.transpose(0, 1)).matmul(&b.transpose(0, 1)) * 3.0
        + get("bias");
    applied.square().sum(Kind::Double).backward();
    let close = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-10;
    assert!(close(&y, &applied));
    for (name, expected) in [("lora_A", a.grad()), ("lora_B", b.grad())] {
        let own = store.get(&format!("model.layers.0.{name}")).unwrap().grad();
        assert!(close(&own, &expected), "{name}");
    }
    assert!(!store.get("model.layers.0.weight").unwrap().grad().defined());

    let config = format!(
        "[train]\nadapt = \"lora:2:6\"\nepochs = 1\n[train.init]\nfrom = {:?}\n",
        init.from
    );
    let whole = whole(&config, &store.state_dict()).unwrap();
    let names: Vec<&str> = whole.names().collect();
    assert!(!names.iter().any(|name| name.contains("lora")), "{names:?}");
    let folded = whole.get("model.layers.0.weight").unwrap();
    assert!(close(&map.step(&x), &(x.matmul(&folded.transpose(0, 1)) + get("bias"))));
}

#[test]
fn a_base_that_has_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _, mut init) = model(folder.path());
    init.identify().unwrap();
    let _adapting = begin("probe", &mut store, &init);
    let all = model(folder.path()).0; // other random weights in the same file
    let error = Adapting::begin(&Adapt::Probe, &init, &mut store, 1, 0).unwrap_err();
    assert!(format!("{error:#}").contains("have changed"), "{error:#}");
    drop(all);
}

//! Parameter groups and gradient clipping.

use anyhow::Result;
use s4_core::params::{Hyper, ParamStore};
use tch::{Kind, Tensor};
use training::optim::{
    GroupConfig, Optimizer, OptimizerConfig, Summary, clip_grad_norm, clip_grad_value,
    group_parameters,
};
use training::train_config::TrainConfig;

const SSM: Hyper = Hyper { lr: Some(0.001), weight_decay: Some(0.0) };
const FROZEN: Hyper = Hyper { lr: Some(0.0), weight_decay: None };

fn store() -> ParamStore {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let mut root = store.root();
    for (name, size, hyper) in [
        ("encoder.weight", 1_200, Hyper::GLOBAL),
        ("layers.0.A", 64, SSM),
        ("layers.0.C", 128, Hyper::GLOBAL),
        ("layers.0.norm.bias", 16, Hyper::NO_DECAY),
        ("layers.1.A", 64, SSM),
        ("layers.1.B", 64, FROZEN),
    ] {
        let _ = root
            .parameter(name, &Tensor::ones([size], (Kind::Float, tch::Device::Cpu)), hyper)
            .expect("new name");
    }
    let _ = root.buffer("running_mean", &Tensor::from(0.0)).expect("new name");
    store
}

#[test]
fn equal_settings_share_a_group() -> Result<()> {
    let groups = group_parameters(&store(), 0.01, 0.05, &[])?;
    let seen: Vec<_> =
        groups.iter().map(|g| (g.lr, g.weight_decay, g.scalars, g.names.join(" "))).collect();
    let expected = [
        (0.01, 0.05, 1_328, "encoder.weight layers.0.C"),
        (0.001, 0.0, 128, "layers.0.A layers.1.A"),
        (0.01, 0.0, 16, "layers.0.norm.bias"),
        (0.0, 0.05, 64, "layers.1.B"),
    ];
    assert_eq!(seen, expected.map(|(lr, wd, n, names)| (lr, wd, n, names.to_owned())));
    assert_eq!(groups.iter().map(|g| g.own_rate).collect::<Vec<_>>(), [false, true, false, true]);

    // Where the layers' own settings are the global ones there is nothing to tell apart.
    let groups = group_parameters(&store(), 0.001, 0.0, &[])?;
    assert_eq!(groups.len(), 2);
    assert!(!groups[0].own_rate);
    Ok(())
}

#[test]
fn summary_shows_what_is_decayed() -> Result<()> {
    let groups = group_parameters(&store(), 0.01, 0.05, &[])?;
    let expected = "\
decayed       2 tensors        1,328 scalars
undecayed     3 tensors          144 scalars
frozen        1 tensor            64 scalars
  lr 0.01     weight decay 0.05       2 tensors        1,328 scalars
  lr 0.001    weight decay 0          2 tensors          128 scalars  own rate: A
  lr 0.01     weight decay 0          1 tensor            16 scalars
  lr 0        weight decay 0.05       1 tensor            64 scalars  frozen: B";
    assert_eq!(Summary(&groups).to_string(), expected);
    let optimizer = Optimizer::new(&store(), OptimizerConfig { lr: 0.01, ..Default::default() })?;
    let text = optimizer.to_string();
    assert!(text.starts_with("AdamW, fused, betas (0.9, 0.999), eps 1e-8\ndecayed "), "{text}");
    Ok(())
}

/// `[[groups]]` of a TOML text.
fn by_name(toml: &str) -> Vec<GroupConfig> {
    toml::from_str::<TrainConfig>(toml).unwrap().groups
}

#[test]
fn names_go_before_layers_and_the_last_match_counts() -> Result<()> {
    let by_name = by_name(
        r#"
        [[groups]]
        names = "layers.*"
        lr = 0.1
        [[groups]]
        names = "*.1.*"
        weight_decay = 0.5
        [[groups]]
        names = "encoder.weight"
        frozen = true
        "#,
    );
    let store = store();
    let optimizer = Optimizer::with_groups(
        &store,
        OptimizerConfig { lr: 0.01, ..Default::default() },
        &by_name,
    )?;
    let seen: Vec<_> =
        optimizer.groups().iter().map(|g| (g.lr, g.weight_decay, g.names.join(" "))).collect();
    let expected = [
        (0.0, 0.01, "encoder.weight"),
        (0.1, 0.0, "layers.0.A layers.0.norm.bias"),
        (0.1, 0.01, "layers.0.C"),
        // The second group says nothing of rates: they are the layers' own.
        (0.001, 0.5, "layers.1.A"),
        (0.0, 0.5, "layers.1.B"),
    ];
    assert_eq!(seen, expected.map(|(lr, decay, names)| (lr, decay, names.to_owned())));
    for (name, parameter, _) in store.parameters() {
        let frozen = ["encoder.weight", "layers.1.B"].contains(&name);
        assert_eq!(parameter.requires_grad(), !frozen, "{name}");
    }
    Ok(())
}

#[test]
fn groups_that_mean_nothing_are_errors() {
    let refused = |toml: &str| {
        let by_name = by_name(toml);
        let invalid = by_name.iter().try_for_each(GroupConfig::validate).err();
        let error = invalid.or_else(|| group_parameters(&store(), 0.01, 0.0, &by_name).err());
        error.unwrap().to_string()
    };
    let slip = refused("[[groups]]\nnames = \"layers.*.a\"\nlr = 0.1");
    assert!(slip.contains("matches `layers.*.a`; near it are layers"), "{slip}");
    for settings in ["", "frozen = true\nlr = 0.1"] {
        let message = refused(&format!("[[groups]]\nnames = \"*\"\n{settings}"));
        assert!(message.contains("needs lr, weight_decay or both"), "{message}");
    }
    let all = by_name("[[groups]]\nnames = \"*\"\nfrozen = true");
    let error = Optimizer::with_groups(&store(), OptimizerConfig::default(), &all).unwrap_err();
    assert!(error.to_string().contains("all parameters are frozen"), "{error}");
}

#[test]
fn bad_rates_name_the_parameter() {
    let mut store = store();
    let wrong = Hyper { lr: Some(-0.1), weight_decay: None };
    let _ = store.root().parameter("wrong", &Tensor::from(1.0), wrong).expect("new name");
    let error = group_parameters(&store, 0.01, 0.0, &[]).expect_err("negative").to_string();
    assert!(error.contains("learning rate of parameter wrong is -0.1"), "{error}");
}

/// Two parameters with gradients 3 and 4 (norm 5), one without.
fn three_and_four() -> (ParamStore, Vec<Tensor>) {
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let mut root = store.root();
    let params: Vec<Tensor> = ["a", "b", "unused"]
        .iter()
        .map(|name| {
            root.parameter(name, &Tensor::from_slice(&[1.0f64]), Hyper::GLOBAL).expect("new name")
        })
        .collect();
    (&params[0] * 3.0 + &params[1] * 4.0).sum(Kind::Double).backward();
    (store, params)
}

fn grads(params: &[Tensor]) -> [f64; 2] {
    [params[0].grad().double_value(&[0]), params[1].grad().double_value(&[0])]
}

#[test]
fn clipping_scales_to_the_norm() -> Result<()> {
    let (_store, params) = three_and_four();
    let norm = clip_grad_norm(&params, 10.0)?.expect("gradients");
    assert!((norm.double_value(&[]) - 5.0).abs() < 1e-12);
    assert_eq!(grads(&params), [3.0, 4.0], "a small norm is left alone");

    clip_grad_norm(&params, f64::INFINITY)?;
    assert_eq!(grads(&params), [3.0, 4.0]);

    let norm = clip_grad_norm(&params, 0.5)?.expect("gradients");
    assert!((norm.double_value(&[]) - 5.0).abs() < 1e-12);
    // PyTorch's factor: 0.5 / (5 + 1e-6).
    for (actual, raw) in grads(&params).iter().zip([3.0, 4.0]) {
        assert!((actual - raw * 0.5 / 5.000_001).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn clipping_limits_values() -> Result<()> {
    let (_store, params) = three_and_four();
    clip_grad_value(&params, 5.0)?;
    assert_eq!(grads(&params), [3.0, 4.0]);
    clip_grad_value(&params, 3.5)?;
    assert_eq!(grads(&params), [3.0, 3.5]);
    clip_grad_value(&[Tensor::from(1.0)], 1.0)?;
    assert!(clip_grad_value(&params, 0.0).unwrap_err().to_string().contains("above 0"));
    Ok(())
}

#[test]
fn clipping_nothing_is_no_error() -> Result<()> {
    assert!(clip_grad_norm(&[Tensor::from(1.0)], 1.0)?.is_none());
    assert!(clip_grad_norm(&[], 0.0).is_err());
    Ok(())
}

//! The divergence guard: what it names, when, and what is done about it.

use anyhow::Result;
use s4_core::params::{Hyper, ParamStore};
use tch::{Kind, Tensor};
use training::guard::{Decision, Divergence, Guard, OnDivergence};

fn store() -> ParamStore {
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    for name in ["encoder", "layer.A", "layer.C", "unused"] {
        let value = Tensor::from_slice(&[1.0f32, 2.0, 3.0]);
        let _ = store.root().parameter(name, &value, Hyper::GLOBAL).expect("new name");
    }
    store
}

/// A backward pass that gives every used parameter these gradients; returns the loss.
fn backward(store: &mut ParamStore, grads: [[f32; 3]; 3]) -> Tensor {
    store.zero_grad();
    let mut loss = Tensor::zeros([], (Kind::Float, store.device()));
    for (name, grad) in ["encoder", "layer.A", "layer.C"].iter().zip(grads) {
        let grad = Tensor::from_slice(&grad).to_device(store.device());
        loss += (store.get(name).unwrap() * grad).sum(Kind::Float);
    }
    loss.backward();
    loss
}

const GOOD: [f32; 3] = [0.1, -2.0, 0.0];
const BAD: [f32; 3] = [f32::NAN, f32::NEG_INFINITY, 1.0];

fn diverged(guard: &mut Guard, store: &mut ParamStore, steps: &[[[f32; 3]; 3]]) -> Divergence {
    for (step, grads) in steps.iter().enumerate() {
        let loss = backward(store, *grads);
        let loss = if loss.isfinite().int64_value(&[]) == 0 { loss.zeros_like() } else { loss };
        if let Some(found) = guard.check(step as u64, &loss, store).expect("check") {
            return found;
        }
    }
    panic!("nothing was found");
}

#[test]
fn finite_steps_pass() -> Result<()> {
    let mut store = store();
    let mut guard = Guard::new(3)?;
    for step in 0..10 {
        let loss = backward(&mut store, [GOOD, [f32::MAX, f32::MIN, 0.0], GOOD]);
        assert_eq!(guard.check(step, &loss.zeros_like(), &store)?, None);
    }
    assert_eq!(guard.read(&store)?, None);
    Ok(())
}

#[test]
fn names_the_first_bad_gradient_at_once() -> Result<()> {
    let mut store = store();
    let found = diverged(&mut Guard::new(1)?, &mut store, &[[GOOD; 3], [GOOD, BAD, BAD]]);
    assert_eq!((found.step, found.read_at, found.gradients), (1, 1, 3));
    assert_eq!(found.bad_gradients, ["layer.A", "layer.C"]);
    let text = found.to_string();
    for part in [
        "at step 1",
        "first bad gradient: layer.A (1 NaN and 1 infinite of 3); 2 of 3 gradients are bad",
        "the one nearest the loss is layer.C",
        "all parameters and buffers are finite",
        "lower learning rate",
    ] {
        assert!(text.contains(part), "{text}");
    }
    Ok(())
}

/// Minus infinity alone: the largest element would not show it.
#[test]
fn minus_infinity_counts() -> Result<()> {
    let bad = [1.0, f32::NEG_INFINITY, 2.0];
    let found = diverged(&mut Guard::new(1)?, &mut store(), &[[GOOD, GOOD, bad]]);
    assert_eq!(found.bad_gradients, ["layer.C"]);
    Ok(())
}

#[test]
fn remembers_the_step_and_the_name_until_it_is_read() -> Result<()> {
    let mut store = store();
    let steps = [[GOOD; 3], [GOOD, GOOD, BAD], [BAD; 3], [BAD; 3]];
    let found = diverged(&mut Guard::new(4)?, &mut store, &steps);
    assert_eq!((found.step, found.read_at), (1, 3));
    assert_eq!(found.bad_gradients, ["layer.C"]);
    assert_eq!(found.first_gradient, None, "the gradients of step 1 are gone");
    assert!(found.to_string().contains("read at step 3"), "{found}");
    Ok(())
}

#[test]
fn finds_a_bad_loss_and_a_bad_parameter() -> Result<()> {
    let mut store = store();
    let mut guard = Guard::new(2)?;
    let loss = backward(&mut store, [GOOD; 3]) * f64::NAN;
    let _ = store.get("layer.A").unwrap().detach().narrow(0, 1, 2).fill_(f64::INFINITY);
    assert_eq!(guard.check(7, &loss, &store)?, None, "not read yet");
    let found = guard.read(&store)?.expect("a bad loss");
    assert!(found.loss.is_nan() && found.bad_gradients.is_empty());
    let text = found.to_string();
    assert!(text.contains("the loss is NaN"), "{text}");
    assert!(
        text.contains("first bad parameter or buffer: layer.A (0 NaN and 2 infinite of 3)"),
        "{text}"
    );
    assert_eq!(guard.read(&store)?, None, "reported once");
    Ok(())
}

#[test]
fn reset_forgets() -> Result<()> {
    let mut store = store();
    let mut guard = Guard::new(2)?;
    let loss = backward(&mut store, [BAD; 3]);
    guard.check(0, &loss, &store)?;
    guard.reset();
    assert_eq!(guard.read(&store)?, None);
    assert!(Guard::new(0).is_err());
    Ok(())
}

#[test]
fn policies() {
    let parse = |text: &str| toml::from_str::<OnDivergence>(text);
    let stop = parse("policy = \"stop\"").unwrap();
    assert_eq!(stop, OnDivergence::default());
    assert_eq!(stop.decide(0), Decision::Stop);
    assert_eq!(stop.lr_scale_after(0), 1.0);

    let back = parse("policy = \"roll_back\"\nat_most = 2").unwrap();
    assert_eq!(back, OnDivergence::RollBack { lr_scale: 0.5, at_most: 2 });
    assert_eq!(back.decide(0), Decision::RollBack { lr_scale: 0.5 });
    assert_eq!(back.decide(1), Decision::RollBack { lr_scale: 0.25 });
    assert_eq!(back.decide(2), Decision::Stop);

    assert!(parse("policy = \"stop\"\nat_most = 2").is_err(), "a setting without effect");
    assert!(parse("policy = \"roll_back\"\nlr = 2").is_err());
    assert!(OnDivergence::RollBack { lr_scale: 1.0, at_most: 1 }.validate().is_err());
}

//! Activation checkpointing: the same results as without it, to the bit, and less to keep.

use s4_config::{NormKind, S4BlockConfig, StackConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use parity::seeded;
use s4_core::autograd;
use s4_core::generator::GeneratorState;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::linear::DenseKind;

use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Activations, Pass, SequenceLayer, State, Stepper};
use s4_core::params::ParamStore;
use s4_core::recompute::recomputed;
use s4_core::recurrence::StepMode;
use serde_json::json;
use tch::{Kind, Tensor};

use crate::systems::normal;

fn stack(norm: NormKind, mode: &str, tie_dropout: bool) -> (ParamStore, Stack) {
    let config = StackConfig {
        d_model: 6,
        n_layers: 3,
        norm,
        prenorm: tie_dropout,
        dropout: 0.2,
        tie_dropout,
        ..StackConfig::default()
    };
    let block: S4BlockConfig =
        serde_json::from_value(json!({"ssm": {"d_state": 4, "mode": mode}})).unwrap();
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let stack = seeded(1, || {
        Stack::new(&mut store.root(), &config, |scope, _| {
            Ok(Box::new(S4Block::new(scope, config.d_model, &block, Dropout::from(&config))?))
        })
    });
    (store, stack.unwrap())
}

/// Everything that a step leaves behind, by name: outputs, gradients, buffers, and the next number
/// that the generator draws.
fn traces(
    (store, stack): &(ParamStore, Stack),
    activations: Activations,
    with_state: bool,
) -> Vec<(String, Tensor)> {
    let x = normal(2, &[3, 6, 20], Kind::Float).set_requires_grad(true);
    let weight = normal(3, &[3, 6, 20], Kind::Float);
    let lengths = (!with_state).then(|| Tensor::from_slice(&[20i64, 7, 13]).to_device(x.device()));
    let pass = Pass { activations, ..Pass::train() }.with_lengths(lengths);
    let (y, next) = seeded(4, || {
        let x = &x * 1.0; // as behind an encoder
        let y = if with_state {
            // The second part's gradient reaches the first through the state.
            let state = stack.default_state(3).unwrap();
            let (first, state) =
                stack.forward_with_state(&x.narrow(2, 0, 12), &state, &pass).unwrap();
            let (second, _) = stack.forward_with_state(&x.narrow(2, 12, 8), &state, &pass).unwrap();
            Tensor::cat(&[first, second], 2)
        } else {
            stack.forward(&x, &pass).unwrap()
        };
        (&y * weight).sum(Kind::Float).backward();
        (y, Tensor::rand([4], (Kind::Float, x.device())))
    });
    let mut found = vec![("y".to_owned(), y.detach()), ("next".to_owned(), next)];
    found.push(("x gradient".to_owned(), x.grad()));
    for (name, parameter, _) in store.parameters() {
        let gradient = parameter.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        found.push((format!("{name} gradient"), gradient));
    }
    found.extend(store.state_dict().iter().map(|(name, t)| (name.to_owned(), t.shallow_clone())));
    found
}

#[test]
fn outputs_gradients_and_statistics_are_the_same_bits() {
    for norm in [NormKind::Batch, NormKind::Layer] {
        for (mode, tied) in [("s4", true), ("s4d", false)] {
            for with_state in [false, true] {
                let run = |activations| traces(&stack(norm, mode, tied), activations, with_state);
                let (kept, again) = (run(Activations::Kept), run(Activations::Recomputed));
                assert_eq!(kept.len(), again.len());
                for ((name, a), (_, b)) in kept.iter().zip(&again) {
                    let what = format!("{norm:?} {mode} state {with_state}: {name}");
                    assert!(a.equal(b), "{what} differs by {}", (a - b).abs().max());
                    assert!(a.isfinite().all().int64_value(&[]) == 1, "{what} is not finite");
                }
            }
        }
    }
}

/// x + 1, which keeps something for its backward pass: `alive` counts how many of those there are.
#[derive(Debug)]
struct Keeps {
    alive: Arc<AtomicI64>,
    most: Arc<AtomicI64>,
}

struct Kept(Arc<AtomicI64>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SequenceLayer for Keeps {
    fn state_len(&self) -> usize {
        0
    }

    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor> {
        let y = tch::no_grad(|| x + 1.0);
        let now = self.alive.fetch_add(1, Ordering::SeqCst) + 1;
        let kept = Kept(self.alive.clone());
        autograd::attach(&[x], &[&y], move |g| {
            let _ = &kept;
            Ok(vec![g[0].as_ref().map(Tensor::shallow_clone)])
        })?;
        if y.requires_grad() {
            self.most.fetch_max(now, Ordering::SeqCst);
        }
        Ok(y)
    }

    fn forward_with_state(&self, x: &Tensor, _: &State, pass: &Pass) -> Result<(Tensor, State)> {
        Ok((self.forward(x, pass)?, State::new()))
    }

    fn default_state(&self, _: i64) -> Result<State> {
        Ok(State::new())
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        anyhow::bail!("has no steps")
    }
}

/// Blocks whose activations are alive after the forward pass, and at most at one time.
fn alive(activations: Activations) -> (i64, i64) {
    let (alive, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let config = StackConfig { d_model: 2, n_layers: 9, ..StackConfig::default() };
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let stack = Stack::new(&mut store.root(), &config, |_, _| {
        Ok(Box::new(Keeps { alive: alive.clone(), most: most.clone() }))
    });
    let x = normal(5, &[1, 2, 3], Kind::Float).set_requires_grad(true);
    let pass = Pass { activations, ..Pass::train() };
    let stack = stack.unwrap();
    // Alone: a recomputation sets the generator.
    let after_forward = seeded(6, || {
        let y = stack.forward(&x, &pass).unwrap();
        let after_forward = alive.load(Ordering::SeqCst);
        y.square().sum(Kind::Float).backward();
        after_forward
    });
    assert_eq!(alive.load(Ordering::SeqCst), 0, "activations outlive the backward pass");
    (after_forward, most.load(Ordering::SeqCst))
}

#[test]
fn the_activations_of_one_block_at_a_time_are_alive() {
    assert_eq!(alive(Activations::Kept), (9, 9));
    assert_eq!(alive(Activations::Recomputed), (0, 1));
}

#[test]
fn a_part_whose_input_wants_no_gradient_is_computed_once() -> Result<()> {
    let (w, x) = (Tensor::from(2.0f32).set_requires_grad(true), Tensor::from(3.0f32));
    let calls = Arc::new(AtomicI64::new(0));
    let (w2, calls2) = (w.shallow_clone(), calls.clone());
    let y = recomputed(&[&x], move |inputs, _| {
        calls2.fetch_add(1, Ordering::SeqCst);
        Ok(vec![&inputs[0] * &w2])
    })?;
    y[0].backward();
    assert_eq!((w.grad().double_value(&[]), calls.load(Ordering::SeqCst)), (3.0, 1));
    Ok(())
}

#[test]
fn what_goes_wrong_the_second_time_is_told() {
    let x = Tensor::from(3.0f32).set_requires_grad(true);
    let y = recomputed(&[&x], |inputs, again| {
        anyhow::ensure!(!again, "no second time");
        Ok(vec![&inputs[0] * 2.0])
    });
    let error = seeded(6, || y.unwrap()[0].f_backward()).unwrap_err().to_string();
    assert!(error.contains("no second time"), "{error}");
}

#[test]
fn a_generator_replays_and_goes_on() {
    let on = Tensor::zeros([1], (Kind::Float, parity::device()));
    let draw = || Tensor::rand([5], (Kind::Float, on.device()));
    let (first, second, replayed, third, expected) = seeded(6, || {
        let state = GeneratorState::now(&on).unwrap();
        let (first, second) = (draw(), draw());
        let replayed = state.replay(|| Ok((draw(), draw()))).unwrap();
        let third = draw();
        tch::manual_seed(6);
        let expected = [draw(), draw(), draw()];
        (first, second, replayed, third, expected)
    });
    assert!(replayed.0.equal(&first) && replayed.1.equal(&second));
    assert!(third.equal(&expected[2]), "the replay moved the generator");
    // Also where the replay fails.
    let (after, expected) = seeded(7, || {
        let state = GeneratorState::now(&on).unwrap();
        let _ = draw();
        let failed: Result<()> = state.replay(|| {
            let _ = (draw(), draw());
            anyhow::bail!("half way")
        });
        assert!(failed.is_err());
        let after = draw();
        tch::manual_seed(7);
        let _ = draw();
        (after, draw())
    });
    assert!(after.equal(&expected));
}

/// Both options at once: bfloat16 products are rounded alike the second time.
#[test]
fn reduced_precision_is_recomputed_as_it_was() {
    let run = |activations| {
        let (store, stack) = stack(NormKind::Layer, "s4d", true);
        let x = normal(8, &[2, 6, 16], Kind::Float).set_requires_grad(true);
        let pass = Pass { activations, dense: DenseKind::Bfloat16, ..Pass::train() };
        seeded(9, || stack.forward(&x, &pass).unwrap().square().sum(Kind::Float).backward());
        store.parameters().map(|(_, tensor, _)| tensor.grad()).collect::<Vec<_>>()
    };
    let (kept, again) = (run(Activations::Kept), run(Activations::Recomputed));
    assert!(kept.iter().zip(&again).all(|(a, b)| a.equal(b)));
}

//! AdamW: closed forms, fused against plain, saved state.

use anyhow::Result;
use s4_core::params::{Hyper, ParamStore};
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};
use training::optim::{Backend, Optimizer, OptimizerConfig};

/// Shapes of several ranks, one of a single element, and one that is long enough for the fused
/// kernels' vector loops and their remainders. `LONG` is worth several threads.
const SHAPES: [&[i64]; 5] = [&[3, 4], &[7], &[2, 3, 5], &[1], &[4_099]];
const LONG: i64 = 40_001;

/// A model of random tensors in three groups. The same for every call with the same `kind`.
fn store(kind: Kind) -> ParamStore {
    let mut store = ParamStore::new(parity::device(), kind);
    let hypers = [
        Hyper::GLOBAL,
        Hyper::NO_DECAY,
        Hyper { lr: Some(1e-3), weight_decay: Some(0.0) },
        Hyper::GLOBAL,
        Hyper { lr: Some(0.0), weight_decay: None },
    ];
    let mut scope = store.root();
    for (i, (shape, hyper)) in SHAPES.iter().zip(hypers).enumerate() {
        let _ = scope.parameter(&format!("p{i}"), &wave(shape, i as f64), hyper).expect("new name");
    }
    // The long one is trained as well.
    let _ = scope.parameter("long", &wave(&[LONG], 0.3), Hyper::GLOBAL).expect("new name");
    store
}

/// Values in (-1, 1) that are the same on every device: no generator, only sines.
fn wave(shape: &[i64], phase: f64) -> Tensor {
    let n: i64 = shape.iter().product();
    let x = Tensor::arange(n, (Kind::Double, Device::Cpu));
    (x * 1.7 + phase).sin().reshape(shape)
}

/// Sets the gradient of `param` to `grad`.
fn set_grad(param: &Tensor, grad: &Tensor) {
    let grad = grad.to_device(param.device()).to_kind(param.kind());
    (param * grad).sum(param.kind()).backward();
}

/// Gradients of step `t`, of very different sizes.
fn set_grads(store: &mut ParamStore, t: usize) {
    store.zero_grad();
    for (i, (_, param, _)) in store.parameters().enumerate() {
        // 1 gets its first late, and a frozen one none.
        if i == 1 && t < 2 || !param.requires_grad() {
            continue;
        }
        let size = 10f64.powi(i as i32 * 2 - 5);
        set_grad(param, &(wave(&param.size(), t as f64 * 0.37 + i as f64) * size));
    }
}

fn config() -> OptimizerConfig {
    OptimizerConfig { lr: 0.01, weight_decay: 0.05, ..Default::default() }
}

/// Relative L2 distance over all tensors together.
fn distance(a: &StateDict, b: &StateDict) -> f64 {
    let (mut difference, mut norm) = (0.0, 0.0);
    for (name, x) in a.iter() {
        let x = x.to_kind(Kind::Double);
        let y = b.get(name).expect("same names").to_kind(Kind::Double);
        difference += (&x - &y).square().sum(Kind::Double).double_value(&[]);
        norm += x.square().sum(Kind::Double).double_value(&[]);
    }
    (difference / norm).sqrt()
}

/// The update by hand, in plain arithmetic: two steps of one parameter.
#[test]
fn two_steps_by_hand() -> Result<()> {
    for backend in [Backend::Fused, Backend::Plain] {
        let (lr, wd, b1, b2, eps) = (0.1, 0.5, 0.8, 0.9, 1e-3);
        let mut store = ParamStore::new(parity::device(), Kind::Double);
        let _ = store.root().parameter("p", &Tensor::from_slice(&[2.0f64]), Hyper::GLOBAL)?;
        let betas = OptimizerConfig { beta1: b1, beta2: b2, ..OptimizerConfig::default() };
        let config = OptimizerConfig { lr, weight_decay: wd, eps, ..betas };
        let mut optimizer = Optimizer::with_backend(&store, config, backend)?;
        let (mut p, mut m, mut v) = (2.0f64, 0.0f64, 0.0f64);
        for (t, g, factor) in [(1, 3.0, 1.0), (2, -0.5, 0.25)] {
            store.zero_grad();
            set_grad(store.get("p").unwrap(), &Tensor::from_slice(&[g]));
            optimizer.step(factor)?;

            let lr = lr * factor;
            p -= lr * wd * p;
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            let (m_hat, v_hat) = (m / (1.0 - b1.powi(t)), v / (1.0 - b2.powi(t)));
            p -= lr * m_hat / (v_hat.sqrt() + eps);

            let actual = store.get("p").unwrap().double_value(&[0]);
            assert!((actual - p).abs() < 1e-14, "{backend:?} step {t}: {actual}, not {p}");
        }
    }
    Ok(())
}

/// Stochastic gradient descent by hand, as `torch.optim.SGD` has it.
#[test]
fn momentum_by_hand() -> Result<()> {
    let (lr, weight_decay, momentum) = (0.1, 0.5, 0.9);
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let _ = store.root().parameter("p", &Tensor::from_slice(&[2.0f64]), Hyper::GLOBAL)?;
    let config = OptimizerConfig {
        lr,
        weight_decay,
        momentum: Some(momentum),
        ..OptimizerConfig::default()
    };
    let mut optimizer = Optimizer::new(&store, config)?;
    assert!(optimizer.to_string().starts_with("SGD, momentum 0.9"), "{optimizer}");
    let (mut p, mut b) = (2.0f64, 0.0f64);
    for (g, factor) in [(3.0, 1.0), (-0.5, 0.25)] {
        store.zero_grad();
        set_grad(store.get("p").unwrap(), &Tensor::from_slice(&[g]));
        optimizer.step(factor)?;
        b = momentum * b + g + weight_decay * p;
        p -= lr * factor * b;
        let actual = store.get("p").unwrap().double_value(&[0]);
        assert!((actual - p).abs() < 1e-14, "{actual}, not {p}");
    }
    Ok(())
}

/// After one step without decay, eps aside, every element has moved by the rate.
#[test]
fn first_step_moves_by_the_rate() -> Result<()> {
    let mut store = ParamStore::new(parity::device(), Kind::Double);
    let own = Hyper { lr: Some(0.002), weight_decay: None };
    let _ = store.root().parameter("a", &wave(&[5], 0.2), Hyper::GLOBAL)?;
    let _ = store.root().parameter("b", &wave(&[5], 0.4), own)?;
    let before: Vec<Tensor> = store.parameters().map(|(_, p, _)| p.detach().copy()).collect();
    let config = OptimizerConfig { lr: 0.1, weight_decay: 0.0, ..Default::default() };
    let mut optimizer = Optimizer::new(&store, config)?;
    set_grads_all(&store);
    optimizer.step(0.5)?;
    for (((_, after, _), before), rate) in store.parameters().zip(&before).zip([0.05, 0.001]) {
        let moved = (after - before).abs();
        let error = (moved - rate).abs().max().double_value(&[]);
        assert!(error < 1e-8 * rate + 1e-9, "off by {error}");
    }
    Ok(())
}

fn set_grads_all(store: &ParamStore) {
    for (_, param, _) in store.parameters() {
        set_grad(param, &(wave(&param.size(), 1.0) + 2.0));
    }
}

#[test]
fn fused_equals_plain() -> Result<()> {
    // A GPU's two compilers fuse other products and sums: each step may round otherwise.
    let float = if parity::device().is_cuda() { (1e-6, 3e-5) } else { (1e-7, 1e-7) };
    for (kind, (tolerance, state_tolerance)) in
        [(Kind::Float, float), (Kind::Double, (1e-14, 1e-14))]
    {
        let run = |backend| -> Result<(StateDict, StateDict)> {
            let mut store = store(kind);
            let mut optimizer = Optimizer::with_backend(&store, config(), backend)?;
            for t in 0..100 {
                set_grads(&mut store, t);
                optimizer.step(1.0 - t as f64 / 200.0)?;
            }
            Ok((store.state_dict(), optimizer.state_dict()))
        };
        let (fused, fused_state) = run(Backend::Fused)?;
        let (plain, plain_state) = run(Backend::Plain)?;
        let (of_params, of_state) =
            (distance(&plain, &fused), distance(&plain_state, &fused_state));
        println!("{kind:?}: parameters {of_params:e}, state {of_state:e}");
        assert!(of_params <= tolerance, "{kind:?} parameters: {of_params:e}");
        assert!(of_state <= state_tolerance, "{kind:?} state: {of_state:e}");
    }
    Ok(())
}

#[test]
fn frozen_and_gradless_parameters_stay() -> Result<()> {
    for backend in [Backend::Fused, Backend::Plain] {
        let mut store = store(Kind::Float);
        let before: Vec<Tensor> = store.parameters().map(|(_, p, _)| p.detach().copy()).collect();
        let mut optimizer = Optimizer::with_backend(&store, config(), backend)?;
        set_grads(&mut store, 0);
        optimizer.step(1.0)?;
        let moved: Vec<bool> =
            store.parameters().zip(&before).map(|((_, p, _), b)| !p.equal(b)).collect();
        // 1 has no gradient yet, 4 is frozen.
        assert_eq!(moved, [true, false, true, true, false, true], "{backend:?}");
        let state = optimizer.state_dict();
        let step = |name: &str| state.get(name).map(|t| t.int64_value(&[]));
        assert_eq!(
            [step("p0.step"), step("p1.step"), step("p4.step")],
            [Some(1), Some(0), None],
            "{backend:?}"
        );
    }
    Ok(())
}

/// A gradient whose memory order is not the parameter's.
#[test]
fn strided_gradient() -> Result<()> {
    let run = |backend| -> Result<Tensor> {
        let mut store = ParamStore::new(parity::device(), Kind::Double);
        let w = store.root().parameter("w", &wave(&[4, 6], 0.0), Hyper::GLOBAL)?;
        let mut optimizer = Optimizer::with_backend(&store, config(), backend)?;
        for t in 0..3 {
            store.zero_grad();
            let x = wave(&[6, 4], t as f64).to_device(w.device());
            (w.transpose(0, 1) * x).sum(Kind::Double).backward();
            optimizer.step(1.0)?;
        }
        Ok(w.detach())
    };
    assert!(parity::relative_error(&run(Backend::Fused)?, &run(Backend::Plain)?) < 1e-14);
    Ok(())
}

#[test]
fn a_saved_run_continues_bit_for_bit() -> Result<()> {
    for backend in [Backend::Fused, Backend::Plain] {
        let mut whole = store(Kind::Float);
        let mut optimizer = Optimizer::with_backend(&whole, config(), backend)?;
        let mut saved = None;
        for t in 0..20 {
            if t == 9 {
                let model = whole.state_dict().to_safetensors(&[])?;
                saved = Some((model, optimizer.state_dict().to_safetensors(&[])?));
            }
            set_grads(&mut whole, t);
            optimizer.step(1.0)?;
        }
        let (model, state) = saved.expect("step 9 was reached");
        let mut half = store(Kind::Float);
        half.load_state_dict(&StateDict::from_safetensors(&model)?)?;
        let mut optimizer = Optimizer::with_backend(&half, config(), backend)?;
        optimizer.load_state_dict(&StateDict::from_safetensors(&state)?)?;
        for t in 9..20 {
            set_grads(&mut half, t);
            optimizer.step(1.0)?;
        }
        for ((name, a, _), (_, b, _)) in whole.parameters().zip(half.parameters()) {
            assert!(a.equal(b), "{backend:?}: {name} differs");
        }
    }
    Ok(())
}

#[test]
fn state_of_another_model_is_refused() -> Result<()> {
    let mut store = store(Kind::Float);
    let mut optimizer = Optimizer::new(&store, config())?;
    set_grads(&mut store, 2);
    optimizer.step(1.0)?;
    let good = optimizer.state_dict();
    let with = |name: &str, tensor: Tensor| {
        let mut dict: StateDict = good.iter().map(|(n, t)| (n.to_owned(), t.copy())).collect();
        dict.insert(name, tensor);
        dict
    };
    let float = (Kind::Float, Device::Cpu);
    let double = (Kind::Double, Device::Cpu);
    for (dict, message) in [
        (with("p0.exp_avg", Tensor::zeros([4, 3], float)), "p0.exp_avg has shape [4, 3]"),
        (with("p0.exp_avg", Tensor::zeros([3, 4], double)), "p0.exp_avg is Double"),
        (with("p4.exp_avg", Tensor::zeros([1], float)), "p4.exp_avg is not part of"),
        (with("p2.step", Tensor::from(-1i64)), "p2.step is -1"),
        (good.under("p0"), "p0.exp_avg is missing"),
    ] {
        let error = format!("{:#}", optimizer.load_state_dict(&dict).expect_err(message));
        assert!(error.contains(message), "{error}");
        assert_eq!(distance(&good, &optimizer.state_dict()), 0.0);
    }
    Ok(())
}

#[test]
fn misuse_is_reported() -> Result<()> {
    let store = store(Kind::Float);
    let mut optimizer = Optimizer::new(&store, config())?;
    let error = optimizer.step(1.0).expect_err("no gradients").to_string();
    assert!(error.contains("no parameter has a gradient"), "{error}");
    let error = optimizer.step(f64::NAN).expect_err("NaN factor").to_string();
    assert!(error.contains("NaN"), "{error}");
    for bad in [
        OptimizerConfig { lr: -1.0, ..config() },
        OptimizerConfig { beta2: 1.0, ..config() },
        OptimizerConfig { clip_norm: Some(0.0), ..config() },
        OptimizerConfig { clip_value: Some(-1.0), ..config() },
    ] {
        Optimizer::new(&store, bad).expect_err("out of range");
    }
    Ok(())
}

#[test]
fn zero_grad_takes_gradients_away() {
    let mut store = store(Kind::Float);
    set_grads(&mut store, 2);
    assert!(store.parameters().all(|(_, param, _)| param.grad().defined()));
    store.zero_grad();
    assert!(store.parameters().all(|(_, param, _)| !param.grad().defined()));
}

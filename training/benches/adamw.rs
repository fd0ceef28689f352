//! Time of one AdamW step: fused, plain, and tch's own; and of what else touches every gradient.
//!
//! ```text
//! cargo bench -p training --bench adamw --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [FILTER]]
//! ```
//!
//! `S4_TEST_DEVICE=cuda` measures on a GPU. The baseline of the updates is the plain one.

use std::cell::RefCell;

use anyhow::{Context, Result, bail};
use measure::{Bound, Entry, Figure, Measured, Role, Session, Table, Task, Work, significant};
use s4_core::params::{Hyper, ParamStore};
use tch::nn::{self, OptimizerConfig as _};
use tch::{Device, Kind, Tensor};
use training::guard::Guard;
use training::optim::{Backend, Optimizer, OptimizerConfig, clip_grad_norm};

/// Tensors, elements of each, and calls in a run.
const SIZES: [(usize, i64, usize); 2] = [(100, 1_000, 100), (1, 10_000_000, 1)];
/// What is called, and how often an element is read or written in a call.
const CALLS: [(&str, f64); 5] =
    [("plain", 7.0), ("fused", 7.0), ("tch", 7.0), ("clip", 1.0), ("guard", 1.0)];

fn main() -> Result<()> {
    s4_core::heap::keep_freed_pages();
    match measure::role("adamw", &[])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => task.answer(&child(&task)?),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    session.describe("device", format!("{:?}", parity::device()));
    session.measure_bandwidth();
    let mut entries = Vec::new();
    for (tensors, size, calls) in SIZES {
        let name = |what| format!("adamw/{tensors}/{size}/{what}");
        for (what, passes) in CALLS {
            let bytes = 4.0 * passes * tensors as f64 * size as f64 * calls as f64;
            let labels = [tensors.to_string(), size.to_string(), what.to_owned()];
            let entry =
                Entry::new("adamw", labels).work(Work { bound: Bound::Memory, amount: bytes });
            entries.push(if passes > 1.0 { entry.against(name("plain")) } else { entry });
        }
    }
    let table = Table::new("AdamW", &["tensors", "elements", "what"])
        .figures(&[Figure { name: "ms per call", show: significant }])
        .size(None);
    session.table(&table, &entries)?;
    session.finish()
}

fn child(task: &Task) -> Result<Measured> {
    let device = parity::device();
    let [_, tensors, size, what] = task.name().split('/').collect::<Vec<_>>()[..] else {
        bail!("there is no entry {}", task.name());
    };
    let (tensors, size): (usize, i64) = (tensors.parse()?, size.parse()?);
    let known = SIZES.iter().find(|known| (known.0, known.1) == (tensors, size));
    let calls = known.context("there is no such size")?.2;
    let store = store(device, tensors, size)?;
    let update = |backend| -> Result<Box<dyn Fn() -> Result<()>>> {
        let optimizer = Optimizer::with_backend(&store, OptimizerConfig::default(), backend)?;
        let optimizer = RefCell::new(optimizer);
        Ok(Box::new(move || optimizer.borrow_mut().step(1.0)))
    };
    let params: Vec<&Tensor> = store.parameters().map(|(_, tensor, _)| tensor).collect();
    let loss = Tensor::zeros([], (Kind::Float, device));
    // Read every 50 steps.
    let guard = RefCell::new(Guard::new(50)?);
    let call: Box<dyn Fn() -> Result<()>> = match what {
        "fused" => update(Backend::Fused)?,
        "plain" => update(Backend::Plain)?,
        "tch" => tch_update(device, tensors, size)?,
        "clip" => Box::new(|| clip_grad_norm(params.iter().copied(), 1e9).map(drop)),
        "guard" => Box::new(|| guard.borrow_mut().check(0, &loss, &store).map(drop)),
        _ => bail!("there is no entry {}", task.name()),
    };
    let measured = task.time(|| {
        (0..calls).try_for_each(|_| call())?;
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
        Ok(())
    })?;
    let ms = 1e3 * measured.median() / calls as f64;
    Ok(measured.with("ms per call", ms))
}

fn tch_update(device: Device, tensors: usize, size: i64) -> Result<Box<dyn Fn() -> Result<()>>> {
    let vars = nn::VarStore::new(device);
    for i in 0..tensors {
        give_grad(&vars.root().ones(&format!("p{i}"), &[size]));
    }
    let optimizer = RefCell::new(nn::adamw(0.9, 0.999, 0.01).build(&vars, 1e-3)?);
    Ok(Box::new(move || {
        optimizer.borrow_mut().step();
        Ok(())
    }))
}

fn store(device: Device, tensors: usize, size: i64) -> Result<ParamStore> {
    let mut store = ParamStore::new(device, Kind::Float);
    let ones = Tensor::ones([size], (Kind::Float, device));
    for i in 0..tensors {
        give_grad(&store.root().parameter(&format!("p{i}"), &ones, Hyper::GLOBAL)?);
    }
    Ok(store)
}

fn give_grad(param: &Tensor) {
    (param * 0.5).sum(Kind::Float).backward();
}

//! Memory over many optimiser steps. Alone in its process, so that no other test moves the figure.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result};
use s4_core::params::{Hyper, ParamStore};
use tch::{Device, Kind, Tensor};
use training::guard::Guard;
use training::optim::{Backend, Optimizer, OptimizerConfig, clip_grad_norm};

/// Every handle given to libtorch must be freed: 3,000 steps of 50 tensors pass on a million, and
/// one tensor leaked in each step would cost 12 MB.
#[test]
fn memory_stays_flat() -> Result<()> {
    // Tensors this small are faster on one thread, by far where other programs are running.
    tch::set_num_threads(1);
    let mut store = ParamStore::new(parity::device(), Kind::Float);
    let value = Tensor::ones([1_000], (Kind::Float, Device::Cpu));
    for i in 0..50 {
        let param = store.root().parameter(&format!("p{i}"), &value.copy(), Hyper::GLOBAL)?;
        (param * 0.5).sum(Kind::Float).backward();
    }
    let mut optimizer =
        Optimizer::with_backend(&store, OptimizerConfig::default(), Backend::Fused)?;
    let mut guard = Guard::new(10)?;
    let loss = Tensor::zeros([], (Kind::Float, store.device()));
    let mut run = |steps| -> Result<f64> {
        for step in 0..steps {
            guard.check(step, &loss, &store)?;
            clip_grad_norm(optimizer.parameters(), 1.0)?;
            optimizer.step(1.0)?;
        }
        resident_mb()
    };
    let before = run(300)?;
    let after = run(3_000)?;
    println!("resident: {before:.1} MB, then {after:.1} MB");
    assert!(after - before < 8.0, "memory grew from {before:.1} to {after:.1} MB");
    Ok(())
}

fn resident_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kb / 1e3)
}

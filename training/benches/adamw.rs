//! Time of one AdamW step: fused, plain, and tch's own, in one run.
//!
//! `cargo bench -p training --bench adamw --profile dev` (the bench profile would compile torch-sys
//! once more). `S4_TEST_DEVICE=cuda` measures on a GPU.

use std::time::Instant;

use anyhow::Result;
use s4_core::params::{Hyper, ParamStore};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};
use training::optim::{AdamW, AdamWConfig, Backend, clip_grad_norm};

/// Measurements of which the median is taken.
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let device = parity::device();
    println!(
        "one AdamW step on {device:?}, {} threads, median of {ROUNDS}",
        tch::get_num_threads()
    );
    println!("{:<28} {:>12} {:>12}", "", "ms", "x fused");
    for (what, tensors, size, steps) in
        [("100 tensors of 1,000", 100, 1_000, 200), ("1 tensor of 10,000,000", 1, 10_000_000, 3)]
    {
        println!("{what}");
        let mut fused = 0.0;
        for backend in [Backend::Fused, Backend::Plain] {
            let store = store(device, tensors, size)?;
            let mut optimizer = AdamW::with_backend(&store, AdamWConfig::default(), backend)?;
            let ms = time(device, steps, || optimizer.step(1.0))?;
            if backend == Backend::Fused {
                fused = ms;
            }
            row(&format!("{backend:?}"), ms, fused);
        }
        let vars = nn::VarStore::new(device);
        for i in 0..tensors {
            let var = vars.root().ones(&format!("p{i}"), &[size]);
            give_grad(&var);
        }
        let mut optimizer = nn::adamw(0.9, 0.999, 0.01).build(&vars, 1e-3)?;
        let ms = time(device, steps, || {
            optimizer.step();
            Ok(())
        })?;
        row("tch::nn::AdamW", ms, fused);

        let store = store(device, tensors, size)?;
        let params: Vec<&Tensor> = store.parameters().map(|(_, tensor, _)| tensor).collect();
        let ms = time(device, steps, || {
            clip_grad_norm(params.iter().copied(), 1e9)?;
            Ok(())
        })?;
        row("clip_grad_norm", ms, fused);
        let loss = Tensor::zeros([], (Kind::Float, device));
        let mut guard = training::guard::Guard::new(50)?;
        let ms = time(device, steps, || {
            guard.check(0, &loss, &store)?;
            Ok(())
        })?;
        row("guard, read every 50 steps", ms, fused);
    }
    Ok(())
}

fn row(what: &str, ms: f64, fused: f64) {
    println!("  {what:<26} {ms:>12.3} {:>12.2}", ms / fused);
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

/// Milliseconds of one call of `work`, the median over rounds of `steps` calls after one to warm up.
fn time(device: Device, steps: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let wait = || {
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
    };
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        wait();
        let start = Instant::now();
        for _ in 0..steps {
            work()?;
        }
        wait();
        if round > 0 {
            rounds.push(start.elapsed().as_secs_f64() * 1e3 / steps as f64);
        }
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

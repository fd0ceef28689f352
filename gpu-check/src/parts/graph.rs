//! Blocks as CUDA graphs, recorded and replayed: what is left of their time without launches.

use anyhow::{Result, ensure};
use s4_config::Convolution;
use s4_core::autograd::back_propagate;

use s4_core::graph::Graph;
use s4_core::layer::SequenceLayer;
use s4_core::layer::stack::enter;
use tch::{Device, Kind, Tensor};
use training::precision::Precision;

use super::{Setting, row};
use crate::models::Model;
use crate::precision;
use crate::row::Row;

const LENGTH: i64 = 16_384;
/// Kernels may add up in another order.
const ALLOWED: f64 = 1e-3;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    if setting.device == Device::Cpu {
        found(Row::new("blocks").noting("graphs are a GPU's"));
        return Ok(());
    }
    for model in Model::all(256, 64) {
        for batch in [1, 16] {
            let name = format!("{}, {batch} x {LENGTH}, bf16", model.name());
            found(row(name, |row| time(setting, model, batch, row)));
        }
    }
    Ok(())
}

fn time(setting: &Setting, model: Model, batch: i64, row: Row) -> Result<Row> {
    let float = (Kind::Float, setting.device);
    let (store, block) = model.block(Convolution::Auto, float)?;
    let pass = precision::pass(Precision::Bf16);
    let x = Tensor::f_randn([batch, model.channels, LENGTH], float)?;
    let x = enter(&x, &pass, true).set_requires_grad(true);
    let dy = x.f_rand_like()?;
    let mut work = || {
        store.zero_grad();
        if x.grad().defined() {
            let _ = x.grad().zero_();
        }
        back_propagate(&[&block.forward(&x, &pass)?], &[Some(dy.shallow_clone())])
    };
    let launched = setting.clock.ms(&mut work)?;
    let expected = x.grad().copy();
    let (graph, ()) = Graph::record(setting.device, &mut work)?;
    let _ = x.grad().zero_();
    let replayed = setting.clock.ms(|| graph.replay())?;
    let difference = (x.grad() - &expected).norm() / expected.norm();
    let difference = f64::try_from(&difference)?;
    ensure!(difference < ALLOWED, "a replay's gradient differs by {difference:.1e}");
    Ok(row.with("launched, ms", launched).with("replayed, ms", replayed))
}

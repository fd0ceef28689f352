//! Convolutions of sequences (B, H, L).

use anyhow::Result;
use s4_config::KernelMethod;
use s4_core::autograd::back_propagate;
use s4_core::conv::plan::Plan;
use s4_core::conv::{chunked, fft};

use s4_core::layer::stack::enter;
use tch::{Kind, Tensor};
use training::precision::Precision;

use super::{Setting, row};
use crate::models::Model;
use crate::precision;
use crate::row::Row;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, sizes) = setting.sizes();
    for prepared in precision::all(setting.device) {
        let (precision, kind) = prepared?;
        for &(batch, length) in sizes {
            for way in [Plan::Fft, Plan::Chunks(64), Plan::Chunks(128), Plan::Chunks(256)] {
                if way == Plan::Fft && precision != Precision::Float32 {
                    continue;
                }
                for model in &Model::all(channels, states)[1..2] {
                    let name = format!("{}, {way}, {batch} x {length}, {kind}", model.name());
                    let size = (batch, length);
                    found(row(name, |row| time(setting, *model, way, size, precision, row)));
                }
            }
        }
    }
    Ok(())
}

fn time(
    setting: &Setting,
    model: Model,
    way: Plan,
    (batch, length): (i64, i64),
    precision: Precision,
    row: Row,
) -> Result<Row> {
    let (_store, systems) = model.systems(setting.device)?;
    let u = Tensor::f_randn([batch, model.channels, length], (Kind::Float, setting.device))?;
    let u = enter(&u, &precision::pass(precision), true);
    let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
    let (k, mut system) = tch::no_grad(|| -> Result<_> {
        let ssm = systems.ssm(1.0);
        Ok((ssm.kernel(length, KernelMethod::default(), Kind::Float)?, ssm.discretise(length)?))
    })?;
    let k = leaf(&k);
    system.c = leaf(&system.c);
    let convolve = |u: &Tensor| match (way, model.bidirectional) {
        (Plan::Fft, false) => fft::causal(u, &k, None),
        (Plan::Fft, true) => fft::bidirectional(u, &k.narrow(0, 0, 1), &k.narrow(0, 1, 1), None),
        (Plan::Chunks(chunk), false) => chunked::causal(&system, u, None, chunk),
        (Plan::Chunks(chunk), true) => chunked::bidirectional(&system, u, None, chunk),
    };
    let dy = u.f_rand_like()?.unsqueeze(1);
    let step = || back_propagate(&[&convolve(&leaf(&u))?], &[Some(dy.shallow_clone())]);
    setting.both(row, || convolve(&u), step)
}

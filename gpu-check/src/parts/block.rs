//! Whole S4 blocks: kernel, convolution, GELU, map, GLU.

use anyhow::Result;
use s4_config::Convolution;
use s4_core::autograd::back_propagate;

use s4_core::layer::SequenceLayer;
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
        for model in Model::all(channels, states) {
            for &(batch, length) in sizes {
                let name = format!("{}, {batch} x {length}, {kind}", model.name());
                found(row(name, |row| time(setting, model, (batch, length), precision, row)));
            }
        }
    }
    Ok(())
}

fn time(
    setting: &Setting,
    model: Model,
    (batch, length): (i64, i64),
    precision: Precision,
    row: Row,
) -> Result<Row> {
    let float = (Kind::Float, setting.device);
    let (store, block) = model.block(Convolution::Auto, float)?;
    let pass = precision::pass(precision);
    let x = Tensor::f_randn([batch, model.channels, length], float)?;
    let x = enter(&x, &pass, true);
    let dy = x.f_rand_like()?;
    let mut step = || {
        store.zero_grad();
        let x = x.detach().set_requires_grad(true);
        back_propagate(&[&block.forward(&x, &pass)?], &[Some(dy.shallow_clone())])
    };
    let row = setting.both(row, || block.forward(&x, &pass), &mut step)?;
    Ok(match setting.clock.peak_mib(step)? {
        Some(peak) => row.with("peak, MiB", peak),
        None => row,
    })
}

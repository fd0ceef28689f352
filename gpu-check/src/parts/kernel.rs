//! Kernels of a layer from its parameters, and the gradients of these.

use anyhow::Result;
use s4_core::autograd::back_propagate;
use s4_core::kernel::block_powers;
use s4_core::ssm::powers::Powers;
use s4_core::ssm::transition::Transition;
use tch::{Kind, Tensor};

use super::{Setting, row};
use crate::models::Model;
use crate::row::Row;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, lengths): (_, _, &[i64]) =
        if setting.quick { (16, 16, &[256]) } else { (256, 64, &[1024, 16_384]) };
    for model in Model::all(channels, states) {
        for chunk in [128, 256] {
            found(row(format!("{}, tables for chunks of {chunk}", model.name()), |row| {
                tables(setting, model, chunk, row)
            }));
        }
        for &length in lengths {
            found(row(format!("{}, L = {length}", model.name()), |row| {
                time(setting, model, length, row)
            }));
        }
    }
    Ok(())
}

/// What a convolution in chunks needs of the parameters.
fn tables(setting: &Setting, model: Model, chunk: i64, row: Row) -> Result<Row> {
    let (store, systems) = model.systems(setting.device)?;
    let tables = || Powers::new(&systems.discrete(1.0, chunk)?, chunk, Kind::Float);
    let forward = setting.clock.ms(|| tch::no_grad(|| tables().map(drop)))?;
    let with_backward = setting.clock.ms(|| {
        store.zero_grad();
        let Powers { columns, rows, taps, carry } = tables()?;
        let carry = match carry {
            Transition::Diagonal(rotation) => rotation.re,
            carry => carry.dense(),
        };
        let all = [&columns, &rows, &taps, &carry];
        back_propagate(&all, &all.map(|x| Some(x.ones_like())))
    })?;
    Ok(row.with("forward, ms", forward).with("with backward, ms", with_backward))
}

fn time(setting: &Setting, model: Model, length: i64, row: Row) -> Result<Row> {
    let (store, systems) = model.systems(setting.device)?;
    let kernel = || -> Result<Tensor> {
        Ok(block_powers::kernel(&systems.discrete(1.0, length)?, length, Kind::Float))
    };
    let step = || {
        store.zero_grad();
        kernel()?.sum(Kind::Float).f_backward()?;
        Ok(())
    };
    setting.both(row, kernel, step)
}

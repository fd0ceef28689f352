//! Kernels of a layer from its parameters, and the gradients of these.

use anyhow::Result;
use s4_core::kernel::KernelMethod;
use tch::Kind;

use super::{Setting, row};
use crate::models::Model;
use crate::row::Row;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, lengths): (_, _, &[i64]) =
        if setting.quick { (16, 16, &[256]) } else { (256, 64, &[1024, 16_384]) };
    for model in Model::all(channels, states) {
        for &length in lengths {
            found(row(format!("{}, L = {length}", model.name()), |row| {
                time(setting, model, length, row)
            }));
        }
    }
    Ok(())
}

fn time(setting: &Setting, model: Model, length: i64, row: Row) -> Result<Row> {
    let (mut store, systems) = model.systems(setting.device)?;
    let kernel = || systems.ssm(1.0).kernel(length, KernelMethod::default(), Kind::Float);
    let forward = setting.clock.ms(|| tch::no_grad(|| kernel().map(drop)))?;
    let backward = setting.clock.ms(|| {
        store.zero_grad();
        kernel()?.sum(Kind::Float).f_backward()?;
        Ok(())
    })?;
    Ok(row.with("forward, ms", forward).with("with backward, ms", backward))
}

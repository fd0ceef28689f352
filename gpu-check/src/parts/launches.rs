//! How many operations a layer dispatches: what small layers cost on a GPU.

use anyhow::Result;
use s4_config::{Convolution, KernelMethod};

use s4_core::dispatched::{Dispatched, count};

use s4_core::layer::{Pass, SequenceLayer};
use tch::{Kind, Tensor};

use super::{Setting, row};
use crate::models::Model;
use crate::row::Row;

/// Operations that are named, the most frequent ones.
const NAMED: usize = 8;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, length) = if setting.quick { (8, 16, 2048) } else { (256, 64, 16_384) };
    for model in Model::all(channels, states) {
        found(row(format!("kernel of {}", model.name()), |row| {
            let (_store, systems) = model.systems(setting.device)?;
            let kernel = || systems.ssm(1.0).kernel(length, KernelMethod::default(), Kind::Float);
            counts(kernel, row)
        }));
        for (convolution, way) in [
            (Convolution::Auto, "as it comes"),
            (Convolution::Fft, "by FFT"),
            (Convolution::Chunked, "in chunks"),
        ] {
            found(row(format!("block of {}, {way}", model.name()), |row| {
                let float = (Kind::Float, setting.device);
                let (_store, block) = model.block(convolution, float)?;
                let x = Tensor::f_randn([1, channels, length], float)?.set_requires_grad(true);
                counts(|| block.forward(&x, &Pass::train()), row)
            }));
        }
    }
    Ok(())
}

/// Without a tape, and with one and the backward pass.
fn counts(run: impl Fn() -> Result<Tensor>, row: Row) -> Result<Row> {
    drop(run()?); // what is made once
    let (result, forward) = count(|| tch::no_grad(|| run().map(drop)))?;
    result?;
    let (result, both) = count(|| -> Result<()> {
        run()?.f_sum(Kind::Float)?.f_backward()?;
        Ok(())
    })?;
    result?;
    Ok(row
        .with("forward", forward.total() as f64)
        .with("with backward", both.total() as f64)
        .noting(frequent(&both)))
}

fn frequent(dispatched: &Dispatched) -> String {
    let all = dispatched.by_frequency();
    let some = all
        .iter()
        .take(NAMED)
        .map(|(name, count)| format!("{} {count}", name.trim_start_matches("aten::")));
    some.collect::<Vec<_>>().join(", ")
}

//! Convolutions of sequences (B, H, L).

use anyhow::{Result, bail};
use s4_core::conv::{chunked, fft};
use s4_core::kernel::KernelMethod;
use s4_core::layer::Pass;
use s4_core::layer::stack::enter;
use tch::{Kind, Tensor};
use training::precision::Precision;

use super::{Setting, row};
use crate::models::Model;
use crate::precision;
use crate::row::Row;

const CHUNK: i64 = 128;

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, sizes): (_, _, &[(i64, i64)]) = if setting.quick {
        (16, 16, &[(2, 256)])
    } else {
        (256, 64, &[(1, 16_384), (16, 16_384), (64, 1024)])
    };
    for (precision, kind) in precision::ALL {
        // The products of a convolution are not bfloat16's.
        if precision == Precision::Bf16 || !precision::prepare(precision, setting.device)? {
            continue;
        }
        for &(batch, length) in sizes {
            for way in ["fft", "chunked"] {
                if way == "fft" && precision != Precision::Float32 {
                    continue;
                }
                for model in &Model::all(channels, states)[..2] {
                    let name = format!("{}, {way}, {batch} x {length}, {kind}", model.name());
                    found(row(name, |row| time(setting, *model, way, (batch, length), row)));
                }
            }
        }
    }
    Ok(())
}

fn time(
    setting: &Setting,
    model: Model,
    way: &str,
    (batch, length): (i64, i64),
    row: Row,
) -> Result<Row> {
    let (_store, systems) = model.systems(setting.device)?;
    let u = Tensor::f_randn([batch, model.channels, length], (Kind::Float, setting.device))?;
    let u = enter(&u, &Pass::train(), false);
    let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
    let (k, mut system) = tch::no_grad(|| -> Result<_> {
        let ssm = systems.ssm(1.0);
        Ok((ssm.kernel(length, KernelMethod::default(), Kind::Float)?, ssm.discretise(length)?))
    })?;
    let k = leaf(&k);
    system.c = leaf(&system.c);
    let convolve = |u: &Tensor| match (way, model.bidirectional) {
        ("fft", false) => fft::causal(u, &k, None),
        ("fft", true) => fft::bidirectional(u, &k.narrow(0, 0, 1), &k.narrow(0, 1, 1), None),
        ("chunked", false) => chunked::causal(&system, u, None, CHUNK),
        ("chunked", true) => chunked::bidirectional(&system, u, None, CHUNK),
        _ => bail!("there is no way {way}"),
    };
    let forward = setting.clock.ms(|| tch::no_grad(|| convolve(&u).map(drop)))?;
    let dy = Tensor::f_ones([batch, 1, model.channels, length], (Kind::Float, setting.device))?;
    let backward = setting.clock.ms(|| {
        let u = leaf(&u);
        let y = convolve(&u)?;
        Tensor::f_run_backward(&[(&y * &dy).sum(Kind::Float)], &[&u], false, false)?;
        Ok(())
    })?;
    Ok(row.with("forward, ms", forward).with("with backward, ms", backward))
}

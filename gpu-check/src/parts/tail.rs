//! What follows the convolution in a residual block: GELU, map, GLU, sum, norm; one operation after
//! the other, and within a block.

use anyhow::Result;
use s4_core::conv::plan::Convolution;
use s4_core::layer::SequenceLayer;
use s4_core::layer::activation::Activation;
use s4_core::layer::linear::Linear;
use s4_core::layer::norm::{Norm, NormKind};
use s4_core::layer::residual::Residual;
use s4_core::layer::stack::enter;
use s4_core::params::{Hyper, ParamStore};
use tch::{Kind, Tensor};

use super::{Setting, row};
use crate::models::{Model, NO_DROPOUT};
use crate::precision;
use crate::row::Row;

const NORMS: [(NormKind, &str); 2] =
    [(NormKind::Batch, "batch norm"), (NormKind::Layer, "layer norm")];

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, batch, length) =
        if setting.quick { (16, 16, 2, 256) } else { (256, 64, 16, 16_384) };
    for (precision, kind) in precision::ALL {
        if !precision::prepare(precision, setting.device)? {
            continue;
        }
        let float = (Kind::Float, setting.device);
        let pass = precision::pass(precision);
        let x = enter(&Tensor::f_randn([batch, channels, length], float)?, &pass, true);
        for (norm, norm_name) in NORMS {
            found(row(format!("operations, {norm_name}, {kind}"), |row| {
                let mut store = ParamStore::new(setting.device, Kind::Float);
                let mut scope = store.root();
                let map =
                    Linear::new(&mut scope.sub("map"), channels, 2 * channels, Hyper::GLOBAL)?;
                let norm = Norm::new(&mut scope.sub("norm"), norm, channels, Hyper::GLOBAL)?;
                let tail = |y: &Tensor| {
                    let y = map.forward_in(&Activation::Gelu.forward(y), precision.dense());
                    Ok(norm.forward(&(&x + y.f_glu(1)?), true))
                };
                time(setting, store, &x, tail, row)
            }));
            found(row(format!("S4 block in residual form, {norm_name}, {kind}"), |row| {
                let model = Model { diagonal: false, bidirectional: true, channels, states };
                let (mut store, block) = model.block(Convolution::Auto, float)?;
                let norm = Norm::new(&mut store.root().sub("norm"), norm, channels, Hyper::GLOBAL)?;
                let block = Residual::new(Box::new(block), norm, true, NO_DROPOUT);
                time(setting, store, &x, |x| block.forward(x, &pass), row)
            }));
        }
    }
    Ok(())
}

fn time(
    setting: &Setting,
    mut store: ParamStore,
    x: &Tensor,
    run: impl Fn(&Tensor) -> Result<Tensor>,
    row: Row,
) -> Result<Row> {
    let dy = x.f_rand_like()?;
    let forward = setting.clock.ms(|| tch::no_grad(|| run(x).map(drop)))?;
    let backward = setting.clock.ms(|| {
        store.zero_grad();
        let x = x.detach().set_requires_grad(true);
        run(&x)?.f_mul(&dy)?.f_sum(Kind::Float)?.f_backward()?;
        Ok(())
    })?;
    Ok(row.with("forward, ms", forward).with("with backward, ms", backward))
}

//! What follows the convolution in a residual block: GELU, map and GLU, norm; each alone, and all of
//! the block together.

use anyhow::Result;
use s4_config::{Activation, Convolution, NormKind};
use s4_core::autograd::back_propagate;
use s4_core::layer::activation::activate;

use s4_core::layer::SequenceLayer;

use s4_core::layer::glu::linear_glu;
use s4_core::layer::norm::Norm;
use s4_core::layer::residual::Residual;
use s4_core::layer::stack::enter;
use s4_core::params::{Hyper, ParamStore};
use tch::{Device, Kind, Tensor};

use super::{Setting, row};
use crate::models::{Model, NO_DROPOUT};
use crate::precision;
use crate::row::Row;

const NORMS: [(NormKind, &str); 2] =
    [(NormKind::Batch, "batch norm"), (NormKind::Layer, "layer norm")];

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, batch, length) =
        if setting.quick { (16, 16, 2, 256) } else { (256, 64, 16, 16_384) };
    for prepared in precision::all(setting.device) {
        let (precision, kind) = prepared?;
        let pass = precision::pass(precision);
        let float = (Kind::Float, setting.device);
        let x = Tensor::f_randn([batch, channels, length], float)?;
        let x = enter(&x, &pass, true);
        found(row(format!("GELU, {kind}"), |row| {
            let store = ParamStore::new(setting.device, Kind::Float);
            time(setting, &store, &x, |x| Ok(activate(Activation::Gelu, x)), row)
        }));
        found(row(format!("map and GLU, {kind}"), |row| {
            let mut store = ParamStore::new(setting.device, Kind::Float);
            let mut scope = store.root();
            let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)) * 0.1;
            let weight =
                scope.parameter("weight", &draw(&[2 * channels, channels]), Hyper::GLOBAL)?;
            let bias = scope.parameter("bias", &draw(&[2 * channels]), Hyper::GLOBAL)?;
            time(setting, &store, &x, |x| Ok(linear_glu(x, &weight, &bias)), row)
        }));
        for (norm, norm_name) in NORMS {
            found(row(format!("{norm_name}, {kind}"), |row| {
                let mut store = ParamStore::new(setting.device, Kind::Float);
                let norm = Norm::new(&mut store.root(), norm, channels, Hyper::GLOBAL)?;
                time(setting, &store, &x, |x| Ok(norm.forward(x, true)), row)
            }));
            found(row(format!("S4 block, residual, {norm_name}, {kind}"), |row| {
                let model = Model { diagonal: false, bidirectional: true, channels, states };
                let (mut store, block) = model.block(Convolution::Auto, float)?;
                let norm = Norm::new(&mut store.root().sub("norm"), norm, channels, Hyper::GLOBAL)?;
                let block = Residual::new(Box::new(block), norm, true, NO_DROPOUT);
                time(setting, &store, &x, |x| block.forward(x, &pass), row)
            }));
        }
    }
    Ok(())
}

fn time(
    setting: &Setting,
    store: &ParamStore,
    x: &Tensor,
    run: impl Fn(&Tensor) -> Result<Tensor>,
    row: Row,
) -> Result<Row> {
    let dy = x.f_rand_like()?;
    let step = || {
        store.zero_grad();
        let x = x.detach().set_requires_grad(true);
        back_propagate(&[&run(&x)?], &[Some(dy.shallow_clone())])
    };
    setting.both(row, || run(x), step)
}

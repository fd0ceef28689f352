//! Convolution, chunks and steps are one function on this device too: outputs and gradients of a
//! block against the same block in float64 on the CPU.

use anyhow::Result;
use s4_config::Convolution;

use s4_core::layer::{Pass, SequenceLayer};
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};
use training::precision::Precision;

use super::{Setting, row};
use crate::models::Model;
use crate::precision;
use crate::row::Row;

/// Relative errors that are allowed of outputs and of gradients.
const FLOAT32: (f64, f64) = (5e-6, 1e-4);
/// With 10 or 7 bits of mantissa in products.
const ROUNDED: (f64, f64) = (2e-2, 1e-1);

/// Outputs, and all gradients by name.
struct Found {
    y: Tensor,
    gradients: Vec<(String, Tensor)>,
}

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (channels, states, batch, length) =
        if setting.quick { (4, 16, 2, 300) } else { (32, 64, 3, 2000) };
    for prepared in precision::all(setting.device) {
        let (precision, kind) = prepared?;
        let allowed = if precision == Precision::Float32 { FLOAT32 } else { ROUNDED };
        for model in Model::all(channels, states) {
            let reference = compute(
                model,
                Convolution::Fft,
                &Pass::train(),
                (Kind::Double, Device::Cpu),
                (batch, length),
            )?;
            for (convolution, way) in [
                (Convolution::Auto, "as it comes"),
                (Convolution::Fft, "by FFT"),
                (Convolution::Chunked, "in chunks"),
            ] {
                found(row(format!("{}, {way}, {kind}", model.name()), |row| {
                    let float = (Kind::Float, setting.device);
                    let pass = precision::pass(precision);
                    let same = compute(model, convolution, &pass, float, (batch, length))?;
                    Ok(compare(&same, &reference, allowed, row))
                }));
            }
            if !model.bidirectional && precision == Precision::Float32 {
                found(row(format!("{}, step by step, {kind}", model.name()), |row| {
                    let some = length.min(200);
                    let y = steps(model, setting.device, (batch, length), some)?;
                    let same = Found { y, gradients: Vec::new() };
                    let y = reference.y.narrow(-1, 0, some);
                    Ok(compare(&same, &Found { y, gradients: Vec::new() }, allowed, row))
                }));
            }
        }
    }
    Ok(())
}

/// The input, always the same: sines of many frequencies.
fn input(model: Model, (kind, device): (Kind, Device), (batch, length): (i64, i64)) -> Tensor {
    let n = Tensor::arange(batch * model.channels * length, (Kind::Double, Device::Cpu));
    let x = (&n * 0.7 + (&n * 0.013).sin() * 3.0).sin();
    x.reshape([batch, model.channels, length]).to_kind(kind).to_device(device)
}

fn compute(
    model: Model,
    convolution: Convolution,
    pass: &Pass,
    options: (Kind, Device),
    size: (i64, i64),
) -> Result<Found> {
    let (store, block) = model.block(convolution, options)?;
    let x = input(model, options, size).set_requires_grad(true);
    let y = block.forward(&x, pass)?;
    // A functional that weighs each output in another way.
    y.f_mul(&x.detach().cos())?.f_sum(options.0)?.f_backward()?;
    let mut gradients: Vec<_> =
        store.parameters().map(|(name, t, _)| (name.to_owned(), t.grad())).collect();
    gradients.push(("input".to_owned(), x.grad()));
    Ok(Found { y: y.detach(), gradients })
}

/// The first `some` outputs by the recurrence.
fn steps(model: Model, device: Device, size: (i64, i64), some: i64) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let options = (Kind::Float, device);
    let (_store, block) = model.block(Convolution::Auto, options)?;
    let mut state = block.default_state(size.0)?;
    let stepper = block.stepper(StepMode::Linear, 1.0)?;
    let mut outputs = Vec::new();
    for x in input(model, options, size).narrow(-1, 0, some).unbind(-1) {
        let (y, next) = stepper.step(&x, &state);
        outputs.push(y);
        state = next;
    }
    Ok(Tensor::stack(&outputs, -1))
}

fn compare(found: &Found, expected: &Found, allowed: (f64, f64), row: Row) -> Row {
    let y = error(&found.y, &expected.y);
    let row = row.with("output", y);
    let worst = found
        .gradients
        .iter()
        .zip(&expected.gradients)
        .map(|((name, found), (_, expected))| (error(found, expected), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let failed = |row: Row, what: &str, error: f64, allowed: f64| {
        row.failing(format!("{what}: {error:.1e}, where {allowed:.0e} is allowed"))
    };
    if y.is_nan() || y > allowed.0 {
        return failed(row, "output", y, allowed.0);
    }
    match worst {
        None => row,
        Some((worst, name)) if worst <= allowed.1 => {
            row.with("worst gradient", worst).noting(format!("of {name}"))
        }
        Some((worst, name)) => failed(row, &format!("gradient of {name}"), worst, allowed.1),
    }
}

/// ‖found - expected‖ / ‖expected‖.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    if !found.defined() {
        return f64::NAN;
    }
    let real = |x: &Tensor| {
        let x = if x.is_complex() { x.view_as_real() } else { x.shallow_clone() };
        x.detach().to_device(Device::Cpu).to_kind(Kind::Double)
    };
    let (found, expected) = (real(found), real(expected));
    let norm = expected.norm().double_value(&[]);
    (found - expected).norm().double_value(&[]) / norm.max(f64::MIN_POSITIVE)
}

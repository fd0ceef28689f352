//! Whether the model that is stepped is the model that was trained: the convolution against the
//! recurrence.

use anyhow::{Result, ensure};
use models::Network;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_core::layer::Pass;
use s4_core::recurrence::StepMode;
use s4_stream::{Model, Precision};
use tch::{Kind, Tensor};

/// The largest difference in log p that passes: what float32 may make of the same weights.
pub const TOLERANCE: f64 = 1e-4;
/// The same for weights that were rounded to integers of 16 bits.
pub const TOLERANCE_INT16: f64 = 1e-3;
/// The same for scores by `model.logistics`: distributions down to a tenth of a level wide make a thousand times as
/// much of the last bits of a mean.
pub const TOLERANCE_LEVELS: f64 = 1e-2;
/// Codes of sound that the check runs over: a second.
pub const LENGTH: usize = 16_000;

/// The largest difference in log p between convolution and libtorch's recurrence over `len` random
/// codes, the last `steps` of which are stepped, from the state that a convolution over the others
/// left.
///
/// # Errors
/// If `steps` is not less than `len`, or the model is bidirectional.
pub fn of_tensors(model: &Network, levels: usize, len: usize, steps: usize) -> Result<f64> {
    ensure!(0 < steps && steps < len, "{steps} of {len} codes cannot be stepped");
    let _guard = tch::no_grad_guard();
    let stepper = model.stepper(StepMode::Linear, 1.0)?;
    let codes = random(levels, len);
    let codes = Tensor::f_from_slice(&codes)?.f_to_device(model.device())?.unsqueeze(0);
    let stride = model.stride();
    let (len, first) = (len as i64, (len - steps) as i64 / stride * stride);
    let mut state = model.default_state(1)?;
    if first > 0 {
        let beginning = codes.narrow(1, 0, first);
        state = model.forward_with_state(&beginning, &state, &Pass::eval())?.1;
    }
    let mut stepped = Vec::new();
    for at in first..len {
        let scores;
        (scores, state) = stepper.step(&codes.select(1, at), &state)?;
        stepped.push(scores);
    }
    let convolved = model.forward(&codes, &Pass::eval())?.narrow(1, first, len - first);
    Ok(largest_difference(&convolved, &Tensor::stack(&stepped, 1)))
}

/// The same between convolution and the streaming engine, which steps all of the codes.
///
/// # Errors
/// If one of the two cannot compute them.
pub fn of_engine(model: &Network, engine: &Model, len: usize) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let codes = random(engine.outputs(), len);
    let mut stepping = engine.engine(1)?;
    let mut stepped = Vec::with_capacity(len * engine.outputs());
    for &code in &codes {
        stepped.extend_from_slice(stepping.step(&[code as u32])?);
    }
    let stepped = Tensor::f_from_slice(&stepped)?.f_view([1, len as i64, -1])?;
    let convolved = model.forward(&Tensor::f_from_slice(&codes)?.unsqueeze(0), &Pass::eval())?;
    Ok(largest_difference(&convolved, &stepped))
}

/// Refuses a model whose recurrence is not its convolution over `len` codes (at least 2) of `levels`, as
/// exactly as the engine's precision allows.
///
/// # Errors
/// With the difference and what it may come from.
pub fn check(model: &Network, engine: Option<&Model>, levels: usize, len: usize) -> Result<()> {
    let difference = match engine {
        Some(engine) => of_engine(model, engine, len)?,
        // libtorch's steps are slow: the last ones have to do.
        None => of_tensors(model, levels, len, (2 * model.stride() as usize).min(len - 1))?,
    };
    let (tolerance, rounding) = match engine.map(Model::precision) {
        Some(Precision::Int16) => {
            let tolerance = if model.scores_levels() { TOLERANCE_LEVELS } else { TOLERANCE_INT16 };
            (tolerance, ", or int16 too coarse for them")
        }
        Some(Precision::Float32) | None if model.scores_levels() => (TOLERANCE_LEVELS, ""),
        Some(Precision::Float32) | None => (TOLERANCE, ""),
    };
    ensure!(
        difference <= tolerance,
        "convolution and recurrence of this model differ by {difference:.1e} in log p after \
         {len} codes (at most {tolerance:e} passes), so what it generates would not be what \
         was trained: its recurrence is unstable (of sound, `sashimi stability` tells), or its weights are \
         damaged{rounding}; --no-check generates all the same"
    );
    Ok(())
}

fn random(levels: usize, len: usize) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..len).map(|_| rng.random_range(0..levels as i64)).collect()
}

/// Between the logarithms of two rows of probabilities, from their scores.
fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let log_p = |scores: &Tensor| scores.log_softmax(-1, Kind::Double);
    (log_p(a) - log_p(b)).abs().max().double_value(&[])
}

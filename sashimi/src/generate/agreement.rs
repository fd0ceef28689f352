//! Whether the model that is stepped is the model that was trained: the convolution against the
//! recurrence.

use anyhow::{Result, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_core::layer::Pass;
use s4_core::recurrence::StepMode;
use tch::{Kind, Tensor};

use crate::model::CodeModel;

/// The largest difference in log p that passes.
pub const TOLERANCE: f64 = 1e-4;
/// Codes that the check runs over.
pub const LENGTH: i64 = 16_000;

/// The largest difference in log p between convolution and recurrence over `len` random codes, the
/// last `steps` of which are stepped, from the state that a convolution over the others left.
///
/// # Errors
/// If `steps` is not less than `len`, or the model is bidirectional.
pub fn difference(model: &CodeModel, codes: i64, len: i64, steps: i64) -> Result<f64> {
    ensure!(0 < steps && steps < len, "{steps} of {len} codes cannot be stepped");
    let _guard = tch::no_grad_guard();
    let stepper = model.stepper(StepMode::Linear)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let drawn: Vec<i64> = (0..len).map(|_| rng.random_range(0..codes)).collect();
    let input = Tensor::f_from_slice(&drawn)?.f_to_device(stepper.device())?.unsqueeze(0);
    let by_convolution = model.forward(&input, None, &Pass::eval())?; // (1, L, K)

    let first = (len - steps) / model.stride() * model.stride();
    let mut state = model.default_state(1)?;
    if first > 0 {
        let _ = model.forward(&input.narrow(1, 0, first), Some(&mut state), &Pass::eval())?;
    }
    let stepped: Vec<Tensor> =
        (first..len).map(|at| stepper.step(&input.select(1, at), &mut state)).collect();
    let log_p = |scores: &Tensor| scores.log_softmax(-1, Kind::Double);
    let by_convolution = by_convolution.narrow(1, first, len - first);
    let difference = log_p(&by_convolution) - log_p(&Tensor::stack(&stepped, 1));
    Ok(difference.abs().max().double_value(&[]))
}

/// Refuses a model whose recurrence is not its convolution.
///
/// # Errors
/// With the difference and what it may come from.
pub fn check(model: &CodeModel, codes: i64) -> Result<()> {
    let difference = difference(model, codes, LENGTH, 2 * model.stride())?;
    ensure!(
        difference <= TOLERANCE,
        "convolution and recurrence of this model differ by {difference:.1e} in log p after \
         {LENGTH} samples (at most {TOLERANCE:e} passes), so what it generates would not be what \
         was trained: its recurrence is unstable (`sashimi stability` tells), or its weights are \
         damaged; --no-check generates all the same"
    );
    Ok(())
}

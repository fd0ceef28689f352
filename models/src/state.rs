//! What can be done with any network's state.

use s4_core::layer::State;
use tch::{Kind, Tensor};

/// The state of one sequence as that of `batch` equal ones.
pub fn repeated(state: &State, batch: i64) -> State {
    let repeated = state.iter().map(|tensor| match tensor.dim() {
        // A position, or nothing at all.
        0 => tensor.shallow_clone(),
        _ if tensor.numel() == 0 => tensor.shallow_clone(),
        _ => tensor.repeat_interleave_self_int(batch, 0, None),
    });
    repeated.collect()
}

/// The largest root mean square of any tensor of a state; infinite where one holds a NaN.
pub fn level(state: &State) -> f64 {
    let filled = state.iter().filter(|tensor| tensor.is_floating_point() && tensor.numel() > 0);
    let levels = filled.map(|tensor: &Tensor| {
        let mean = tensor.square().mean(Kind::Double).double_value(&[]);
        if mean.is_nan() { f64::INFINITY } else { mean.sqrt() }
    });
    levels.fold(0.0, f64::max)
}

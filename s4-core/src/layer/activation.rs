//! Nonlinearities.

use s4_config::Activation;
use tch::Tensor;

/// Applies a pointwise nonlinearity: GELU by the error function.
pub fn activate(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Gelu => x.gelu("none"),
        Activation::Relu => x.relu(),
        Activation::Silu => x.silu(),
        Activation::Tanh => x.tanh(),
        Activation::Id => x.shallow_clone(),
    }
}

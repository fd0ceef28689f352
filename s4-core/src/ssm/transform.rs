//! Maps between a positive quantity (Δ, -Re A, -Im A) and the unconstrained number that stands for it
//! in training: elementwise, differentiable; they keep shape, kind and device.

use s4_config::Transform;
use tch::Tensor;

/// The smallest value that a parameter starts from, and what `relu` adds. Some initialisations
/// contain zeros (a frequency, the damping of `fourier`), whose logarithm does not exist.
const FLOOR: f64 = 1e-4;

/// The quantity that the stored number `p` stands for.
pub fn forward(transform: Transform, p: &Tensor) -> Tensor {
    match transform {
        Transform::None => p.shallow_clone(),
        Transform::Exp => p.exp(),
        Transform::Relu => p.relu() + FLOOR,
        Transform::Sigmoid => p.sigmoid(),
        Transform::Softplus => p.softplus(),
    }
}

/// The number to store for an initial quantity `x`, raised to 1e-4 first where it is smaller,
/// whatever the transform. (`relu` does not take back the 1e-4 that it adds, as in the official
/// code.) With `sigmoid`, `x` must be below 1: there is no finite answer otherwise.
pub fn inverse(transform: Transform, x: &Tensor) -> Tensor {
    let x = x.clamp_min(FLOOR);
    match transform {
        Transform::None | Transform::Relu => x,
        Transform::Exp => x.log(),
        Transform::Sigmoid => x.logit(None),
        // log(eˣ - 1) without overflow for large x, and exact for small ones.
        Transform::Softplus => &x + (-(-&x).expm1()).log(),
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    const ALL: [Transform; 5] =
        [Transform::None, Transform::Exp, Transform::Relu, Transform::Sigmoid, Transform::Softplus];

    #[test]
    fn forward_undoes_inverse() {
        let x = Tensor::from_slice(&[1e-4, 1e-3, 0.05, 0.3, 0.999]);
        for transform in ALL {
            let expected =
                if transform == Transform::Relu { &x + FLOOR } else { x.shallow_clone() };
            let error = forward(transform, &inverse(transform, &x)) / expected - 1.0;
            assert!(error.abs().max().double_value(&[]) < 1e-12, "{transform:?}");
        }
    }

    #[test]
    fn inverse_raises_small_values_first() {
        let x = Tensor::from_slice(&[-1.0, 0.0, 1e-6]);
        for transform in ALL {
            let floor = inverse(transform, &Tensor::from_slice(&[FLOOR; 3]));
            assert_eq!(inverse(transform, &x), floor, "{transform:?}");
        }
    }

    #[test]
    fn softplus_does_not_overflow() {
        let x = Tensor::from_slice(&[1000f32]);
        assert_eq!(inverse(Transform::Softplus, &x).double_value(&[0]), 1000.0);
        assert_eq!(forward(Transform::Softplus, &x).kind(), Kind::Float);
    }

    /// d forward(p) / dp against a central difference.
    #[test]
    fn forward_is_differentiable() {
        for transform in ALL {
            let p = Tensor::from_slice(&[-1.3, 0.4, 2.1]).set_requires_grad(true);
            forward(transform, &p).sum(Kind::Double).backward();
            let gradient = p.grad();
            let p = p.detach();
            let h = 1e-6;
            let difference =
                (forward(transform, &(&p + h)) - forward(transform, &(&p - h))) / (2.0 * h);
            let error = (gradient - difference).abs().max().double_value(&[]);
            assert!(error < 1e-8, "{transform:?}: {error:e}");
        }
    }
}

//! Maps between a positive quantity and the unconstrained number that stands for it in training.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// The smallest value that a parameter starts from, and what `relu` adds. Some initialisations
/// contain zeros (a frequency, the damping of `fourier`), whose logarithm does not exist.
const FLOOR: f64 = 1e-4;

/// How a positive quantity (Δ, -Re A, -Im A) is stored. Both directions are elementwise,
/// differentiable, and keep shape, kind and device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As it is; it may turn negative in training.
    None,
    /// Its logarithm.
    #[default]
    Exp,
    /// As it is, cut off at 0, plus 1e-4.
    Relu,
    /// Its logit: the quantity stays in (0, 1).
    Sigmoid,
    /// log(eˣ - 1).
    Softplus,
}

impl Transform {
    /// The quantity that the stored number `p` stands for.
    pub fn forward(self, p: &Tensor) -> Tensor {
        match self {
            Transform::None => p.shallow_clone(),
            Transform::Exp => p.exp(),
            Transform::Relu => p.relu() + FLOOR,
            Transform::Sigmoid => p.sigmoid(),
            Transform::Softplus => p.softplus(),
        }
    }

    /// The number to store for an initial quantity `x`, raised to 1e-4 first where it is smaller,
    /// whatever the transform. (`relu` does not take back the 1e-4 that it adds, as in the
    /// official code.) With `sigmoid`, `x` must be below 1: there is no finite answer otherwise.
    pub fn inverse(self, x: &Tensor) -> Tensor {
        let x = x.clamp_min(FLOOR);
        match self {
            Transform::None | Transform::Relu => x,
            Transform::Exp => x.log(),
            Transform::Sigmoid => x.logit(None),
            // log(eˣ - 1) without overflow for large x, and exact for small ones.
            Transform::Softplus => &x + (-(-&x).expm1()).log(),
        }
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
            let error = transform.forward(&transform.inverse(&x)) / expected - 1.0;
            assert!(error.abs().max().double_value(&[]) < 1e-12, "{transform:?}");
        }
    }

    #[test]
    fn inverse_raises_small_values_first() {
        let x = Tensor::from_slice(&[-1.0, 0.0, 1e-6]);
        for transform in ALL {
            let floor = transform.inverse(&Tensor::from_slice(&[FLOOR; 3]));
            assert_eq!(transform.inverse(&x), floor, "{transform:?}");
        }
    }

    #[test]
    fn softplus_does_not_overflow() {
        let x = Tensor::from_slice(&[1000f32]);
        assert_eq!(Transform::Softplus.inverse(&x).double_value(&[0]), 1000.0);
        assert_eq!(Transform::Softplus.forward(&x).kind(), Kind::Float);
    }

    /// d forward(p) / dp against a central difference.
    #[test]
    fn forward_is_differentiable() {
        for transform in ALL {
            let p = Tensor::from_slice(&[-1.3, 0.4, 2.1]).set_requires_grad(true);
            transform.forward(&p).sum(Kind::Double).backward();
            let gradient = p.grad();
            let p = p.detach();
            let h = 1e-6;
            let difference =
                (transform.forward(&(&p + h)) - transform.forward(&(&p - h))) / (2.0 * h);
            let error = (gradient - difference).abs().max().double_value(&[]);
            assert!(error < 1e-8, "{transform:?}: {error:e}");
        }
    }
}

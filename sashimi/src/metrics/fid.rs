//! Fréchet distance of two sets of features, taken as normal distributions (Heusel et al. 2017).

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::probabilities::number;

/// Mean and covariance of features (n, d).
#[derive(Debug)]
pub struct Moments {
    /// (d)
    mean: Tensor,
    /// R (min(n, d), d), of which RᵀR is the covariance (with n - 1).
    root: Tensor,
}

impl Moments {
    /// Of features (n, d).
    ///
    /// # Errors
    /// If there are fewer than two.
    pub fn of(features: &Tensor) -> Result<Self> {
        ensure!(
            features.dim() == 2 && features.size()[0] >= 2,
            "a covariance needs at least two sounds, got features {:?}",
            features.size()
        );
        let x = features.to_kind(Kind::Double);
        let mean = x.mean_dim([0i64].as_slice(), false, None);
        let (_, r) = Tensor::linalg_qr(&(x - &mean), "r");
        Ok(Self { mean, root: r / (features.size()[0] as f64 - 1.0).sqrt() })
    }

    /// The distance, at least 0 up to rounding: |μ₁ - μ₂|² + tr(S₁ + S₂ - 2 (S₁S₂)^½).
    ///
    /// The trace of the root is the sum of the singular values of R₁R₂ᵀ: real however few samples
    /// there are, where a root of S₁S₂ may be complex.
    pub fn distance(&self, other: &Self) -> f64 {
        let squares = |x: &Tensor| number(&x.square().sum(None));
        let product = self.root.matmul(&other.root.tr());
        let (_, singular, _) = product.svd(true, false);
        squares(&(&self.mean - &other.mean)) + squares(&self.root) + squares(&other.root)
            - 2.0 * number(&singular.sum(None))
    }
}

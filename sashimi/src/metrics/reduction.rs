//! Fewer dimensions for features.

use anyhow::Result;
use tch::Tensor;

/// Features by their `most` principal components in `reference` (n, d), where there are more: a
/// covariance of many dimensions needs many sounds.
pub struct Reduction(Option<(Tensor, Tensor)>);

impl Reduction {
    /// Of features (n, d).
    ///
    /// # Errors
    /// If they cannot be decomposed.
    pub fn of(reference: &Tensor, most: i64) -> Result<Self> {
        let dimensions = reference.size()[1];
        if dimensions <= most {
            return Ok(Self(None));
        }
        let mean = reference.mean_dim([0i64].as_slice(), true, None);
        let x = reference - &mean;
        // Eigenvalues come in ascending order.
        let (_, vectors) = x.tr().matmul(&x).f_linalg_eigh("L")?;
        Ok(Self(Some((mean, vectors.narrow(1, dimensions - most, most)))))
    }

    /// The components of `features` (n, d).
    pub fn apply(&self, features: &Tensor) -> Tensor {
        match &self.0 {
            None => features.shallow_clone(),
            Some((mean, vectors)) => (features - mean).matmul(vectors),
        }
    }
}

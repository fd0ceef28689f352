//! From an SSM to its convolution kernel `K[l] = c Āˡ b̄`, three ways.
//!
//! * [`naive`]: the sum as it is written, one step after the other. The oracle.
//! * the papers' way: [`cauchy`] for S4 (truncated generating function at the roots of unity,
//!   Woodbury identity, inverse FFT), [`vandermonde`] for S4D.
//! * [`block_powers`]: two tables of √L powers and one small matrix product. The default; faster
//!   than both, exact to rounding at every length.

pub mod block_powers;
mod carried;
pub mod cauchy;
pub mod naive;
pub mod vandermonde;

use anyhow::Result;
use s4_config::KernelMethod;
use tch::{Kind, Tensor};

use crate::ssm::Ssm;
use crate::ssm::discrete::{DiscreteSsm, check_length};

impl Ssm {
    /// The first `len` values of the kernels, (C, H, len) in `kind`, differentiable in every
    /// parameter.
    ///
    /// # Errors
    /// If `len` is not positive or the discretisation does not fit the matrix.
    pub fn kernel(&self, len: i64, method: KernelMethod, kind: Kind) -> Result<Tensor> {
        check_length(len)?;
        self.kernel_of(&self.discretise(len)?, len, method, kind)
    }

    /// As [`Ssm::kernel`], where the discretisation for `len` is at hand.
    ///
    /// # Errors
    /// If the method does not fit the matrix.
    pub fn kernel_of(
        &self,
        discrete: &DiscreteSsm,
        len: i64,
        method: KernelMethod,
        kind: Kind,
    ) -> Result<Tensor> {
        match method {
            KernelMethod::BlockPowers => Ok(block_powers::kernel(discrete, len, kind)),
            KernelMethod::Naive => Ok(naive::kernel(discrete, len, kind)),
            KernelMethod::Paper if self.p.is_some() => cauchy::kernel(self, discrete, len, kind),
            KernelMethod::Paper => vandermonde::kernel(discrete, len, kind),
        }
    }
}

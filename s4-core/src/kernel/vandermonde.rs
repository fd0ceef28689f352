//! S4D's kernel as in the paper (Gu et al. 2022, eq. 7): K = 2 Re((c ∘ b̄) V), V_nl = exp(l log Ā_n)
//! a Vandermonde matrix of size (H, N/2, L).

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use crate::ssm::discrete::{DiscreteSsm, complex_columns, complex_rows};
use crate::ssm::transition::Transition;

/// The kernels (C, H, len) in `kind`.
///
/// # Errors
/// If A is not diagonal.
pub fn kernel(discrete: &DiscreteSsm, len: i64, kind: Kind) -> Result<Tensor> {
    let Transition::Diagonal(rotation) = &discrete.a else {
        bail!("the Vandermonde product needs a diagonal A");
    };
    let log_a = Tensor::complex(&rotation.re, &rotation.im).log(); // (H, N/2)
    let weight = complex_rows(&discrete.c) * complex_columns(&discrete.b); // (C, H, N/2)
    let complex_kind = if kind == Kind::Double { Kind::ComplexDouble } else { Kind::ComplexFloat };
    let steps = Tensor::arange(len, (Kind::Double, log_a.device()));
    // The phase l·Im log Ā is formed in float64: it reaches thousands of radians.
    let vandermonde = (log_a.unsqueeze(-1) * steps).to_kind(complex_kind).exp(); // (H, N/2, L)
    let k = weight.to_kind(complex_kind).unsqueeze(-2).matmul(&vandermonde); // (C, H, 1, L)
    Ok(k.squeeze_dim(-2).real().to_kind(kind))
}

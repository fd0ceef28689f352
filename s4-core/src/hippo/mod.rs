//! HiPPO: state matrices that remember.
//!
//! 1. A state z(t) of N numbers is to summarise the past of an input u. HiPPO (Gu et al. 2020)
//!    takes them as the coefficients of the past, seen under a *measure*, in an orthogonal basis:
//!    Legendre polynomials on all of the past, a Fourier basis on a sliding window, …. The best
//!    coefficients then obey a linear equation, z' = A z + B u, and [`transition()`] gives its A
//!    and B.
//! 2. These A are far from normal, so diagonalising them is hopeless numerically. But a few rows P
//!    repair that: A + PᵀP is a multiple of the identity plus a skew-symmetric matrix (S4, Gu et
//!    al. 2022). [`rank_correction`] gives P.
//! 3. Such a matrix has orthonormal eigenvectors V, in conjugate pairs, of which one each is kept:
//!    A = V (diag(W) - P P*) V* in the coordinates that [`nplr()`] returns. S4 starts from this
//!    form; S4D drops P (S4D, Gu et al. 2022).
//!
//! Everything here is in float64 on the CPU: it runs once, when a model is made.

mod nplr;
mod transition;

pub use nplr::{Nplr, nplr};
pub use transition::{rank_correction, transition};

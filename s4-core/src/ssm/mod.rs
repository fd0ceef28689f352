//! State space models: parameters, constraints, discretisation.
//!
//! A layer has H independent systems (one a channel) of N states each, kept as N/2 conjugate
//! pairs:
//!
//! ```text
//! z' = A z + b u,   y = 2 Re(c z),   A = Λ          (S4D)
//!                                    A = Λ - P P*   (S4, diagonal plus low rank)
//! ```
//!
//! [`parameters`] holds what is trained and under which name, [`Ssm`] the continuous-time system
//! that the parameters stand for, [`discrete`] its discretisation.
//!
//! Everything of size H·N is computed in float64: the powers Āˡ of a length-16,384 kernel amplify
//! a rounding error in Ā by l, and at this size double precision costs nothing. Only what has the
//! size of the sequence is in the model's own kind.

mod bilinear;
pub mod discrete;
pub mod init;
pub mod krylov;
pub mod low_rank;
pub mod minimal;
pub mod parameters;
pub mod powers;
pub mod system;
pub mod transform;
pub mod transition;

use s4_config::{Discretisation, Transform};
use tch::{Kind, Tensor};

/// For the test that compiles them.
pub(crate) fn gpu_kernels() -> Vec<cuda::Kernel> {
    let sizes =
        [(2, 1, Kind::Double), (64, 0, Kind::Float), (64, 1, Kind::Float), (128, 2, Kind::Float)];
    sizes
        .into_iter()
        .flat_map(|(states, rank, kind)| {
            let form = system::Form {
                dt_transform: Transform::Softplus,
                dt_fast: states == 2,
                real_transform: Transform::Exp,
                imag_transform: Transform::None,
                zoh: rank == 0,
            };
            let system = system::kernels(states, rank, kind, form, states == 2);
            powers::kernels(states, rank, 4 + 2 * rank, kind).into_iter().chain(system)
        })
        .collect()
}

/// H continuous-time systems of N/2 conjugate pairs, in float64.
#[derive(Debug)]
pub struct Ssm {
    /// Step size Δ, (H, 1), or (H, N/2) with a step of its own for every pair.
    pub dt: Tensor,
    /// Diagonal Λ, (H, N/2) complex.
    pub a: Tensor,
    /// Input vector, (H, N/2) complex.
    pub b: Tensor,
    /// Output vectors, (C, H, N/2) complex.
    pub c: Tensor,
    /// Low-rank term P of S4, (R, H, N/2) complex; A = Λ - Σ_r P_r P_r*.
    pub p: Option<Tensor>,
    /// How it is discretised. With a low-rank term: bilinear.
    pub disc: Discretisation,
    /// `Some(l)`: `c` holds the official code's C̃ = (I - Āˡ)ᵀ C, which is undone on use.
    pub c_tilde_length: Option<i64>,
}

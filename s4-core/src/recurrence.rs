//! An SSM as a recurrence: x' = Ā x + b̄ u, y = c x', one step at a time.
//!
//! Shapes: B batch, H channels, N real states, C outputs a channel.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::ssm::discrete::DiscreteSsm;
use crate::ssm::transition::Transition;

/// How a step is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepMode {
    /// Exact and O(N): elementwise for S4D, through the low-rank structure for S4.
    #[default]
    Linear,
    /// A full N x N product, O(N²).
    Dense,
    /// S4 in the eigenbasis of Ā, O(N), with the state kept in complex128: the eigenvectors of
    /// HiPPO-LegS have a condition number of 10⁸, and float32 would be off by tens of percent.
    /// For comparison with the official code.
    Diagonal,
}

/// A discretised system ready to be stepped.
#[derive(Debug)]
pub struct Recurrence {
    form: Form,
    b: Tensor,
    c: Tensor,
}

#[derive(Debug)]
enum Form {
    Real(Transition),
    /// Ā = V diag(λ) V⁻¹, complex; the state is V⁻¹ x.
    Modal {
        lambda: Tensor,
        v: Tensor,
        v_inverse: Tensor,
        kind: Kind,
    },
}

impl Recurrence {
    /// Prepares steps in `kind`. Runs under the caller's gradient mode: wrap it in
    /// `tch::no_grad_guard` to generate.
    ///
    /// # Errors
    /// If the eigendecomposition fails.
    pub fn new(ssm: &DiscreteSsm, mode: StepMode, kind: Kind) -> Result<Self> {
        let (b, c) = (ssm.b.to_kind(kind), ssm.c.to_kind(kind));
        let form = match (mode, &ssm.a) {
            (StepMode::Dense, a) => Form::Real(Transition::Dense(a.dense().to_kind(kind))),
            (StepMode::Linear, a) | (_, a @ Transition::Diagonal(_)) => Form::Real(a.to_kind(kind)),
            (StepMode::Diagonal, a) => return Self::modal(&a.dense(), ssm, kind),
        };
        Ok(Self { form, b, c })
    }

    fn modal(a: &Tensor, ssm: &DiscreteSsm, kind: Kind) -> Result<Self> {
        let (lambda, v) = a.f_linalg_eig()?;
        let v_inverse = Tensor::f_linalg_inv(&v)?;
        let complex = |x: &Tensor| x.to_kind(Kind::ComplexDouble);
        let b = v_inverse.matmul(&complex(&ssm.b).unsqueeze(-1)).squeeze_dim(-1);
        let c = complex(&ssm.c).unsqueeze(-2).matmul(&v).squeeze_dim(-2);
        Ok(Self { b, c, form: Form::Modal { lambda, v, v_inverse, kind } })
    }

    /// The state before any input: zeros (B, H, N), on the parameters' device.
    pub fn default_state(&self, batch: i64) -> Tensor {
        let size = self.b.size();
        Tensor::zeros([batch, size[0], size[1]], (self.b.kind(), self.b.device()))
    }

    /// A state in real coordinates (B, H, N) as this mode keeps it.
    pub fn state_from_real(&self, x: &Tensor) -> Tensor {
        match &self.form {
            Form::Modal { v_inverse, .. } => {
                v_inverse.matmul(&x.to_kind(v_inverse.kind()).unsqueeze(-1)).squeeze_dim(-1)
            }
            _ => x.shallow_clone(),
        }
    }

    /// A state of this mode in real coordinates (B, H, N).
    pub fn state_to_real(&self, x: &Tensor) -> Tensor {
        match &self.form {
            Form::Modal { v, kind, .. } => {
                v.matmul(&x.unsqueeze(-1)).squeeze_dim(-1).real().to_kind(*kind)
            }
            _ => x.shallow_clone(),
        }
    }

    /// One step: input u (B, H) and state (B, H, N) give the output (B, C, H) and the next state.
    pub fn step(&self, u: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let drive = &self.b * u.unsqueeze(-1);
        let next = drive
            + match &self.form {
                Form::Real(a) => a.apply(state),
                Form::Modal { lambda, .. } => lambda * state,
            };
        let y = (&self.c * next.unsqueeze(1)).sum_dim_intlist([-1i64].as_slice(), false, None);
        let y = match &self.form {
            Form::Modal { kind, .. } => y.real().to_kind(*kind),
            _ => y,
        };
        (y, next)
    }
}

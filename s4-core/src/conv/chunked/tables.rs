//! The matrices of one chunk length, differentiable in the system.

use tch::{Kind, Tensor};

use crate::ssm::discrete::DiscreteSsm;
use crate::ssm::krylov::krylov;
use crate::ssm::transition::Transition;

/// Matrices for chunks of T inputs.
pub struct Tables {
    /// Impulse response from T - 1 steps ahead to T - 1 steps back, (C, H, 2T - 1).
    pub taps: Tensor,
    /// Āʲ b̄, (H, N, T).
    pub input: Tensor,
    /// What the state in front of a chunk adds to its outputs: c Āʲ⁺¹ for output j, (C, H, N, T).
    pub output: Tensor,
    /// The same of the state behind a chunk, where half of the outputs look ahead:
    /// c Ā^{T-1-j}.
    pub ahead: Option<Tensor>,
    /// Āᵀ in float64.
    pub carry: Transition,
}

impl Tables {
    /// For outputs that look back, in the kind of the sequences.
    pub fn causal(ssm: &DiscreteSsm, skip: Option<&Tensor>, chunk: i64, kind: Kind) -> Self {
        Self::new(ssm, ssm.c.size()[0], skip, chunk, kind)
    }

    /// For outputs whose second half looks ahead.
    pub fn bidirectional(ssm: &DiscreteSsm, skip: Option<&Tensor>, chunk: i64, kind: Kind) -> Self {
        Self::new(ssm, ssm.c.size()[0] / 2, skip, chunk, kind)
    }

    /// The first `back` of the outputs look back.
    fn new(ssm: &DiscreteSsm, back: i64, skip: Option<&Tensor>, chunk: i64, kind: Kind) -> Self {
        let input = ssm.columns(chunk, kind); // (H, N, T)
        let carry = ssm.a.full_power(chunk);
        // c Āᵏ⁺¹ for k < T, as columns.
        let transposed = ssm.a.transposed();
        let powers = krylov(&transposed, &transposed.apply(&ssm.c), chunk, kind); // (C, H, N, T)
        let output = powers.narrow(0, 0, back);

        // K[k] = c Āᵏ b̄ for k < T.
        let c = ssm.c.to_kind(kind);
        let kernel = c.unsqueeze(-2).matmul(&input).squeeze_dim(-2); // (C, H, T)
        let mut past = kernel.narrow(0, 0, back);
        if let Some(skip) = skip {
            let now = past.narrow(-1, 0, 1) + skip.unsqueeze(-1);
            past = Tensor::cat(&[now, past.narrow(-1, 1, chunk - 1)], -1);
        }
        let (taps, ahead) = if back == ssm.c.size()[0] {
            (past.constant_pad_nd([chunk - 1, 0]), None)
        } else {
            let future = kernel.narrow(0, back, back).narrow(-1, 0, chunk - 1).flip([-1]);
            // c Āᵏ for k < T, from the largest k on.
            let (c, powers) = (c.narrow(0, back, back), powers.narrow(0, back, back));
            let ahead =
                Tensor::cat(&[c.unsqueeze(-1), powers.narrow(-1, 0, chunk - 1)], -1).flip([-1]);
            (Tensor::cat(&[future, past], -1), Some(ahead))
        };
        Self { taps, input, output, ahead, carry }
    }
}

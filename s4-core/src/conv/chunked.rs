//! Convolution chunk by chunk: within a chunk of T inputs a T x T Toeplitz matrix, between chunks
//! the state,
//!
//! ```text
//! y_m = Toeplitz(K[0..T]) u_m + (c Āᵇ⁺¹)_b s_m,      s_{m+1} = Āᵀ s_m + X u_m,
//! ```
//!
//! with X = (Ā^{T-1} b̄, …, b̄). Cost linear in L, no FFT, and the state comes for free.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::fft::output_rows;
use crate::kernel::block_powers;
use crate::ssm::discrete::DiscreteSsm;

/// Inputs u (B, H, L) and initial state s (B, H, N) give outputs (B, C, H, L) and the final state
/// (B, H, N), in chunks of `chunk` inputs.
///
/// # Errors
/// If `chunk` is not positive.
pub fn convolve(
    ssm: &DiscreteSsm,
    u: &Tensor,
    state: &Tensor,
    chunk: i64,
) -> Result<(Tensor, Tensor)> {
    ensure!(chunk >= 1, "chunks need at least one element, got {chunk}");
    let len = *u.size().last().expect("u has three dimensions");
    let whole = len / chunk * chunk;
    let mut outputs = Vec::new();
    let mut state = state.shallow_clone();
    if whole > 0 {
        let tables = Tables::new(ssm, chunk, u.kind());
        for piece in u.narrow(-1, 0, whole).split(chunk, -1) {
            let (y, next) = tables.advance(&piece, &state);
            outputs.push(y);
            state = next;
        }
    }
    if whole < len {
        let tables = Tables::new(ssm, len - whole, u.kind());
        let (y, next) = tables.advance(&u.narrow(-1, whole, len - whole), &state);
        outputs.push(y);
        state = next;
    }
    Ok((Tensor::cat(&outputs, -1), state))
}

/// What one chunk length needs.
struct Tables {
    /// (C, H, T, T): row t, column j holds K[t - j].
    toeplitz: Tensor,
    /// c Āᵇ⁺¹, (C, H, T, N).
    output: Tensor,
    /// X, (H, N, T).
    input: Tensor,
    /// Āᵀ, (H, N, N).
    carry: Tensor,
}

impl Tables {
    fn new(ssm: &DiscreteSsm, chunk: i64, kind: Kind) -> Self {
        let kernel = block_powers::kernel(ssm, chunk, kind); // (C, H, T)
        // Windows of (0, …, 0, K[0], …, K[T-1]) reversed: window t read backwards is row t.
        let padded = kernel.constant_pad_nd([chunk - 1, 0]);
        let toeplitz = padded.unfold(-1, chunk, 1).flip([-1]);
        Self {
            toeplitz,
            output: output_rows(ssm, chunk).to_kind(kind),
            input: ssm.columns(chunk).flip([-1]).to_kind(kind),
            carry: ssm.a.power(chunk).dense().to_kind(kind),
        }
    }

    fn advance(&self, u: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let product = |pattern: &str, table: &Tensor, x: &Tensor| {
            Tensor::einsum(pattern, &[table, x], None::<i64>)
        };
        let y = product("chtj,bhj->bcht", &self.toeplitz, u)
            + product("chtn,bhn->bcht", &self.output, state);
        let next =
            product("hmn,bhn->bhm", &self.carry, state) + product("hnj,bhj->bhn", &self.input, u);
        (y, next)
    }
}

//! Convolution chunk by chunk: within a chunk of T inputs a T x T Toeplitz matrix, between chunks
//! the state,
//!
//! ```text
//! y_m = Toeplitz(K[0..T]) u_m + (c Āᵇ⁺¹)_b s_m,      s_{m+1} = Āᵀ s_m + X u_m,
//! ```
//!
//! with X = (Ā^{T-1} b̄, …, b̄). Cost linear in L, no FFT, no long kernel, and the state comes for
//! free. A second half that looks ahead is the same in the mirror: its Toeplitz matrix shares the
//! first one's product, and its states run from the end.
//!
//! * `tables`: the matrices, from the discrete system.
//! * `product`: their products with a sequence, and the transposed ones.
//! * `scan`: the states.
//!
//! Shapes: B batch, H channels, L length, T chunk, M chunks, C outputs a channel, N states.

mod product;
pub mod scan;
mod tables;

use anyhow::{Result, ensure};
use tch::Tensor;

use crate::ssm::discrete::DiscreteSsm;
use product::product;
use tables::Tables;

/// Inputs u (B, H, L) and initial state s (B, H, N) give outputs (B, C, H, L) and the final state
/// (B, H, N), in chunks of `chunk` inputs. A skip (C, H), if given, adds D u.
///
/// # Errors
/// If `chunk` is not positive.
pub fn convolve(
    ssm: &DiscreteSsm,
    u: &Tensor,
    state: &Tensor,
    skip: Option<&Tensor>,
    chunk: i64,
) -> Result<(Tensor, Tensor)> {
    check(chunk)?;
    let tables = Tables::new(ssm, skip, chunk, 1, u.kind())?;
    let (y, last) = product(&tables, u, Some(state))?;
    // `last` is the state in front of the last chunk, which need not be full.
    let len = u.size()[2];
    let rest = len - (len - 1) / chunk * chunk;
    let kind = state.kind();
    let tail = u.narrow(-1, len - rest, rest).permute([1, 0, 2]).to_kind(kind); // (H, B, r)
    let input = tables.input.narrow(1, chunk - rest, rest).to_kind(kind); // (H, r, N): Ā^{r-1-j} b̄
    let last = last.permute([1, 2, 0]); // (H, N, B)
    let power = if rest == chunk { tables.carry } else { ssm.a.power(rest) };
    let carried = power.to_kind(kind).apply_columns(&last);
    Ok((y, carried.permute([2, 0, 1]) + tail.bmm(&input).transpose(0, 1)))
}

/// As [`convolve`], from the zero state and without a final one.
///
/// # Errors
/// If `chunk` is not positive.
pub fn causal(ssm: &DiscreteSsm, u: &Tensor, skip: Option<&Tensor>, chunk: i64) -> Result<Tensor> {
    check(chunk)?;
    Ok(product(&Tables::new(ssm, skip, chunk, 1, u.kind())?, u, None)?.0)
}

/// The first half of the outputs looks back, the second half ahead, from the next input on:
/// (B, C/2, H, L), the sum of both. Skip (C/2, H).
///
/// # Errors
/// If `chunk` is not positive.
pub fn bidirectional(
    ssm: &DiscreteSsm,
    u: &Tensor,
    skip: Option<&Tensor>,
    chunk: i64,
) -> Result<Tensor> {
    check(chunk)?;
    Ok(product(&Tables::new(ssm, skip, chunk, 2, u.kind())?, u, None)?.0)
}

fn check(chunk: i64) -> Result<()> {
    ensure!(chunk >= 1, "a chunk needs at least one element, got {chunk}");
    Ok(())
}

/// For the test that compiles them.
pub(crate) fn gpu_kernels() -> Vec<cuda::Kernel> {
    use tch::Kind::{BFloat16, Double, Float};
    let scans = [
        (true, 6, 1, Double, Double),
        (true, 64, 4, Float, Double),
        (true, 64, 4, Float, Float),
        (true, 64, 1, BFloat16, Float),
        (true, 64, 4, BFloat16, Float),
        (true, 128, 2, BFloat16, Float),
        (false, 64, 1, Float, Double),
    ];
    let scans =
        scans.map(|(dense, n, groups, kind, real)| scan::kernel(dense, n, groups, kind, real));
    let tables = [(64, 2, Float, BFloat16), (6, 1, Double, Double)];
    let tables = tables.map(|(n, d, exact, kind)| tables::kernels((n, d), exact, kind));
    scans.into_iter().chain(tables.into_iter().flatten()).collect()
}

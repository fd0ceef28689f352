//! Convolution with a long kernel by FFT, and what an initial state adds to it.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::autograd;
use crate::kernel::block_powers::block_shape;
use crate::ssm::discrete::{DiscreteSsm, rows};
use crate::ssm::transition::Squares;

/// `y[t] = Σ_j k[j] u[t - j]`: inputs u (B, H, L) and kernels k (C, H, K) give (B, C, H, L). A skip
/// (C, H), if given, adds D u.
///
/// # Errors
/// If there is not enough memory for the spectra.
pub fn causal(u: &Tensor, k: &Tensor, skip: Option<&Tensor>) -> Result<Tensor> {
    let (len, taps) = (last(u), last(k));
    circular(u, k, skip, fft_size(len + taps - 1))
}

/// A causal convolution plus an anti-causal one:
/// `y[t] = Σ_j k[j] u[t - j] + Σ_j r[j] u[t + 1 + j]`.
///
/// The reversed kernel starts one step ahead, as in the official code: the present belongs to the
/// causal half alone. Shapes and skip as in [`causal`], `reversed` as `k`.
///
/// # Errors
/// If there is not enough memory for the spectra.
pub fn bidirectional(
    u: &Tensor,
    k: &Tensor,
    reversed: &Tensor,
    skip: Option<&Tensor>,
) -> Result<Tensor> {
    let (len, taps) = (last(u), last(k));
    let size = fft_size(len + taps);
    // Tap j of the reversed kernel sits at index -1 - j of the circle.
    let circle =
        k.constant_pad_nd([0, size - taps]) + reversed.flip([-1]).constant_pad_nd([size - taps, 0]);
    circular(u, &circle, skip, size)
}

/// c Āᵗ⁺¹ s for t < `len`: what an initial state s (B, H, N) adds to the output, (B, C, H, len).
pub fn state_response(ssm: &DiscreteSsm, state: &Tensor, len: i64) -> Tensor {
    let kind = state.kind();
    let (log_stride, count) = block_shape(len);
    let mut squares = Squares::new(&ssm.a);
    let first = ssm.a.apply(&state.to_kind(Kind::Double)); // Ā s
    let columns = squares.krylov(&first.unsqueeze(-1), 1 << log_stride).to_kind(kind); // (B, H, N, T)
    let mut strides = squares.from(log_stride).transposed();
    let rows = rows(&mut strides, &ssm.c, count).to_kind(kind); // (C, H, M, N)
    let blocks = rows.unsqueeze(0).matmul(&columns.unsqueeze(1)); // (B, C, H, M, T)
    blocks.flatten(-2, -1).narrow(-1, 0, len)
}

/// Āᴸ s + Σ_l Ā^{L-1-l} b̄ u_l: the state (B, H, N) after the inputs u (B, H, L).
///
/// Chunks of T inputs are condensed to one state each, and those are summed as a binary tree, so
/// neither a kernel per state nor a chain of L steps is needed.
pub fn final_state(ssm: &DiscreteSsm, state: &Tensor, u: &Tensor) -> Tensor {
    let kind = u.kind();
    let len = last(u);
    let (log_chunk, count) = block_shape(len);
    let chunk = 1 << log_chunk;
    // Zeros in front of the first input change nothing.
    let padded = u.constant_pad_nd([chunk * count - len, 0]);
    let (batch, channels) = (u.size()[0], u.size()[1]);
    let chunks = padded.view([batch, channels, count, chunk]);
    let mut squares = Squares::new(&ssm.a);
    let columns = squares.krylov(&ssm.b.unsqueeze(-1), chunk);
    let columns = columns.flip([-1]).to_kind(kind); // (H, N, T): Ā^{T-1-j} b̄
    let mut states = chunks.matmul(&columns.transpose(-1, -2)).transpose(-1, -2); // (B, H, N, M)
    let mut level = log_chunk;
    while last(&states) > 1 {
        let m = last(&states);
        let even = states.constant_pad_nd([m % 2, 0]).unflatten(-1, [(m + 1) / 2, 2]);
        let (earlier, later) = (even.select(-1, 0), even.select(-1, 1));
        states = squares.nth(level).to_kind(kind).apply_columns(&earlier) + later;
        level += 1;
    }
    let carried = squares.power(len).to_kind(kind).apply(state);
    carried + states.squeeze_dim(-1)
}

/// The circular convolution of `size`, with a backward pass of its own: autograd would go back
/// through each transform by a complex one of full size.
fn circular(u: &Tensor, k: &Tensor, skip: Option<&Tensor>, size: i64) -> Result<Tensor> {
    let guard = tch::no_grad_guard();
    let (len, taps) = (last(u), last(k));
    let rfft = |x: &Tensor| x.f_fft_rfft(size, -1, "backward");
    let spectrum_u = rfft(&u.detach())?.unsqueeze(1); // (B, 1, H, F)
    let mut spectrum_k = rfft(&k.detach())?; // (C, H, F)
    if let Some(skip) = skip {
        // A tap at 0 has the same amplitude at every frequency.
        let _ = spectrum_k.g_add_(&skip.detach().unsqueeze(-1));
    }
    let irfft = move |x: &Tensor, len| -> Result<Tensor> {
        Ok(x.f_fft_irfft(size, -1, "backward")?.narrow(-1, 0, len))
    };
    let y = irfft(&(&spectrum_u * &spectrum_k), len)?;
    drop(guard);
    let inputs = [Some(u), Some(k), skip];
    let inputs: Vec<_> = inputs.into_iter().flatten().collect();
    let count = inputs.len();
    autograd::attach(&inputs, &[&y], move |gradients| {
        let [Some(g)] = gradients else { anyhow::bail!("one output has one gradient") };
        let spectrum = g.f_fft_rfft(size, -1, "backward")?; // (B, C, H, F)
        // Correlations: the other factor's spectrum conjugated.
        let of_u = &spectrum * spectrum_k.conj_physical();
        let of_u = irfft(&sum(&of_u, 1), len)?;
        // Σ_b Ĝ Û* as the conjugate of Σ_b Ĝ* Û, in place.
        let _ = spectrum.shallow_clone().conj_physical_().g_mul_(&spectrum_u);
        let of_k = sum(&spectrum, 0).conj_physical();
        let of_k = irfft(&of_k, taps)?;
        let of_skip = of_k.select(-1, 0);
        Ok([of_u, of_k, of_skip].into_iter().take(count).map(Some).collect())
    })?;
    Ok(y)
}

/// Along a dimension; a copy only where there is something to add.
fn sum(x: &Tensor, dim: i64) -> Tensor {
    match x.size()[dim as usize] {
        1 => x.select(dim, 0),
        _ => x.sum_dim_intlist([dim].as_slice(), false, None),
    }
}

/// The smallest even size >= `at_least` whose only prime factors are 2, 3 and 5.
pub fn fft_size(at_least: i64) -> i64 {
    let mut best = i64::MAX;
    let mut five = 1;
    while five < 2 * at_least {
        let mut three = five;
        while three < 2 * at_least {
            let mut size = 2 * three;
            while size < at_least {
                size *= 2;
            }
            best = best.min(size);
            three *= 3;
        }
        five *= 5;
    }
    best
}

fn last(x: &Tensor) -> i64 {
    *x.size().last().expect("not a scalar")
}

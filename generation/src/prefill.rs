//! The beginning of sequences that are to be continued: it goes through the model by convolution.

use anyhow::Result;
use models::Network;
use program::interrupt;
use s4_core::layer::{Pass, State};
use tch::Tensor;

/// Codes that go through the model in one convolution.
const PIECE: i64 = 16_384;

/// Where a convolution over the beginning of a sequence has led.
#[derive(Debug)]
pub(crate) struct Prefill {
    /// Codes that it went over: whole groups of pooled positions. The others are to be stepped.
    pub position: usize,
    pub state: State,
    /// Scores (1, K) of what follows; none if there was no whole group.
    pub scores: Option<Tensor>,
}

/// Convolves `model` over as many of `codes` (1, L) as make up whole groups.
///
/// # Errors
/// If the model is bidirectional, or the user interrupts.
pub(crate) fn prefill(model: &Network, codes: &Tensor) -> Result<Prefill> {
    let _guard = tch::no_grad_guard();
    let (stride, mut state, mut scores) = (model.stride(), model.default_state(1)?, None);
    let whole = codes.size()[1] / stride * stride;
    let piece = (PIECE / stride).max(1) * stride;
    for at in (0..whole).step_by(piece as usize) {
        interrupt::check()?;
        let piece = codes.narrow(1, at, piece.min(whole - at));
        let all;
        (all, state) = model.forward_with_state(&piece, &state, &Pass::eval())?;
        scores = Some(all.select(1, all.size()[1] - 1));
    }
    Ok(Prefill { position: whole as usize, state, scores })
}

//! The rows c Ā^{aT} of [`block_powers`](super::block_powers) by the recurrence that carries states
//! from chunk to chunk: one launch where there are kernels.
//!
//! Shapes: H channels, N states, C outputs a channel, M rows, T columns.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use crate::autograd;
use crate::conv::chunked::scan::{self, Pass, of_transition, scan};
use crate::conv::plan::Engine;
use crate::ssm::discrete::DiscreteSsm;
use crate::ssm::powers::Powers;
use crate::ssm::transition::{Rotation, Transition};

/// Whether kernels do it for this system, in `kind`.
pub fn is_served(ssm: &DiscreteSsm, kind: Kind) -> bool {
    let dense = !matches!(ssm.a, Transition::Diagonal(_));
    let engine = scan::engine(&ssm.b, dense, ssm.states(), kind);
    matches!(engine, Engine::Kernels { .. })
}

/// The kernels (C, H, M·T) in `kind`.
///
/// # Errors
/// If a kernel cannot be started.
pub fn kernel(ssm: &DiscreteSsm, stride: i64, count: i64, kind: Kind) -> Result<Tensor> {
    let Powers { columns, carry, .. } = Powers::new(ssm, stride, kind)?;
    let rows = rows(&carry, &ssm.c, count, kind)?; // (H, C, M, N)
    let (h, c, m, n) = rows.size4()?;
    let blocks = rows.view([h, c * m, n]).bmm(&columns.transpose(1, 2)); // (H, C·M, T)
    Ok(blocks.view([h, c, m * stride]).transpose(0, 1))
}

/// c Aᵃ for a < M = `count` and row vectors c (C, H, N): (H, C, M, N) in `kind`.
fn rows(a: &Transition, c: &Tensor, count: i64, kind: Kind) -> Result<Tensor> {
    let sources: Vec<&Tensor> = match a {
        Transition::Diagonal(Rotation { re, im }) => vec![re, im],
        Transition::Dense(a) => vec![a],
        Transition::LowRank(_) => bail!("rows are carried by a diagonal or a full matrix"),
    };
    let inputs: Vec<&Tensor> = sources.into_iter().chain([c]).collect();
    let guard = tch::no_grad_guard();
    // Row vectors advance as columns of Aᵀ.
    let transposed = match a.transposed() {
        Transition::Diagonal(Rotation { re, im }) => {
            Transition::Diagonal(Rotation { re: re.detach(), im: im.detach() })
        }
        a => Transition::Dense(a.dense().detach().contiguous()),
    };
    let (outputs, h, n) = c.size3()?;
    let rows = Tensor::zeros([h, outputs, count, n], (kind, c.device()));
    let mut state = Tensor::empty([h, outputs, n], (Kind::Double, c.device()));
    state.copy_(&c.detach().transpose(0, 1));
    let _ = scan(&transposed, &rows, 1, Some(&state), Pass::Forward)?;
    drop(guard);
    let saved = rows.detach();
    autograd::attach(&inputs, &[&rows], move |gradients| {
        let [Some(g)] = gradients else { bail!("one output has one gradient") };
        // A copy, which the scan works on.
        let g = g.contiguous().copy();
        let of_c = state.zeros_like();
        let _ = scan(&transposed, &g, 1, Some(&of_c), Pass::Backward)?;
        let flat = |x: &Tensor| x.flatten(1, 2);
        let mut found = of_transition(&transposed, &flat(&g), &flat(&saved), 1);
        match &mut found[..] {
            [a] => *a = a.transpose(1, 2),
            [_, im] => *im = -&*im,
            _ => bail!("a transition has one tensor or two"),
        }
        found.push(of_c.transpose(0, 1));
        Ok(found.into_iter().map(Some).collect())
    })?;
    Ok(rows)
}

//! The matrices of one chunk length, differentiable in the system.
//!
//! Both directions lie side by side, so that they share each product with the sequence.

use anyhow::{Result, bail};
use cuda::{Kernel, Value};
use tch::{Kind, Tensor};

use crate::autograd::{self, Gradients};
use crate::gpu::{self, address, address_or_null, int};
use crate::ssm::discrete::DiscreteSsm;
use crate::ssm::powers::Powers;
use crate::ssm::transition::Transition;

/// Matrices for chunks of T inputs and D directions (1, or 2 where half of the outputs look ahead).
/// Direction 0 comes first in each row of D·N.
pub struct Tables {
    /// What input j adds to the states that leave its chunk, Ā^{T-1-j} b̄ and Āʲ b̄: (H, T, D·N).
    pub input: Tensor,
    /// What the states that enter a chunk add to output j, c Āʲ⁺¹ and c Ā^{T-1-j}: (C, H, T, D·N).
    pub output: Tensor,
    /// What input j (the row) adds to each output of its chunk, (C, H, T, T).
    pub toeplitz: Tensor,
    /// Āᵀ in float64.
    pub carry: Transition,
    /// D.
    pub directions: i64,
}

impl Tables {
    /// For outputs that look back, or with 2 `directions` for outputs whose second half looks ahead;
    /// in `kind`, computed in the kind of the skip `d` (C, H) at least.
    ///
    /// # Errors
    /// If a kernel cannot be started.
    pub fn new(
        ssm: &DiscreteSsm,
        skip: Option<&Tensor>,
        chunk: i64,
        directions: i64,
        kind: Kind,
    ) -> Result<Self> {
        let exact = if kind == Kind::Double { Kind::Double } else { Kind::Float };
        let powers = Powers::new(ssm, chunk, exact)?;
        let inputs: Vec<&Tensor> =
            [&powers.columns, &powers.rows, &powers.taps].into_iter().chain(skip).collect();
        let layout = Layout {
            states: ssm.states(),
            outputs: ssm.c.size()[0] / directions,
            directions,
            chunk,
            has_skip: skip.is_some(),
        };
        let guard = tch::no_grad_guard();
        let plain: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
        let by_kernel = gpu::launcher(&plain[0]).is_some_and(|launcher| {
            kernels(layout.constants(), exact, kind).iter().all(|k| launcher.has(k))
        });
        let [input, output, toeplitz] = if by_kernel {
            layout.launch(&plain, kind)?
        } else {
            layout.arrange(&plain).map(|x| x.to_kind(kind))
        };
        drop(guard);
        autograd::attach(&inputs, &[&input, &output, &toeplitz], move |gradients| {
            layout.back(gradients, &plain, kind, by_kernel)
        })?;
        Ok(Self { input, output, toeplitz, carry: powers.carry, directions })
    }
}

/// Where columns, rows and taps go.
#[derive(Clone, Copy)]
struct Layout {
    states: i64,
    /// Outputs that look back, C.
    outputs: i64,
    directions: i64,
    chunk: i64,
    has_skip: bool,
}

/// Forward and backward (`matrices.cu`): matrices in `kind` from powers in `exact`, for N states and
/// D directions.
pub(super) fn kernels((states, directions): (i64, i64), exact: Kind, kind: Kind) -> [Kernel; 2] {
    ["matrices", "matrices_back"].map(|name| Kernel {
        name,
        source: include_str!("matrices.cu"),
        constants: vec![
            ("N", Value::Number(states)),
            ("D", Value::Number(directions)),
            ("VALUE", gpu::type_value(exact)),
            ("OUT", gpu::type_value(kind)),
        ],
    })
}

/// Of a block, and blocks of a channel and output.
const THREADS: i64 = 128;
const BLOCKS: i64 = 4;

impl Layout {
    /// N and D.
    fn constants(self) -> (i64, i64) {
        (self.states, self.directions)
    }

    /// Input, output and Toeplitz matrix from columns, rows, taps and skip.
    fn arrange(self, given: &[Tensor]) -> [Tensor; 3] {
        let (t, c) = (self.chunk, self.outputs);
        let [columns, rows, taps, skip @ ..] = given else {
            unreachable!("three tensors at least")
        };
        let past_rows = rows.narrow(0, 0, c).narrow(2, 1, t);
        let mut past = taps.narrow(0, 0, c);
        if let [skip] = skip {
            let now = past.narrow(-1, 0, 1) + skip.unsqueeze(-1);
            past = Tensor::cat(&[now, past.narrow(-1, 1, t - 1)], -1);
        }
        let backwards = columns.flip([1]);
        let (input, output, all) = if self.directions == 1 {
            (backwards, past_rows.contiguous(), past.constant_pad_nd([t - 1, 0]))
        } else {
            let future_rows = rows.narrow(0, c, c).narrow(2, 0, t).flip([2]);
            let future = taps.narrow(0, c, c).narrow(-1, 0, t - 1).flip([-1]);
            (
                Tensor::cat(&[&backwards, columns], -1),
                Tensor::cat(&[past_rows, future_rows], -1),
                Tensor::cat(&[future, past], -1),
            )
        };
        // Window w of the 2T - 1 taps begins w steps after the earliest: row j is window T - 1 - j.
        [input, output, all.unfold(-1, t, 1).flip([-2])]
    }

    fn launch(self, given: &[Tensor], kind: Kind) -> Result<[Tensor; 3]> {
        let [forward, _] = kernels(self.constants(), given[0].kind(), kind);
        let (h, t, dn) = (given[0].size()[0], self.chunk, self.directions * self.states);
        let empty = |shape: &[i64]| Tensor::empty(shape, (kind, given[0].device()));
        let found =
            [empty(&[h, t, dn]), empty(&[self.outputs, h, t, dn]), empty(&[self.outputs, h, t, t])];
        let given: Vec<Tensor> = given.iter().map(Tensor::contiguous).collect();
        let mut arguments: Vec<_> = given.iter().map(address).collect();
        arguments.resize(4, address_or_null(None));
        arguments.extend(found.iter().map(address));
        arguments.extend([int(h), int(self.outputs), int(t)]);
        // SAFETY: the kernel's arguments, with the sizes that it is given.
        unsafe {
            gpu::launch(&given[0], &forward, (h, self.outputs, BLOCKS), THREADS, &arguments)?;
        };
        Ok(found)
    }

    /// Gradients of columns, rows, taps and skip.
    fn back(
        self,
        gradients: &[Option<Tensor>],
        given: &[Tensor],
        kind: Kind,
        by_kernel: bool,
    ) -> Result<Gradients> {
        let (t, c, n) = (self.chunk, self.outputs, self.states);
        let (h, exact) = (given[0].size()[0], given[0].kind());
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (exact, given[0].device()));
        let shapes =
            [vec![h, t, self.directions * n], vec![c, h, t, self.directions * n], vec![c, h, t, t]];
        let of: Vec<Tensor> = gradients
            .iter()
            .zip(&shapes)
            .map(|(g, shape)| {
                g.as_ref().map_or_else(|| zeros(shape), |g| g.to_kind(exact).contiguous())
            })
            .collect();
        let [of_input, of_output, of_toeplitz] = &of[..] else { bail!("three matrices") };
        if by_kernel {
            let [_, backward] = kernels(self.constants(), exact, kind);
            let found: Vec<Tensor> = given.iter().map(Tensor::empty_like).collect();
            let mut arguments: Vec<_> = of.iter().map(address).collect();
            arguments.extend(found.iter().map(address));
            if !self.has_skip {
                arguments.push(address_or_null(None));
            }
            arguments.extend([int(h), int(c), int(t)]);
            // SAFETY: the kernel's arguments, with the sizes that it is given.
            unsafe {
                gpu::launch(of_input, &backward, (h, c, BLOCKS), THREADS, &arguments)?;
            };
            return Ok(found.into_iter().map(Some).collect());
        }
        let diagonals = diagonal_sums(of_toeplitz); // (C, H, 2T - 1)
        let past = diagonals.narrow(-1, t - 1, t);
        let past_rows = of_output.narrow(-1, 0, n).constant_pad_nd([0, 0, 1, 0]);
        let backwards = of_input.narrow(-1, 0, n).flip([1]);
        let of_skip = past.select(-1, 0);
        let (columns, rows, taps) = if self.directions == 1 {
            (backwards, past_rows, past)
        } else {
            let future_rows = of_output.narrow(-1, n, n).flip([2]).constant_pad_nd([0, 0, 0, 1]);
            let future = diagonals.narrow(-1, 0, t - 1).flip([-1]).constant_pad_nd([0, 1]);
            (
                backwards + of_input.narrow(-1, n, n),
                Tensor::cat(&[past_rows, future_rows], 0),
                Tensor::cat(&[past, future], 0),
            )
        };
        let mut found = vec![Some(columns), Some(rows), Some(taps)];
        if self.has_skip {
            found.push(Some(of_skip));
        }
        Ok(found)
    }
}

/// Sums along the diagonals of (…, T, T): (…, 2T - 1), entry T - 1 + i - j from row j and column i.
fn diagonal_sums(x: &Tensor) -> Tensor {
    let n = x.size()[x.dim() - 1];
    // Rows one longer than they are shift against each other by one: upside down, diagonals
    // become columns.
    let padded = x.flip([-2]).constant_pad_nd([0, n]).flatten(-2, -1);
    let skewed = padded.narrow(-1, 0, n * (2 * n - 1)).unflatten(-1, [n, 2 * n - 1]);
    skewed.sum_dim_intlist([-2i64].as_slice(), false, None)
}

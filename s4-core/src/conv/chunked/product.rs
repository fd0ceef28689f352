//! The products of a sequence with the matrices of its chunks, with a backward pass of their own:
//! the same products transposed, without copies.
//!
//! Everything is kept as (H, B, …), so that each product is one batched product over the channels.

use anyhow::{Context, Result, bail};
use tch::{Kind, Tensor};

use super::scan::{Pass, of_transition, scan};
use super::tables::Tables;
use crate::autograd::{self, Gradients};
use crate::gpu::exact_product;
use crate::ssm::transition::{Rotation, Transition};

/// Inputs u (B, H, L) and the initial state (B, H, N), `None`: zero, to the outputs (B, C, H, L) and,
/// where there is an initial one, the state (B, H, N) in front of the last chunk.
pub fn product(tables: &Tables, u: &Tensor, state: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let carry = match &tables.carry {
        Transition::Diagonal(Rotation { re, im }) => vec![re, im],
        Transition::Dense(a) => vec![a],
        Transition::LowRank(_) => unreachable!("tables hold a diagonal or a full matrix"),
    };
    let mut inputs = vec![u, &tables.input, &tables.output, &tables.toeplitz];
    inputs.extend(&carry);
    inputs.extend(state);

    let matrices = Matrices::new(tables);
    let guard = tch::no_grad_guard();
    let (chunks, len) = (matrices.chunks(u), u.size()[2]);
    let (y, states, last) = matrices.forward(&chunks, state)?;
    let y = matrices.sequence(&y, len); // (B, C, H, L)
    drop(guard);

    let has_state = state.is_some();
    autograd::attach(&inputs, &[&y, &last], move |gradients| {
        let [of_y, of_last] = gradients else { bail!("two outputs have two gradients") };
        matrices.backward(&chunks, &states, len, of_y.as_ref(), of_last.as_ref(), has_state)
    })?;
    Ok((y, last))
}

/// [`Tables`] without their graph.
struct Matrices {
    /// (H, T, D·N).
    input: Tensor,
    /// (C, H, T, D·N).
    output: Tensor,
    /// (C, H, T, T).
    toeplitz: Tensor,
    carry: Transition,
    directions: i64,
    /// T.
    chunk: i64,
}

impl Matrices {
    fn new(tables: &Tables) -> Self {
        let carry = match &tables.carry {
            Transition::Diagonal(Rotation { re, im }) => {
                Transition::Diagonal(Rotation { re: re.detach(), im: im.detach() })
            }
            other => Transition::Dense(other.dense().detach()),
        };
        Self {
            input: tables.input.detach(),
            output: tables.output.detach(),
            toeplitz: tables.toeplitz.detach(),
            carry,
            directions: tables.directions,
            chunk: tables.input.size()[1],
        }
    }

    /// (B, H, L) as (H, B, M, T), with zeros behind the end.
    fn chunks(&self, x: &Tensor) -> Tensor {
        let len = x.size()[2];
        let padding = (len + self.chunk - 1) / self.chunk * self.chunk - len;
        let x = x.detach().permute([1, 0, 2]);
        let x = if padding > 0 { x.constant_pad_nd([0, padding]) } else { x.contiguous() };
        x.unflatten(-1, [-1, self.chunk])
    }

    /// (C, H, B, M, T) as (B, C, H, L).
    fn sequence(&self, x: &Tensor, len: i64) -> Tensor {
        x.flatten(-2, -1).narrow(-1, 0, len).permute([2, 0, 1, 3])
    }

    fn outputs(&self) -> i64 {
        self.toeplitz.size()[0]
    }

    /// Outputs (C, H, B, M, T) of inputs (H, B, M, T), the states (H, B, M, D·N) that enter the
    /// chunks, and, where there is an initial `state`, direction 0's in front of the last chunk.
    fn forward(&self, u: &Tensor, state: Option<&Tensor>) -> Result<(Tensor, Tensor, Tensor)> {
        let rows = rows(u); // (H, B·M, T)
        let states = rows.bmm(&self.input).view_as_chunks(u);
        let first = state.map(|state| {
            // A copy: the scan advances it in place.
            let mut first = zero_state(&states);
            first.copy_(&state.detach().permute([1, 0, 2]));
            first
        });
        let before_last =
            scan(&self.carry, &states, self.directions, first.as_ref(), Pass::Forward)?;
        let last = match (state, before_last) {
            (Some(state), Some(last)) => last.permute([1, 0, 2]).to_kind(state.kind()).contiguous(),
            _ => Tensor::empty([0], (u.kind(), u.device())),
        };
        let s = self::rows(&states);
        let outputs: Vec<_> = (0..self.outputs())
            .map(|c| {
                let mut y = rows.bmm(&self.toeplitz.select(0, c));
                let _ = y.baddbmm_(&s, &self.output.select(0, c).transpose(1, 2));
                y.view_as_chunks(u)
            })
            .collect();
        Ok((stack(outputs), states, last))
    }

    /// Gradients of the operation's inputs, in their order.
    fn backward(
        &self,
        u: &Tensor,
        states: &Tensor,
        len: i64,
        of_y: Option<&Tensor>,
        of_last: Option<&Tensor>,
        has_state: bool,
    ) -> Result<Gradients> {
        let outputs = self.outputs();
        // (C, H, B·M, T)
        let of_y: Vec<Tensor> = match of_y {
            Some(g) => (0..outputs)
                .map(|c| rows(&self.chunks(&g.select(1, c).to_kind(u.kind()))))
                .collect(),
            None => (0..outputs).map(|_| rows(&u.zeros_like())).collect(),
        };
        let (u_rows, s_rows) = (rows(u), rows(states));
        let u_columns = u_rows.transpose(1, 2);
        let of_toeplitz = stack(of_y.iter().map(|g| exact_product(&u_columns, g)).collect());
        let of_output =
            stack(of_y.iter().map(|g| exact_product(&g.transpose(1, 2), &s_rows)).collect());
        let (mut of_u, mut of_s) = (Sum::default(), Sum::default());
        for (c, g) in of_y.iter().enumerate() {
            let c = c as i64;
            of_u.add_product(g, &self.toeplitz.select(0, c).transpose(1, 2));
            of_s.add_product(g, &self.output.select(0, c));
        }
        let of_s = of_s.0.context("an output")?.view_as_chunks(u); // (H, B, M, D·N)
        let last_is_given = has_state && of_last.is_some();
        if let (true, Some(g)) = (last_is_given, of_last) {
            let (count, n) = (of_s.size()[2], g.size()[2]);
            let _ = of_s.select(2, count - 1).narrow(-1, 0, n).g_add_(&g.permute([1, 0, 2]));
        }
        // Turned round and transposed, the states' recurrence is that of their gradients.
        let first = has_state.then(|| zero_state(&of_s));
        let _ = scan(&self.carry, &of_s, self.directions, first.as_ref(), Pass::Backward)?;
        let of_v = rows(&of_s);
        of_u.add_product(&of_v, &self.input.transpose(1, 2));
        let of_input = exact_product(&u_columns, &of_v); // (H, T, D·N)

        let of_u = of_u.0.context("an output")?.view_as_chunks(u).unsqueeze(0);
        let of_u = self.sequence(&of_u, len).squeeze_dim(1);
        let mut gradients = vec![Some(of_u), Some(of_input), Some(of_output), Some(of_toeplitz)];
        gradients.extend(
            of_transition(&self.carry, &of_v, &s_rows, self.directions).into_iter().map(Some),
        );
        if let Some(first) = first {
            gradients.push(Some(first.permute([1, 0, 2])));
        }
        Ok(gradients)
    }
}

/// A sum of products of batches of matrices, the first of which is taken over.
#[derive(Default)]
struct Sum(Option<Tensor>);

impl Sum {
    fn add_product(&mut self, a: &Tensor, b: &Tensor) {
        match &mut self.0 {
            None => self.0 = Some(a.bmm(b)),
            Some(sum) => drop(sum.baddbmm_(a, b)),
        }
    }
}

trait AsChunks {
    /// (H, B·M, K) as (H, B, M, K).
    fn view_as_chunks(&self, like: &Tensor) -> Tensor;
}

impl AsChunks for Tensor {
    fn view_as_chunks(&self, like: &Tensor) -> Tensor {
        let (size, last) = (like.size(), self.size()[2]);
        self.view([size[0], size[1], size[2], last])
    }
}

/// (H, B, M, K) as (H, B·M, K).
fn rows(x: &Tensor) -> Tensor {
    x.flatten(1, 2)
}

fn zero_state(states: &Tensor) -> Tensor {
    let size = states.size();
    Tensor::zeros([size[0], size[1], size[3]], (Kind::Double, states.device()))
}

/// Tensors along a new first dimension; one alone is not copied.
fn stack(mut tensors: Vec<Tensor>) -> Tensor {
    match tensors.len() {
        1 => tensors.remove(0).unsqueeze(0),
        _ => Tensor::stack(&tensors, 0),
    }
}

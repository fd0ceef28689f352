//! The products of a sequence with the matrices of its chunks, with a backward pass of their own:
//! the same products transposed, without copies.
//!
//! Everything is kept as (H, B, …), so that each product is one batched product over the channels.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use super::scan::{Order, scan};
use super::tables::Tables;
use crate::autograd::{self, Gradients};
use crate::ssm::transition::{Rotation, Transition};

/// Inputs u (B, H, L) and the initial state (B, H, N), absent: zero, to the outputs (B, C, H, L) and
/// the state (B, H, N) in front of the last chunk.
pub fn product(tables: &Tables, u: &Tensor, state: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let carry = match &tables.carry {
        Transition::Diagonal(Rotation { re, im }) => vec![re, im],
        Transition::Dense(a) => vec![a],
        Transition::LowRank(_) => unreachable!("tables hold a diagonal or a full matrix"),
    };
    let mut inputs = vec![u, &tables.taps, &tables.input, &tables.output];
    inputs.extend(&tables.ahead);
    inputs.extend(&carry);
    inputs.extend(state);

    let matrices = Matrices::new(tables);
    let guard = tch::no_grad_guard();
    let (chunks, mut states) = (matrices.chunks(u), Vec::new());
    let y = matrices.forward(&chunks, state, &mut states);
    let len = u.size()[2];
    let y = matrices.sequence(&y, len); // (B, C, H, L)
    let count = chunks.size()[2];
    let last = states[0].select(2, count - 1).permute([1, 0, 2]).contiguous();
    drop(guard);

    let has_state = state.is_some();
    autograd::attach(&inputs, &[&y, &last], move |gradients| {
        let [of_y, of_last] = gradients else { anyhow::bail!("two outputs have two gradients") };
        matrices.backward(&chunks, &states, len, of_y.as_ref(), of_last.as_ref(), has_state)
    })?;
    Ok((y, last))
}

/// [`Tables`] without their graph.
struct Matrices {
    /// (C, H, T, T): row j holds what input j adds to the outputs.
    toeplitz: Tensor,
    directions: Vec<Direction>,
    carry: Transition,
    /// T.
    chunk: i64,
}

struct Direction {
    order: Order,
    /// (H, T, N).
    input: Tensor,
    /// (C, H, N, T).
    output: Tensor,
}

impl Matrices {
    fn new(tables: &Tables) -> Self {
        let _guard = tch::no_grad_guard();
        let chunk = tables.input.size()[2];
        let input = tables.input.detach();
        let mut directions = vec![Direction {
            order: Order::Ascending,
            input: input.flip([-1]).transpose(-1, -2),
            output: tables.output.detach(),
        }];
        if let Some(ahead) = &tables.ahead {
            directions.push(Direction {
                order: Order::Descending,
                input: input.transpose(-1, -2),
                output: ahead.detach(),
            });
        }
        let carry = match &tables.carry {
            Transition::Diagonal(Rotation { re, im }) => {
                Transition::Diagonal(Rotation { re: re.detach(), im: im.detach() })
            }
            other => Transition::Dense(other.dense().detach()),
        };
        // Window w begins w steps after the earliest tap: row j is window T - 1 - j.
        let toeplitz = tables.taps.detach().unfold(-1, chunk, 1).flip([-2]);
        Self { toeplitz, directions, carry, chunk }
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

    /// Outputs (C, H, B, M, T) of inputs (H, B, M, T), and for each direction the states
    /// (H, B, M, N) in front of the chunks.
    fn forward(&self, u: &Tensor, state: Option<&Tensor>, states: &mut Vec<Tensor>) -> Tensor {
        let rows = rows(u); // (H, B·M, T)
        for direction in &self.directions {
            let s = rows.bmm(&direction.input).view_as_chunks(u);
            // A copy: the scan advances it in place.
            let mut first = zero_state(&s);
            if let Some(state) = state {
                first.copy_(&state.detach().permute([1, 0, 2]));
            }
            let _ = scan(&self.carry, &s, first, direction.order);
            states.push(s);
        }
        let outputs: Vec<_> = (0..self.toeplitz.size()[0])
            .map(|c| {
                let mut y = rows.bmm(&self.toeplitz.select(0, c));
                for (direction, s) in self.directions.iter().zip(states.iter()) {
                    let _ = y.baddbmm_(&self::rows(s), &direction.output.select(0, c));
                }
                y.view_as_chunks(u)
            })
            .collect();
        stack(outputs)
    }

    /// Gradients of the operation's inputs, in their order.
    fn backward(
        &self,
        u: &Tensor,
        states: &[Tensor],
        len: i64,
        of_y: Option<&Tensor>,
        of_last: Option<&Tensor>,
        has_state: bool,
    ) -> Result<Gradients> {
        let outputs = self.toeplitz.size()[0];
        // (C, H, B·M, T)
        let of_y: Vec<Tensor> = match of_y {
            Some(g) => (0..outputs).map(|c| rows(&self.chunks(&g.select(1, c)))).collect(),
            None => (0..outputs).map(|_| rows(&u.zeros_like())).collect(),
        };
        let u_rows = rows(u);
        let u_columns = u_rows.transpose(1, 2);
        let toeplitz = stack(of_y.iter().map(|g| u_columns.bmm(g)).collect()); // (C, H, T, T)
        let mut of_u = Sum::default();
        for (c, g) in of_y.iter().enumerate() {
            of_u.add_product(g, &self.toeplitz.select(0, c as i64).transpose(1, 2));
        }

        let mut of_input = Sum::default(); // (H, N, T), in the order of the powers
        let mut of_output = Vec::new();
        let mut of_carry: Vec<Sum> = Vec::new();
        let mut of_state = None;
        let transposed = self.carry.transposed();
        for (direction, s) in self.directions.iter().zip(states) {
            let s_rows = rows(s);
            let product = |g: &Tensor| g.transpose(1, 2).bmm(&s_rows).transpose(1, 2);
            of_output.push(Some(stack(of_y.iter().map(product).collect())));
            let mut of_s = Sum::default();
            for (c, g) in of_y.iter().enumerate() {
                of_s.add_product(g, &direction.output.select(0, c as i64).transpose(1, 2));
            }
            let of_s = of_s.value().context("an output")?.view_as_chunks(u); // (H, B, M, N)
            if let (Some(g), Order::Ascending) = (of_last, direction.order) {
                let count = of_s.size()[2];
                let _ = of_s.select(2, count - 1).g_add_(&g.permute([1, 0, 2]));
            }
            // Turned round and transposed, the states' recurrence is that of their gradients.
            let first = scan(&transposed, &of_s, zero_state(&of_s), direction.order.reversed());
            let of_v = rows(&of_s);
            if direction.order == Order::Ascending {
                of_state = Some(first.permute([1, 0, 2]).to_kind(u.kind()));
            }
            of_u.add_product(&of_v, &direction.input.transpose(1, 2));
            // With states one behind the other, as the powers are kept.
            let g = u_columns.bmm(&of_v).transpose(1, 2); // (H, N, T)
            of_input.add(if direction.order == Order::Ascending { g.flip([-1]) } else { g });
            self.carry_gradient(&of_v, &s_rows, &mut of_carry);
        }

        let of_u = of_u.value().context("an output")?.view_as_chunks(u).unsqueeze(0);
        let of_u = self.sequence(&of_u, len).squeeze_dim(1);
        let mut gradients = vec![Some(of_u), Some(diagonal_sums(&toeplitz)), of_input.value()];
        gradients.extend(of_output);
        gradients
            .extend(of_carry.into_iter().map(|sum| sum.value().map(|g| g.to_kind(Kind::Double))));
        if has_state {
            gradients.push(of_state);
        }
        Ok(gradients)
    }

    /// Adds Σ g sᵀ, restricted to the form of Āᵀ, over states s and gradients g (H, B·M, N).
    fn carry_gradient(&self, g: &Tensor, s: &Tensor, sums: &mut Vec<Sum>) {
        let new = match &self.carry {
            Transition::Diagonal(_) => {
                let half = g.size()[2] / 2;
                let part = |x: &Tensor, at: i64| x.narrow(2, at * half, half);
                let sum = |a: Tensor| a.sum_dim_intlist([1i64].as_slice(), false, None);
                vec![
                    sum(part(g, 0) * part(s, 0) + part(g, 1) * part(s, 1)),
                    sum(part(g, 1) * part(s, 0) - part(g, 0) * part(s, 1)),
                ]
            }
            _ => vec![g.transpose(1, 2).bmm(s)],
        };
        sums.resize_with(new.len(), Sum::default);
        for (sum, new) in sums.iter_mut().zip(new) {
            sum.add(new);
        }
    }
}

/// A sum of tensors, the first of which is taken over.
#[derive(Default)]
struct Sum(Option<Tensor>);

impl Sum {
    fn add(&mut self, x: Tensor) {
        match &mut self.0 {
            None => self.0 = Some(x),
            Some(sum) => drop(sum.g_add_(&x)),
        }
    }

    /// Adds a b for batches of matrices.
    fn add_product(&mut self, a: &Tensor, b: &Tensor) {
        match &mut self.0 {
            None => self.0 = Some(a.bmm(b)),
            Some(sum) => drop(sum.baddbmm_(a, b)),
        }
    }

    fn value(self) -> Option<Tensor> {
        self.0
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

/// Sums along the diagonals of (…, T, T): (…, 2T - 1), entry T - 1 + i - j from row j and column i.
fn diagonal_sums(x: &Tensor) -> Tensor {
    let n = x.size()[x.dim() - 1];
    // Rows one longer than they are shift against each other by one: upside down, diagonals
    // become columns.
    let padded = x.flip([-2]).constant_pad_nd([0, n]).flatten(-2, -1);
    let skewed = padded.narrow(-1, 0, n * (2 * n - 1)).unflatten(-1, [n, 2 * n - 1]);
    skewed.sum_dim_intlist([-2i64].as_slice(), false, None)
}

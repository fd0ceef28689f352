//! Layer norm over the channels of sequences (B, H, L), as they lie in memory.
//!
//! libtorch normalises the last dimension; for channels it takes a transposed copy each way,
//! in both passes. On a CPU a loop over blocks of positions needs neither.

use std::ops::{Add, Mul, Range, Sub};
use std::sync::Mutex;

use anyhow::bail;
use tch::{Device, Kind, Tensor};

use super::column_norm::{Affine, column_norm};
use crate::autograd;
use crate::native::numbers::{Element, Numbers};
use crate::native::parallel;
use crate::native::vector::{self, Loop};

/// weight ∘ (x - mean) / √(var + eps) + bias over the channels of each position: x (B, H, L) or one
/// position (B, H), weight and bias (H), the variance biased.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Tensor {
    if let Some(y) = column_norm(x, Affine::ByChannel, weight, bias, eps) {
        return y;
    }
    match (x.device(), x.kind()) {
        _ if x.dim() == 2 => transposed(x, weight, bias, eps),
        (Device::Cpu, Kind::Float) => native::<f32>(x, weight, bias, eps),
        (Device::Cpu, Kind::Double) => native::<f64>(x, weight, bias, eps),
        _ => transposed(x, weight, bias, eps),
    }
}

/// The same by libtorch's layer norm.
fn transposed(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Tensor {
    let (h, kind) = (x.size()[1], x.kind());
    let x = x.to_kind(weight.kind()).transpose(1, -1);
    x.layer_norm([h], Some(weight), Some(bias), eps, false).transpose(1, -1).to_kind(kind)
}

/// Positions that are worked on at once: their channels fit into the cache.
const BLOCK: usize = 128;

fn native<T: Number>(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Tensor {
    let guard = tch::no_grad_guard();
    let plain = |x: &Tensor| x.detach().contiguous();
    let saved = Saved { x: plain(x), weight: plain(weight), eps };
    let y = saved.forward::<T>(&plain(bias));
    drop(guard);
    let attached = autograd::attach(&[x, weight, bias], &[&y], move |gradients| {
        let [Some(g)] = gradients else { bail!("one output has one gradient") };
        Ok(saved.backward::<T>(&g.contiguous()).map(Some).into())
    });
    attached.expect("a fresh result has no graph");
    y
}

struct Saved {
    x: Tensor,
    weight: Tensor,
    eps: f64,
}

/// What the loops calculate in: the tensors' own kind.
trait Number: Element + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {}

impl Number for f32 {}
impl Number for f64 {}

impl Saved {
    fn forward<T: Number>(&self, bias: &Tensor) -> Tensor {
        let y = self.x.empty_like();
        let (x, out) = (Numbers::<T>::of(&self.x), Numbers::<T>::of(&y));
        let (weight, bias) = (Numbers::<T>::of(&self.weight), Numbers::<T>::of(bias));
        let (shape, eps) = (self.shape(), self.eps);
        parallel::for_ranges("channel norm", shape.blocks(), |range| {
            // SAFETY: inputs are only read; a block of y is its range's alone.
            let (weight, bias) = unsafe { (weight.read(0, shape.h), bias.read(0, shape.h)) };
            let (x, y) = (Rows::new(&x, shape), Rows::new(&out, shape));
            vector::run(Forward { x, y, weight, bias, eps, range });
        });
        y
    }

    /// Gradients of x, weight and bias.
    fn backward<T: Number>(&self, g: &Tensor) -> [Tensor; 3] {
        let of_x = self.x.empty_like();
        let (x, g, out) = (Numbers::<T>::of(&self.x), Numbers::of(g), Numbers::of(&of_x));
        let weight = Numbers::<T>::of(&self.weight);
        let (shape, eps) = (self.shape(), self.eps);
        let sums = Mutex::new((vec![0.0; shape.h], vec![0.0; shape.h]));
        parallel::for_ranges("channel norm, backward", shape.blocks(), |range| {
            // SAFETY: as in the forward pass.
            let weight = unsafe { weight.read(0, shape.h) };
            let [x, g, of_x] = [&x, &g, &out].map(|numbers| Rows::new(numbers, shape));
            let (mut of_weight, mut of_bias) = (vec![0.0; shape.h], vec![0.0; shape.h]);
            let (to_weight, to_bias) = (&mut of_weight, &mut of_bias);
            vector::run(Backward { x, g, of_x, weight, to_weight, to_bias, eps, range });
            let mut sums = sums.lock().expect("no panic while it is held");
            for (sum, x) in sums.0.iter_mut().zip(of_weight) {
                *sum += x;
            }
            for (sum, x) in sums.1.iter_mut().zip(of_bias) {
                *sum += x;
            }
        });
        let (of_weight, of_bias) = sums.into_inner().expect("no panic while it is held");
        let tensor = |sums: &[f64]| Tensor::from_slice(sums).to_kind(T::KIND);
        [of_x, tensor(&of_weight), tensor(&of_bias)]
    }

    fn shape(&self) -> Shape {
        let (b, h, len) = self.x.size3().expect("(B, H, L)");
        Shape { b: b as usize, h: h as usize, len: len as usize }
    }
}

#[derive(Clone, Copy)]
struct Shape {
    b: usize,
    h: usize,
    len: usize,
}

impl Shape {
    fn blocks(self) -> usize {
        self.b * self.len.div_ceil(BLOCK)
    }

    /// Sequence and positions of a block.
    fn block(self, number: usize) -> (usize, Range<usize>) {
        let a_sequence = self.len.div_ceil(BLOCK);
        let start = number % a_sequence * BLOCK;
        (number / a_sequence, start..self.len.min(start + BLOCK))
    }
}

/// A sequence's channels as rows.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    numbers: &'a Numbers<T>,
    shape: Shape,
}

impl<'a, T: Number> Rows<'a, T> {
    fn new(numbers: &'a Numbers<T>, shape: Shape) -> Self {
        Self { numbers, shape }
    }

    fn start(&self, sequence: usize, channel: usize, positions: &Range<usize>) -> usize {
        (sequence * self.shape.h + channel) * self.shape.len + positions.start
    }

    fn read(&self, sequence: usize, channel: usize, positions: &Range<usize>) -> &'a [T] {
        // SAFETY: inside the tensor, which nobody writes to.
        unsafe { self.numbers.read(self.start(sequence, channel, positions), positions.len()) }
    }

    fn write(&self, sequence: usize, channel: usize, positions: &Range<usize>) -> &'a mut [T] {
        // SAFETY: inside the tensor; each block of positions is one thread's, and rows are taken
        // one after the other.
        unsafe { self.numbers.write(self.start(sequence, channel, positions), positions.len()) }
    }
}

/// Mean and 1/√(var + eps) of each position of a block.
#[inline(always)]
fn moments<T: Number>(
    x: &Rows<T>,
    sequence: usize,
    positions: &Range<usize>,
    eps: f64,
    mean: &mut [T; BLOCK],
    scale: &mut [T; BLOCK],
) {
    let h = x.shape.h;
    let share = T::from_f64(1.0 / h as f64);
    *mean = [T::from_f64(0.0); BLOCK];
    *scale = *mean;
    for channel in 0..h {
        for (sum, &x) in mean.iter_mut().zip(x.read(sequence, channel, positions)) {
            *sum = *sum + x;
        }
    }
    for sum in mean.iter_mut() {
        *sum = *sum * share;
    }
    for channel in 0..h {
        let row = x.read(sequence, channel, positions);
        for ((sum, &mean), &x) in scale.iter_mut().zip(&*mean).zip(row) {
            *sum = *sum + (x - mean) * (x - mean);
        }
    }
    for sum in scale.iter_mut() {
        *sum = T::from_f64(1.0 / ((*sum * share).to_f64() + eps).sqrt());
    }
}

struct Forward<'a, T> {
    x: Rows<'a, T>,
    y: Rows<'a, T>,
    weight: &'a [T],
    bias: &'a [T],
    eps: f64,
    range: Range<usize>,
}

impl<T: Number> Loop for Forward<'_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut mean = [T::from_f64(0.0); BLOCK];
        let mut scale = mean;
        for block in self.range {
            let (sequence, positions) = self.x.shape.block(block);
            moments(&self.x, sequence, &positions, self.eps, &mut mean, &mut scale);
            for (channel, (&weight, &bias)) in self.weight.iter().zip(self.bias).enumerate() {
                let x = self.x.read(sequence, channel, &positions);
                let y = self.y.write(sequence, channel, &positions);
                for (((y, &x), &mean), &scale) in y.iter_mut().zip(x).zip(&mean).zip(&scale) {
                    *y = (x - mean) * scale * weight + bias;
                }
            }
        }
    }
}

struct Backward<'a, 'b, T> {
    x: Rows<'a, T>,
    g: Rows<'a, T>,
    of_x: Rows<'a, T>,
    weight: &'a [T],
    to_weight: &'b mut [f64],
    to_bias: &'b mut [f64],
    eps: f64,
    range: Range<usize>,
}

impl<T: Number> Loop for Backward<'_, '_, T> {
    /// With x̂ the normalised input and γ = weight ∘ g:
    /// dx = (γ - mean(γ) - x̂ mean(γ x̂)) / √(var + eps).
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let zero = T::from_f64(0.0);
        let h = self.weight.len();
        let share = T::from_f64(1.0 / h as f64);
        let (mut mean, mut scale) = ([zero; BLOCK], [zero; BLOCK]);
        for block in self.range {
            let (sequence, positions) = self.x.shape.block(block);
            moments(&self.x, sequence, &positions, self.eps, &mut mean, &mut scale);
            let (mut mean_g, mut mean_gx) = ([zero; BLOCK], [zero; BLOCK]);
            for channel in 0..h {
                let weight = self.weight[channel];
                let x = self.x.read(sequence, channel, &positions);
                let g = self.g.read(sequence, channel, &positions);
                let mut products = [zero; BLOCK];
                for i in 0..positions.len() {
                    products[i] = g[i] * (x[i] - mean[i]) * scale[i];
                    mean_g[i] = mean_g[i] + weight * g[i];
                    mean_gx[i] = mean_gx[i] + weight * products[i];
                }
                self.to_weight[channel] += sum(&products[..positions.len()]);
                self.to_bias[channel] += sum(g);
            }
            for i in 0..BLOCK {
                mean_g[i] = mean_g[i] * share;
                mean_gx[i] = mean_gx[i] * share * scale[i];
            }
            for channel in 0..h {
                let weight = self.weight[channel];
                let x = self.x.read(sequence, channel, &positions);
                let g = self.g.read(sequence, channel, &positions);
                let of_x = self.of_x.write(sequence, channel, &positions);
                for i in 0..positions.len() {
                    let rest = (x[i] - mean[i]) * mean_gx[i];
                    of_x[i] = (weight * g[i] - mean_g[i] - rest) * scale[i];
                }
            }
        }
    }
}

/// Σ x, in several sums at once.
#[inline(always)]
fn sum<T: Number>(x: &[T]) -> f64 {
    const LANES: usize = 16;
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [T::from_f64(0.0); LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum = *sum + x;
        }
    }
    sums.iter().chain(rest).map(|x| x.to_f64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_libtorch_s_layer_norm() {
        for (b, h, len) in [(1, 1, 1), (2, 3, 17), (3, 64, 128), (1, 5, 1000), (2, 300, 129)] {
            let double = (Kind::Double, Device::Cpu);
            let inputs = [
                Tensor::randn([b, h, len], double) * 3.0 + 1.0,
                Tensor::randn([h], double),
                Tensor::randn([h], double),
            ];
            let weight = Tensor::randn([b, h, len], double);
            let outcome = |kind: Kind, by: &dyn Fn(&Tensor, &Tensor, &Tensor, f64) -> Tensor| {
                let leaves =
                    inputs.each_ref().map(|x| x.to_kind(kind).copy().set_requires_grad(true));
                let [x, w, b] = &leaves;
                let y = by(x, w, b, 1e-5);
                (&y * weight.to_kind(kind)).sum(kind).backward();
                let gradients = leaves.iter().map(|x| x.grad().to_kind(Kind::Double));
                std::iter::once(y.detach().to_kind(Kind::Double))
                    .chain(gradients)
                    .collect::<Vec<_>>()
            };
            let expected = outcome(Kind::Double, &transposed);
            for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-4)] {
                for (found, expected) in outcome(kind, &layer_norm).iter().zip(&expected) {
                    let scale = expected.abs().max().double_value(&[]).max(1e-2);
                    let error = (found - expected).abs().max().double_value(&[]) / scale;
                    assert!(error < tolerance, "({b}, {h}, {len}), {kind:?}: {error:e}");
                }
            }
        }
    }
}

//! Nonlinearities.

use s4_config::Activation;

use crate::math::{gelu, sigmoid, tanh};
use crate::simd::{Isa, Kernel, Lanes, Simd};

/// Replaces every x by its image; zeros stay.
pub(crate) fn activate(isa: Isa, activation: Activation, x: &mut [Lanes]) {
    isa.run(Activate { activation, x });
}

/// x += a σ(b) for sequences of gated pairs of vectors (a, b), each as wide as x's.
pub(crate) fn add_gated(isa: Isa, x: &mut [Lanes], gated: &[Lanes], width: usize) {
    isa.run(AddGated { x, gated, width });
}

/// y = tanh(a) σ(b) for sequences of pairs of vectors (a, b), each as wide as y's.
pub(crate) fn gate(isa: Isa, y: &mut [Lanes], pairs: &[Lanes], width: usize) {
    isa.run(Gate { y, pairs, width });
}

struct Activate<'a> {
    activation: Activation,
    x: &'a mut [Lanes],
}

impl Kernel for Activate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for lanes in self.x {
            let x = s.load(lanes);
            let y = match self.activation {
                Activation::Gelu => gelu(s, x),
                Activation::Relu => s.max(s.splat(0.0), x),
                Activation::Silu => s.mul(x, sigmoid(s, x)),
                Activation::Tanh => tanh(s, x),
                Activation::Id => x,
            };
            s.store(y, lanes);
        }
    }
}

struct Gate<'a> {
    y: &'a mut [Lanes],
    pairs: &'a [Lanes],
    width: usize,
}

impl Kernel for Gate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sequences = self.y.chunks_exact_mut(self.width);
        for (y, pair) in sequences.zip(self.pairs.chunks_exact(2 * self.width)) {
            let (a, b) = pair.split_at(self.width);
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                let product = s.mul(tanh(s, s.load(a)), sigmoid(s, s.load(b)));
                s.store(product, y);
            }
        }
    }
}

struct AddGated<'a> {
    x: &'a mut [Lanes],
    gated: &'a [Lanes],
    width: usize,
}

impl Kernel for AddGated<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sequences = self.x.chunks_exact_mut(self.width);
        for (x, gated) in sequences.zip(self.gated.chunks_exact(2 * self.width)) {
            let (a, b) = gated.split_at(self.width);
            for ((x, a), b) in x.iter_mut().zip(a).zip(b) {
                let sum = s.mul_add(s.load(a), sigmoid(s, s.load(b)), s.load(x));
                s.store(sum, x);
            }
        }
    }
}

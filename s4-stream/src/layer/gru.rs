//! A layer of a gated recurrent unit (Cho et al. 2014), with the gates of PyTorch.

use anyhow::Result;

use super::linear::{Linear, Vectors};
use crate::math::{sigmoid, tanh};
use crate::simd::{Arena, Isa, Kernel, Lanes, Simd};
use crate::weights::Place;

/// Reset and update gates and the candidate, of the input and of the state.
#[derive(Debug, Clone)]
pub(crate) struct Gru {
    input: Linear,
    state: Linear,
}

impl Gru {
    /// Reads `weight_ih_l{layer}` and the others, of `units` inputs and as many outputs.
    pub fn read(place: &Place, layer: usize, units: usize) -> Result<Self> {
        let map = |kind: &str| -> Result<Linear> {
            let weight = place.tensor(&format!("weight_{kind}_l{layer}"), &[3 * units, units])?;
            let bias = place.tensor(&format!("bias_{kind}_l{layer}"), &[3 * units])?;
            let weight = |row: usize, column: usize| weight[row * units + column] as f32;
            let bias = |row: usize| bias[row] as f32;
            let keep = |lanes: &[Lanes]| place.keep(lanes);
            let (one, gates) = (Vectors::one(units), Vectors::concatenated(3, units));
            Ok(Linear::new(one, gates, weight, bias, keep))
        };
        Ok(Self { input: map("ih")?, state: map("hh")? })
    }

    /// Moves h (B) on by the inputs x (B); `gates` is scratch space, three vectors for each.
    pub fn step(&self, isa: Isa, x: &[Lanes], h: &mut [Lanes], gates: &mut [Vec<Lanes>; 2]) {
        let [input, state] = gates;
        self.input.apply(isa, x, input);
        self.state.apply(isa, h, state);
        isa.run(Step { input, state, h, width: self.input.outputs() / 3 });
    }

    /// Rounds the weights to integers of 16 bits, which are kept in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        self.input.round(arena);
        self.state.round(arena);
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.input.bytes() + self.state.bytes()
    }
}

struct Step<'a> {
    input: &'a [Lanes],
    state: &'a [Lanes],
    h: &'a mut [Lanes],
    width: usize,
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.width;
        let gates = self.input.chunks_exact(3 * width).zip(self.state.chunks_exact(3 * width));
        for (h, (input, state)) in self.h.chunks_exact_mut(width).zip(gates) {
            for (i, h) in h.iter_mut().enumerate() {
                let at = |gates: &[Lanes], gate: usize| s.load(&gates[gate * width + i]);
                let reset = sigmoid(s, s.add(at(input, 0), at(state, 0)));
                let update = sigmoid(s, s.add(at(input, 1), at(state, 1)));
                let candidate = tanh(s, s.mul_add(reset, at(state, 2), at(input, 2)));
                let before = s.load(h);
                // (1 - update) candidate + update before
                let next = s.mul_add(update, s.sub(before, candidate), candidate);
                s.store(next, h);
            }
        }
    }
}

//! Normalisation over the channels of each vector.

use anyhow::Result;

use crate::simd::{Isa, Kernel, Lanes, Simd, pack};
use crate::weights::Place;

/// ((x - mean + shift) / std) · weight + bias.
#[derive(Debug)]
pub(crate) struct Norm {
    channels: usize,
    epsilon: f32,
    shift: f32,
    weight: Vec<Lanes>,
    bias: Vec<Lanes>,
    /// One where there is a channel, zero where the last lanes are filled up.
    inside: Vec<Lanes>,
}

impl Norm {
    /// Layer norm: `weight` and `bias` (H).
    pub fn layer(place: &Place, channels: usize) -> Result<Self> {
        let read = |name| -> Result<Vec<Lanes>> {
            Ok(pack(place.tensor(name, &[channels])?.into_iter().map(|x| x as f32)))
        };
        Ok(Self {
            channels,
            epsilon: 1e-5,
            shift: 0.0,
            weight: read("weight")?,
            bias: read("bias")?,
            inside: pack(vec![1.0; channels]),
        })
    }

    /// One scale `s` and one shift `m` for all channels, without an epsilon, as in the official
    /// audio experiments.
    pub fn scalar(place: &Place, channels: usize) -> Result<Self> {
        let scale = place.tensor("s", &[1])?[0] as f32;
        Ok(Self {
            channels,
            epsilon: 0.0,
            shift: place.tensor("m", &[1])?[0] as f32,
            weight: pack(vec![scale; channels]),
            bias: pack(vec![0.0; channels]),
            inside: pack(vec![1.0; channels]),
        })
    }

    /// Lanes of a vector.
    pub fn lanes(&self) -> usize {
        self.inside.len()
    }

    pub fn apply(&self, isa: Isa, x: &[Lanes], y: &mut [Lanes]) {
        isa.run(Apply { norm: self, x, y });
    }
}

struct Apply<'a> {
    norm: &'a Norm,
    x: &'a [Lanes],
    y: &'a mut [Lanes],
}

impl Kernel for Apply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Norm { channels, epsilon, shift, weight, bias, inside } = self.norm;
        let share = 1.0 / *channels as f32;
        let sequences = self.x.chunks_exact(inside.len());
        for (x, y) in sequences.zip(self.y.chunks_exact_mut(inside.len())) {
            let mut sum = s.splat(0.0);
            for x in x {
                sum = s.add(sum, s.load(x));
            }
            let mean = s.splat(s.sum(sum) * share);
            let mut squares = s.splat(0.0);
            for ((x, y), inside) in x.iter().zip(&mut *y).zip(inside) {
                let centred = s.mul(s.sub(s.load(x), mean), s.load(inside));
                squares = s.mul_add(centred, centred, squares);
                s.store(centred, y);
            }
            let scale = s.splat(1.0 / (s.sum(squares) * share + epsilon).sqrt());
            for (((y, weight), bias), inside) in y.iter_mut().zip(weight).zip(bias).zip(inside) {
                let shifted = s.mul_add(s.splat(*shift), s.load(inside), s.load(y));
                let normed = s.mul_add(s.mul(shifted, scale), s.load(weight), s.load(bias));
                s.store(normed, y);
            }
        }
    }
}

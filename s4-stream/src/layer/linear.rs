//! Position-wise linear maps.

use anyhow::Result;

use crate::simd::{Isa, Kernel, Lanes, Simd, WIDTH, lanes};
use crate::weights::Place;

/// How the rows or columns of a stored matrix make up vectors: some of them, behind one another,
/// each filled up to whole [`Lanes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vectors {
    pub count: usize,
    pub size: usize,
    /// Entries of the same index are neighbours, rather than those of the same vector.
    pub interleaved: bool,
}

impl Vectors {
    pub fn one(size: usize) -> Self {
        Self::behind_one_another(1, size)
    }

    pub fn behind_one_another(count: usize, size: usize) -> Self {
        Self { count, size, interleaved: false }
    }

    pub fn interleaved(count: usize, size: usize) -> Self {
        Self { count, size, interleaved: true }
    }

    fn entries(self) -> usize {
        self.count * self.size
    }

    /// Where the entry is stored that has this place among the lanes.
    fn source(self, place: usize) -> Option<usize> {
        let padded = lanes(self.size) * WIDTH;
        let (vector, entry) = (place / padded, place % padded);
        (entry < self.size).then_some(match self.interleaved {
            false => vector * self.size + entry,
            true => entry * self.count + vector,
        })
    }

    /// Lanes of all vectors.
    pub fn lanes(self) -> usize {
        self.count * lanes(self.size)
    }
}

/// y = W x + b.
///
/// Sixteen outputs lie in one [`Lanes`], and input by input behind one another, so that a product
/// streams through the weights and adds up nothing across lanes.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Lanes of an input vector.
    inputs: usize,
    /// For each lanes of outputs, `16 · inputs` lanes of weights.
    weights: Vec<Lanes>,
    bias: Vec<Lanes>,
}

/// How the weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// `weight` (out, in).
    Plain,
    /// `weight` (out, in, 1).
    Pointwise,
    /// Rows `weight_v` (out, in) scaled to the lengths `weight_g` (out, 1).
    WeightNormed,
}

impl Linear {
    pub fn read(place: &Place, stored: Stored, inputs: Vectors, outputs: Vectors) -> Result<Self> {
        let (rows, columns) = (outputs.entries(), inputs.entries());
        let weight = match stored {
            Stored::Plain => place.tensor("weight", &[rows, columns])?,
            Stored::Pointwise => place.tensor("weight", &[rows, columns, 1])?,
            Stored::WeightNormed => {
                let mut weight = place.tensor("weight_v", &[rows, columns])?;
                let lengths = place.tensor("weight_g", &[rows, 1])?;
                for (row, length) in weight.chunks_exact_mut(columns).zip(lengths) {
                    let scale = length / row.iter().map(|x| x * x).sum::<f64>().sqrt();
                    row.iter_mut().for_each(|x| *x *= scale);
                }
                weight
            }
        };
        let bias = place.tensor("bias", &[rows])?;
        let weight = |row: usize, column: usize| weight[row * columns + column] as f32;
        Ok(Self::new(inputs, outputs, weight, |row| bias[row] as f32))
    }

    fn new(
        inputs: Vectors,
        outputs: Vectors,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let mut linear = Self { inputs: inputs.lanes(), weights: Vec::new(), bias: Vec::new() };
        for output in 0..outputs.lanes() {
            let rows: [_; WIDTH] = std::array::from_fn(|i| outputs.source(output * WIDTH + i));
            linear.bias.push(Lanes(rows.map(|row| row.map_or(0.0, &bias))));
            for input in 0..inputs.lanes() * WIDTH {
                let column = inputs.source(input);
                let weight = |row: Option<usize>| Some(weight(row?, column?));
                linear.weights.push(Lanes(rows.map(|row| weight(row).unwrap_or(0.0))));
            }
        }
        linear
    }

    /// Lanes of an output vector.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&self.bias[..])
    }

    pub fn apply(&self, isa: Isa, x: &[Lanes], y: &mut [Lanes]) {
        isa.run(Apply { linear: self, x, y });
    }
}

struct Apply<'a> {
    linear: &'a Linear,
    x: &'a [Lanes],
    y: &'a mut [Lanes],
}

impl Kernel for Apply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Linear { inputs, weights, bias } = self.linear;
        let (inputs, outputs) = (*inputs, bias.len());
        let batch = self.y.len() / outputs;
        let panels = weights.chunks_exact(WIDTH * inputs);
        for (output, (panel, bias)) in panels.zip(bias).enumerate() {
            let mut at = 0;
            while at < batch {
                let x = &self.x[at * inputs..];
                let y = &mut self.y[at * outputs + output..];
                // Several sequences share the loads of the weights. Products of one sequence are
                // added up in several registers, which hides the latency of additions.
                at += match batch - at {
                    1 => tile::<S, 1, 4>(s, panel, bias, x, y, outputs),
                    2 | 3 => tile::<S, 2, 2>(s, panel, bias, x, y, outputs),
                    _ => tile::<S, 4, 1>(s, panel, bias, x, y, outputs),
                };
            }
        }
    }
}

/// One lanes of outputs of B sequences, with sums in U registers each; gives B.
#[inline(always)]
fn tile<S: Simd, const B: usize, const U: usize>(
    s: S,
    panel: &[Lanes],
    bias: &Lanes,
    x: &[Lanes],
    y: &mut [Lanes],
    outputs: usize,
) -> usize {
    let (panel, _) = panel.as_chunks::<WIDTH>();
    let inputs = panel.len();
    let mut sums = [[s.splat(0.0); U]; B];
    for sums in &mut sums {
        sums[0] = s.load(bias);
    }
    for (i, weights) in panel.iter().enumerate() {
        for k in 0..WIDTH / U {
            for u in 0..U {
                let weight = s.load(&weights[k * U + u]);
                for b in 0..B {
                    let x = s.splat(x[b * inputs + i].0[k * U + u]);
                    sums[b][u] = s.mul_add(weight, x, sums[b][u]);
                }
            }
        }
    }
    for (b, sums) in sums.iter().enumerate() {
        let mut sum = sums[0];
        for &part in &sums[1..] {
            sum = s.add(sum, part);
        }
        s.store(sum, &mut y[b * outputs]);
    }
    B
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::pack;

    /// W[i][j] = 10 i + j, b[i] = -i for 20 outputs and 18 inputs, sequences x[j] = j + seq.
    #[test]
    fn products_are_right_for_every_batch() {
        let (rows, columns) = (20, 18);
        let (inputs, outputs) = (Vectors::one(columns), Vectors::one(rows));
        let linear = Linear::new(inputs, outputs, |i, j| (10 * i + j) as f32, |i| -(i as f32));
        for (batch, isa) in (1..=9).flat_map(|batch| Isa::both().map(|isa| (batch, isa))) {
            let x: Vec<Lanes> =
                (0..batch).flat_map(|seq| pack((0..columns).map(|j| (j + seq) as f32))).collect();
            let mut y = vec![Lanes::ZERO; batch * outputs.lanes()];
            linear.apply(isa, &x, &mut y);
            for (seq, y) in y.chunks_exact(outputs.lanes()).enumerate() {
                for i in 0..rows {
                    let product: usize = (0..columns).map(|j| (10 * i + j) * (j + seq)).sum();
                    let (found, expected) = (y[i / WIDTH].0[i % WIDTH], product as f32 - i as f32);
                    assert!((found - expected).abs() <= 1e-6 * expected, "{found}, {expected}");
                }
                assert_eq!(y[1].0[4..], [0.0; 12], "the rest of the last lanes stays zero");
            }
        }
    }

    #[test]
    fn interleaved_vectors_are_taken_apart() {
        let vectors = Vectors::interleaved(2, 17);
        assert_eq!((vectors.lanes(), vectors.entries()), (4, 34));
        assert_eq!((vectors.source(3), vectors.source(16)), (Some(6), Some(32)));
        assert_eq!((vectors.source(17), vectors.source(32 + 1)), (None, Some(3)));
        let behind = Vectors::behind_one_another(2, 17);
        assert_eq!((behind.source(16), behind.source(32)), (Some(16), Some(17)));
    }
}

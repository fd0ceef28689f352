//! Position-wise linear maps.

use anyhow::Result;

use crate::simd::{Arena, IntLanes, Isa, Kernel, Lanes, Packed, Simd, Table, WIDTH, lanes};
use crate::weights::Place;

/// How the rows or columns of a stored matrix make up vectors: some of them, concatenated, each
/// filled up to whole [`Lanes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vectors {
    pub count: usize,
    pub size: usize,
    /// Entries of the same index are neighbours, rather than those of the same vector.
    pub interleaved: bool,
}

impl Vectors {
    pub fn one(size: usize) -> Self {
        Self::concatenated(1, size)
    }

    pub fn concatenated(count: usize, size: usize) -> Self {
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
        (entry < self.size).then_some(if self.interleaved {
            entry * self.count + vector
        } else {
            vector * self.size + entry
        })
    }

    /// Lanes of all vectors.
    pub fn lanes(self) -> usize {
        self.count * lanes(self.size)
    }
}

/// y = W x + b.
///
/// Sixteen outputs lie in one [`Lanes`], input by input, so that a product streams through the
/// weights and adds up nothing across lanes.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// Lanes of an input vector.
    inputs: usize,
    weights: Weights,
    bias: Table<Lanes>,
}

/// For each lanes of outputs, `16 · inputs` lanes of weights.
#[derive(Debug, Clone)]
enum Weights {
    Float32(Table<Lanes>),
    /// Integers, which a scale for each output turns into the weights.
    Int16 {
        integers: Table<IntLanes>,
        scales: Table<Lanes>,
    },
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
            Stored::WeightNormed => place.weight(&[rows, columns], true)?,
        };
        let bias = place.tensor("bias", &[rows])?;
        let weight = |row: usize, column: usize| weight[row * columns + column] as f32;
        let keep = |lanes: &[Lanes]| place.keep(lanes);
        Ok(Self::new(inputs, outputs, weight, |row| bias[row] as f32, keep))
    }

    /// That of the weights of a row and a column and the biases of the rows, as they are stored.
    pub fn new(
        inputs: Vectors,
        outputs: Vectors,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
        keep: impl Fn(&[Lanes]) -> Table<Lanes>,
    ) -> Self {
        let (mut all, mut biases) = (Vec::new(), Vec::new());
        for output in 0..outputs.lanes() {
            let rows: [_; WIDTH] = std::array::from_fn(|i| outputs.source(output * WIDTH + i));
            biases.push(Lanes(rows.map(|row| row.map_or(0.0, &bias))));
            for input in 0..inputs.lanes() * WIDTH {
                let column = inputs.source(input);
                let weight = |row: Option<usize>| Some(weight(row?, column?));
                all.push(Lanes(rows.map(|row| weight(row).unwrap_or(0.0))));
            }
        }
        let (weights, bias) = (Weights::Float32(keep(&all)), keep(&biases));
        Self { inputs: inputs.lanes(), weights, bias }
    }

    /// Rounds the weights to integers of 16 bits, which are kept in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        let Weights::Float32(weights) = &self.weights else { return };
        let (mut integers, mut scales) = (Vec::new(), Vec::new());
        for panel in weights.chunks_exact(WIDTH * self.inputs) {
            let scale = scales_of(panel);
            // An output without weights has the scale 0, and 0 / 0 becomes the integer 0.
            let rounded = |i: usize, weight: f32| (weight / scale[i]).round() as i16;
            let lanes = |weights: &Lanes| std::array::from_fn(|i| rounded(i, weights.0[i]));
            integers.extend(panel.iter().map(|weights| IntLanes(lanes(weights))));
            scales.push(Lanes(scale));
        }
        let (integers, scales) = (arena.keep(&integers), arena.keep(&scales));
        self.weights = Weights::Int16 { integers, scales };
        self.bias = arena.keep(&self.bias);
    }

    /// Lanes of an input vector.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Lanes of an output vector.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        let weights = match &self.weights {
            Weights::Float32(weights) => size_of_val(&weights[..]),
            Weights::Int16 { integers, scales } => {
                size_of_val(&integers[..]) + size_of_val(&scales[..])
            }
        };
        weights + size_of_val(&self.bias[..])
    }

    pub fn apply(&self, isa: Isa, x: &[Lanes], y: &mut [Lanes]) {
        let Self { inputs, weights, bias } = self;
        match weights {
            Weights::Float32(weights) => {
                isa.run(Apply { inputs: *inputs, weights, scales: None, bias, x, y });
            }
            Weights::Int16 { integers: weights, scales } => {
                isa.run(Apply { inputs: *inputs, weights, scales: Some(scales), bias, x, y });
            }
        }
    }
}

/// The scales at which the largest of the weights of each output is 32767.
fn scales_of(panel: &[Lanes]) -> [f32; WIDTH] {
    std::array::from_fn(|i| {
        let sizes = || panel.iter().map(|weights| weights.0[i].abs());
        if sizes().all(f32::is_finite) {
            sizes().fold(0.0, f32::max) / f32::from(i16::MAX)
        } else {
            // Weights that are not finite make logits that are NaN.
            f32::NAN
        }
    })
}

struct Apply<'a, W> {
    inputs: usize,
    weights: &'a [W],
    /// Factors of the outputs' sums.
    scales: Option<&'a [Lanes]>,
    bias: &'a [Lanes],
    x: &'a [Lanes],
    y: &'a mut [Lanes],
}

impl<W: Packed> Kernel for Apply<'_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { inputs, weights, scales, bias, .. } = self;
        let outputs = bias.len();
        let batch = self.y.len() / outputs;
        let panels = weights.chunks_exact(WIDTH * inputs);
        for (output, (panel, bias)) in panels.zip(bias).enumerate() {
            let scale = scales.map_or(s.splat(1.0), |scales| s.load(&scales[output]));
            let mut at = 0;
            while at < batch {
                let x = &self.x[at * inputs..];
                let y = &mut self.y[at * outputs + output..];
                // Several sequences share the loads of the weights. Products of one sequence are
                // added up in several registers, which hides the latency of additions.
                at += match batch - at {
                    1 => tile::<S, W, 1, 4>(s, panel, scale, bias, x, y, outputs),
                    2 | 3 => tile::<S, W, 2, 2>(s, panel, scale, bias, x, y, outputs),
                    _ => tile::<S, W, 4, 1>(s, panel, scale, bias, x, y, outputs),
                };
            }
        }
    }
}

/// One lanes of outputs of B sequences, with sums in U registers each, times `scale`; returns B.
#[inline(always)]
fn tile<S: Simd, W: Packed, const B: usize, const U: usize>(
    s: S,
    panel: &[W],
    scale: S::V,
    bias: &Lanes,
    x: &[Lanes],
    y: &mut [Lanes],
    outputs: usize,
) -> usize {
    let (panel, _) = panel.as_chunks::<WIDTH>();
    let inputs = panel.len();
    let mut sums = [[s.splat(0.0); U]; B];
    for (i, weights) in panel.iter().enumerate() {
        for k in 0..WIDTH / U {
            for u in 0..U {
                let weight = weights[k * U + u].load(s);
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
        s.store(s.mul_add(sum, scale, s.load(bias)), &mut y[b * outputs]);
    }
    B
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::pack;

    fn keep(lanes: &[Lanes]) -> Table<Lanes> {
        Arena::default().keep(lanes)
    }

    /// W[i][j] = 10 i + j, b[i] = -i for 20 outputs and 18 inputs, sequences x[j] = j + seq.
    #[test]
    fn products_are_right_for_every_batch() {
        let (rows, columns) = (20, 18);
        let (inputs, outputs) = (Vectors::one(columns), Vectors::one(rows));
        let linear =
            Linear::new(inputs, outputs, |i, j| (10 * i + j) as f32, |i| -(i as f32), keep);
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

    /// As [`products_are_right_for_every_batch`], with weights of other sizes for every output.
    #[test]
    fn rounded_weights_are_right_to_15_bits_of_the_largest() {
        let (rows, columns) = (20, 18);
        let (inputs, outputs) = (Vectors::one(columns), Vectors::one(rows));
        let weight = |i: usize, j: usize| (1.3 * (i * columns + j) as f32).sin() * size(i);
        fn size(i: usize) -> f32 {
            if i == 7 { 0.0 } else { 10f32.powi(i as i32 - 10) }
        }
        let mut linear = Linear::new(inputs, outputs, weight, |_| 0.0, keep);
        let before = linear.bytes();
        linear.round(&mut Arena::default());
        assert!(linear.bytes() < before * 3 / 5);
        for (batch, isa) in (1..=5).flat_map(|batch| Isa::both().map(|isa| (batch, isa))) {
            let x = |j: usize, seq: usize| ((j * 5 + seq) % 7) as f32 - 3.0;
            let packed: Vec<Lanes> =
                (0..batch).flat_map(|seq| pack((0..columns).map(|j| x(j, seq)))).collect();
            let mut y = vec![Lanes::ZERO; batch * outputs.lanes()];
            linear.apply(isa, &packed, &mut y);
            for (seq, y) in y.chunks_exact(outputs.lanes()).enumerate() {
                for i in 0..rows {
                    let expected: f32 = (0..columns).map(|j| weight(i, j) * x(j, seq)).sum();
                    let length: f32 = (0..columns).map(|j| x(j, seq).abs()).sum();
                    // Half a step for each weight, and the rounding of float32.
                    let error = (y[i / WIDTH].0[i % WIDTH] - expected).abs();
                    assert!(error <= size(i) * length * 1.1 / 65_534.0, "{error:e} of {i}");
                }
            }
        }
    }

    #[test]
    fn rounding_does_not_hide_damaged_weights() {
        for damaged in [f32::NAN, f32::INFINITY] {
            let weight = |i, j| if (i, j) == (1, 1) { damaged } else { 1.0 };
            let mut linear = Linear::new(Vectors::one(3), Vectors::one(2), weight, |_| 0.0, keep);
            linear.round(&mut Arena::default());
            let mut y = [Lanes::ZERO];
            linear.apply(Isa::detect(), &pack([1.0; 3]), &mut y);
            assert!((y[0].0[0] - 3.0).abs() < 1e-3 && y[0].0[1].is_nan(), "{y:?}");
        }
    }

    #[test]
    fn interleaved_vectors_are_taken_apart() {
        let vectors = Vectors::interleaved(2, 17);
        assert_eq!((vectors.lanes(), vectors.entries()), (4, 34));
        assert_eq!((vectors.source(3), vectors.source(16)), (Some(6), Some(32)));
        assert_eq!((vectors.source(17), vectors.source(32 + 1)), (None, Some(3)));
        let vectors = Vectors::concatenated(2, 17);
        assert_eq!((vectors.source(16), vectors.source(32)), (Some(16), Some(17)));
    }
}

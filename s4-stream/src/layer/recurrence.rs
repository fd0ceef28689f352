//! Sixteen channels of an S4 or S4D layer at a time, one step each.

use anyhow::{Context, Result};
use num_complex::Complex64;
use s4_config::SsmConfig;

use crate::simd::{Arena, Isa, Kernel, Lanes, Simd, Table, WIDTH, lanes, pack};
use crate::ssm::{self, System};
use crate::weights::Place;

/// The [`System`]s of all channels, and the skip D around them: y_c = … + D_c u.
#[derive(Debug, Clone)]
pub(crate) struct Recurrence {
    /// Pairs of state variables of a channel.
    pairs: usize,
    /// Outputs C of a channel.
    channels: usize,
    /// Inputs of the systems: u, and the R products that the state carries.
    inputs: usize,
    d_model: usize,
    /// Lanes of channels.
    blocks: usize,
    /// Block by block and pair by pair, all that a step needs: E - 1, each input, each output.
    /// Numbers are (Re, Im), those of outputs (Re, -Im).
    tables: Table<Lanes>,
    /// D, block by block and output by output.
    skip: Table<Lanes>,
}

impl Recurrence {
    /// Reads `D` (C, H) and `kernel.*`.
    pub fn read(
        place: &Place,
        config: &SsmConfig,
        d_model: usize,
        channels: usize,
    ) -> Result<Self> {
        let systems = ssm::systems(&place.sub("kernel"), config, d_model, channels)?;
        let skip = place.tensor("D", &[channels, d_model])?;
        let first = systems.first().context("a layer needs a channel")?;
        let (pairs, inputs) = (first.change.len(), first.inputs.len());
        let (mut tables, mut skips) = (Vec::new(), Vec::new());
        for (block, systems) in systems.chunks(WIDTH).enumerate() {
            push_tables(&mut tables, systems);
            for c in 0..channels {
                let skip = &skip[c * d_model + block * WIDTH..][..systems.len()];
                skips.extend(pack(skip.iter().map(|&d| d as f32)));
            }
        }
        let (tables, skip) = (place.keep(&tables), place.keep(&skips));
        Ok(Self { pairs, channels, inputs, d_model, blocks: lanes(d_model), tables, skip })
    }

    /// Keeps the tables in `arena`.
    pub fn move_to(&mut self, arena: &mut Arena) {
        self.tables = arena.keep(&self.tables);
        self.skip = arena.keep(&self.skip);
    }

    /// Lanes of a sequence's inputs (H).
    pub fn lanes(&self) -> usize {
        self.blocks
    }

    /// Lanes of a sequence's outputs (C, H).
    pub fn width(&self) -> usize {
        self.channels * self.blocks
    }

    fn outputs(&self) -> usize {
        self.channels + self.inputs - 1
    }

    /// Lanes of the tables of a pair.
    fn stride(&self) -> usize {
        2 * (1 + self.inputs + self.outputs())
    }

    /// Lanes that a sequence's state takes: block by block the products, then the pairs.
    pub fn state(&self) -> usize {
        self.blocks * self.block_state()
    }

    fn block_state(&self) -> usize {
        self.inputs - 1 + 2 * self.pairs
    }

    /// Numbers of a sequence's state in libtorch, (H, N) = (H, (Re z, Im z)).
    pub fn states(&self) -> usize {
        self.d_model * 2 * self.pairs
    }

    /// The `state` of sequences whose states are x (B, H, N), with the products that it carries.
    pub fn load(&self, x: &[f32], state: &mut [Lanes]) {
        let sequences = x.chunks_exact(self.states());
        for (x, state) in sequences.zip(state.chunks_exact_mut(self.state())) {
            for (channel, x) in x.chunks_exact(2 * self.pairs).enumerate() {
                let (block, lane) = (channel / WIDTH, channel % WIDTH);
                let state = &mut state[block * self.block_state()..][..self.block_state()];
                let (products, pairs) = state.split_at_mut(self.inputs - 1);
                let (pairs, _) = pairs.as_chunks_mut::<2>();
                let (re, im) = x.split_at(self.pairs);
                for ((pair, &re), &im) in pairs.iter_mut().zip(re).zip(im) {
                    pair[0].0[lane] = re;
                    pair[1].0[lane] = im;
                }
                let tables = &self.tables[block * self.pairs * self.stride()..];
                for (r, product) in products.iter_mut().enumerate() {
                    let at = 2 + 2 * (self.inputs + self.channels + r);
                    let terms = tables.chunks_exact(self.stride()).zip(&*pairs);
                    let term = |(table, pair): (&[Lanes], &[Lanes; 2])| {
                        let part = |i: usize| {
                            f64::from(table[at + i].0[lane]) * f64::from(pair[i].0[lane])
                        };
                        part(0) + part(1)
                    };
                    product.0[lane] = terms.map(term).sum::<f64>() as f32;
                }
            }
        }
    }

    /// Bytes of tables.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.tables[..]) + size_of_val(&self.skip[..])
    }

    /// Inputs u (H), sequence by sequence, to outputs y (C, H).
    pub fn step(&self, isa: Isa, u: &[Lanes], state: &mut [Lanes], y: &mut [Lanes]) {
        isa.run(Step { recurrence: self, u, state, y });
    }
}

/// Appends the tables of a block's `systems`.
fn push_tables(tables: &mut Vec<Lanes>, systems: &[System]) {
    let mut push = |number: &dyn Fn(&System) -> Complex64, sign: f64| {
        tables.extend(pack(systems.iter().map(|system| number(system).re as f32)));
        tables.extend(pack(systems.iter().map(|system| (sign * number(system).im) as f32)));
    };
    let Some(System { change, inputs, outputs }) = systems.first() else { return };
    for n in 0..change.len() {
        push(&|system| system.change[n], 1.0);
        for i in 0..inputs.len() {
            push(&|system| system.inputs[i][n], 1.0);
        }
        for o in 0..outputs.len() {
            push(&|system| system.outputs[o][n], -1.0);
        }
    }
}

struct Step<'a> {
    recurrence: &'a Recurrence,
    u: &'a [Lanes],
    state: &'a mut [Lanes],
    y: &'a mut [Lanes],
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let recurrence = self.recurrence;
        let Recurrence { channels, blocks, inputs, .. } = *recurrence;
        let batch = self.u.len() / blocks;
        let tables = recurrence.tables.chunks_exact(recurrence.pairs * recurrence.stride());
        let skips = recurrence.skip.chunks_exact(channels);
        for (block, (tables, skips)) in tables.zip(skips).enumerate() {
            // The tables stay in the nearest cache while all sequences pass.
            for sequence in 0..batch {
                let own = sequence * recurrence.state() + block * recurrence.block_state();
                let state = &mut self.state[own..][..recurrence.block_state()];
                let u = s.load(&self.u[sequence * blocks + block]);
                // Outputs of a sequence lie output by output.
                let y = &mut self.y[sequence * channels * blocks + block..];
                match (inputs, channels) {
                    (1, 1) => step::<S, 1>(s, tables, skips, u, state, y),
                    (2, 1) => step::<S, 2>(s, tables, skips, u, state, y),
                    _ => step_any(s, recurrence, tables, skips, u, state, y),
                }
            }
        }
    }
}

/// One block of one sequence with I inputs and as many outputs: S4D, and S4 of rank I - 1, with one
/// output per channel. One pass over the state.
#[inline(always)]
fn step<S: Simd, const I: usize>(
    s: S,
    tables: &[Lanes],
    skip: &[Lanes],
    u: S::V,
    state: &mut [Lanes],
    y: &mut [Lanes],
) {
    let (products, pairs) = state.split_at_mut(I - 1);
    let mut drive = [u; I];
    for (drive, product) in drive[1..].iter_mut().zip(&*products) {
        *drive = s.load(product);
    }
    let mut sums = [[s.splat(0.0); 2]; I];
    let tables = tables.chunks_exact(2 + 4 * I);
    for (table, pair) in tables.zip(pairs.as_chunks_mut::<2>().0) {
        let (mut re, mut im) = rotate(s, &table[0], &table[1], pair);
        for i in 0..I {
            re = s.mul_add(s.load(&table[2 + 2 * i]), drive[i], re);
            im = s.mul_add(s.load(&table[3 + 2 * i]), drive[i], im);
        }
        s.store(re, &mut pair[0]);
        s.store(im, &mut pair[1]);
        for o in 0..I {
            sums[o][0] = s.mul_add(s.load(&table[2 + 2 * I + 2 * o]), re, sums[o][0]);
            sums[o][1] = s.mul_add(s.load(&table[3 + 2 * I + 2 * o]), im, sums[o][1]);
        }
    }
    let output = s.add(sums[0][0], sums[0][1]);
    s.store(s.mul_add(s.load(&skip[0]), u, output), &mut y[0]);
    for o in 1..I {
        s.store(s.add(sums[o][0], sums[o][1]), &mut products[o - 1]);
    }
}

/// The same for any number of inputs and outputs: a pass over the state that moves it on, and one
/// for each output.
#[inline(always)]
fn step_any<S: Simd>(
    s: S,
    recurrence: &Recurrence,
    tables: &[Lanes],
    skip: &[Lanes],
    u: S::V,
    state: &mut [Lanes],
    y: &mut [Lanes],
) {
    let Recurrence { channels, blocks, inputs, .. } = *recurrence;
    let (products, pairs) = state.split_at_mut(inputs - 1);
    let (pairs, _) = pairs.as_chunks_mut::<2>();
    let tables = || tables.chunks_exact(recurrence.stride());
    for (table, pair) in tables().zip(&mut *pairs) {
        let (mut re, mut im) = rotate(s, &table[0], &table[1], pair);
        re = s.mul_add(s.load(&table[2]), u, re);
        im = s.mul_add(s.load(&table[3]), u, im);
        for (input, product) in table[4..].chunks_exact(2).zip(&*products) {
            re = s.mul_add(s.load(&input[0]), s.load(product), re);
            im = s.mul_add(s.load(&input[1]), s.load(product), im);
        }
        s.store(re, &mut pair[0]);
        s.store(im, &mut pair[1]);
    }
    for output in 0..recurrence.outputs() {
        let at = 2 + 2 * inputs + 2 * output;
        let mut sum = s.splat(0.0);
        for (table, pair) in tables().zip(&*pairs) {
            sum = s.mul_add(s.load(&table[at]), s.load(&pair[0]), sum);
            sum = s.mul_add(s.load(&table[at + 1]), s.load(&pair[1]), sum);
        }
        match skip.get(output) {
            Some(skip) => s.store(s.mul_add(s.load(skip), u, sum), &mut y[output * blocks]),
            None => s.store(sum, &mut products[output - channels]),
        }
    }
}

/// E z as z + (E - 1) z.
#[inline(always)]
fn rotate<S: Simd>(s: S, change_re: &Lanes, change_im: &Lanes, z: &[Lanes; 2]) -> (S::V, S::V) {
    let (re, im) = (s.load(&z[0]), s.load(&z[1]));
    let (change_re, change_im) = (s.load(change_re), s.load(change_im));
    let next_re = s.neg_mul_add(change_im, im, s.mul_add(change_re, re, re));
    let next_im = s.mul_add(change_im, re, s.mul_add(change_re, im, im));
    (next_re, next_im)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PAIRS: usize = 6;

    fn random(rng: &mut ChaCha8Rng, inputs: usize, channels: usize) -> System {
        let mut vector = |size: f64| -> Vec<Complex64> {
            let mut draw = || rng.random_range(-size..size);
            (0..PAIRS).map(|_| Complex64::new(draw(), draw())).collect()
        };
        System {
            change: vector(0.2).into_iter().map(|z| z - 0.4).collect(),
            inputs: (0..inputs).map(|_| vector(0.3)).collect(),
            outputs: (0..channels + inputs - 1).map(|_| vector(0.3)).collect(),
        }
    }

    /// Outputs of one channel in float64, step by step and output by output.
    fn expected(system: &System, channels: usize, skip: f64, u: &[f64]) -> Vec<Vec<f64>> {
        let mut z = vec![Complex64::ZERO; PAIRS];
        let mut products = vec![0.0; system.inputs.len() - 1];
        let step = |&u: &f64| {
            for (n, z) in z.iter_mut().enumerate() {
                *z += system.change[n] * *z + system.inputs[0][n] * u;
                for (input, product) in system.inputs[1..].iter().zip(&products) {
                    *z += input[n] * product;
                }
            }
            let rows = system.outputs.iter();
            let all: Vec<f64> =
                rows.map(|row| row.iter().zip(&z).map(|(r, z)| (r * z).re).sum()).collect();
            products.copy_from_slice(&all[channels..]);
            all[..channels].iter().map(|y| y + skip * u).collect()
        };
        u.iter().map(step).collect()
    }

    #[test]
    fn steps_are_those_of_the_systems() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (width, batch, steps) = (19, 3, 12);
        let shapes = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)];
        for ((inputs, channels), isa) in
            shapes.into_iter().flat_map(|s| Isa::both().map(|i| (s, i)))
        {
            let systems: Vec<_> = (0..width).map(|_| random(&mut rng, inputs, channels)).collect();
            let mut arena = Arena::default();
            let skip = arena.keep(&vec![Lanes([0.5; WIDTH]); 2 * channels]);
            let mut tables = Vec::new();
            systems.chunks(WIDTH).for_each(|systems| push_tables(&mut tables, systems));
            let recurrence = Recurrence {
                pairs: PAIRS,
                channels,
                inputs,
                d_model: width,
                blocks: 2,
                tables: arena.keep(&tables),
                skip,
            };
            let u: Vec<Vec<f64>> = (0..batch * width)
                .map(|_| (0..steps).map(|_| f64::from(rng.random_range(-1f32..1.0))).collect())
                .collect();
            let mut state = vec![Lanes::ZERO; batch * recurrence.state()];
            let mut y = vec![Lanes::ZERO; batch * channels * 2];
            let found: Vec<Vec<Lanes>> = (0..steps)
                .map(|step| {
                    let now: Vec<Lanes> = u
                        .chunks_exact(width)
                        .flat_map(|u| pack(u.iter().map(|u| u[step] as f32)))
                        .collect();
                    recurrence.step(isa, &now, &mut state, &mut y);
                    y.clone()
                })
                .collect();
            for sequence in 0..batch {
                for (h, system) in systems.iter().enumerate() {
                    let expected = expected(system, channels, 0.5, &u[sequence * width + h]);
                    for (found, expected) in found.iter().zip(expected) {
                        for (c, expected) in expected.into_iter().enumerate() {
                            let at = (sequence * channels + c) * 2 + h / WIDTH;
                            let found = f64::from(found[at].0[h % WIDTH]);
                            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
                        }
                    }
                }
            }
        }
    }
}

//! From the stored parameters of an S4 or S4D layer to what a step needs.
//!
//! H channels have a system each, of N/2 complex states z that stand for N real ones by conjugate
//! symmetry:
//!
//! ```text
//! z' = E z + b̄ u - Σ_r v_r g_r(z),   y_c = 2 Re(c_c z'),   g_r(z) = Re(h_r z)
//! ```
//!
//! with a diagonal E. The sum is there for S4 alone: its Ā = 2 (1 - ΔA/2)⁻¹ - 1 is diagonal plus
//! low rank by the Woodbury identity, so a step takes O(N R) operations and is exact.
//!
//! A product g_r(z) of the next step needs nothing that this step does not have, so it is computed
//! here, along with the outputs, and kept with the state: a step then passes over the state once. The
//! system looks like one with 1 + R inputs (u and the products) and C + R outputs (y and the next
//! products), and that is what a [`System`] is.

use std::f64::consts::PI;

use anyhow::{Result, ensure};
use num_complex::Complex64;
use s4_config::{Discretisation, Mode, SsmConfig, Transform};

use crate::settings::size;
use crate::weights::Place;

/// Steps of one channel, in float64.
#[derive(Debug)]
pub(crate) struct System {
    /// E - 1 of every pair: E is close to 1, and a float32 keeps more digits of the difference.
    pub change: Vec<Complex64>,
    /// What enters pair n with each input, input by input: z'ₙ += inputsₙ · u.
    pub inputs: Vec<Vec<Complex64>>,
    /// Output by output: y = Re(Σₙ outputsₙ z'ₙ). The first C are the layer's.
    pub outputs: Vec<Vec<Complex64>>,
}

/// Reads `inv_dt`, `A_real`, … of `place` and discretises the systems of H = `d_model` channels
/// with C = `channels` outputs each.
pub(crate) fn systems(
    place: &Place,
    config: &SsmConfig,
    d_model: usize,
    channels: usize,
) -> Result<Vec<System>> {
    let parameters = Parameters::read(place, config, d_model, channels)?;
    (0..d_model).map(|channel| parameters.system(channel)).collect()
}

/// The stored parameters.
struct Parameters<'a> {
    config: &'a SsmConfig,
    /// Pairs N/2.
    pairs: usize,
    /// Systems S that channels share: channel h has system h mod S.
    shared: usize,
    d_model: usize,
    channels: usize,
    /// (H, 1) or (H, N/2).
    inv_dt: Vec<f64>,
    /// (S, N/2).
    a_real: Vec<f64>,
    /// (S, N/2); absent for real systems.
    a_imag: Option<Vec<f64>>,
    /// (S, N/2).
    b: Vec<Complex64>,
    /// (C, H, N/2).
    c: Vec<Complex64>,
    /// (R, S, N/2); R = 0 for S4D.
    p: Vec<Complex64>,
}

impl<'a> Parameters<'a> {
    fn read(place: &Place, config: &'a SsmConfig, d_model: usize, channels: usize) -> Result<Self> {
        let pairs = size(config.d_state) / if config.is_real { 1 } else { 2 };
        let shared = config.n_ssm.map_or(d_model, size);
        ensure!(
            d_model.is_multiple_of(shared),
            "model.layer.ssm.n_ssm must divide the width {d_model} of the layer, got {shared}"
        );
        let complex = |name: &str, shape: [usize; 3]| -> Result<Vec<Complex64>> {
            if config.is_real {
                let values = place.tensor(name, &shape)?;
                return Ok(values.into_iter().map(Complex64::from).collect());
            }
            let values = place.tensor(name, &[shape[0], shape[1], shape[2], 2])?;
            Ok(values.as_chunks().0.iter().map(|&[re, im]| Complex64::new(re, im)).collect())
        };
        let steps = if config.dt_tie { 1 } else { pairs };
        let p = match config.mode {
            Mode::S4d => Vec::new(),
            Mode::S4 => {
                let length = place.tensor("l_kernel", &[])?[0];
                ensure!(
                    length == 0.0,
                    "C is stored as C̃ for kernels of {length} values, as the official code does; \
                     import the checkpoint with --undo-c-tilde"
                );
                complex("P", [size(config.rank), shared, pairs])?
            }
        };
        Ok(Self {
            inv_dt: place.tensor("inv_dt", &[d_model, steps])?,
            a_real: place.tensor("A_real", &[shared, pairs])?,
            a_imag: if config.is_real {
                None
            } else {
                Some(place.tensor("A_imag", &[shared, pairs])?)
            },
            b: complex("B", [1, shared, pairs])?,
            c: complex("C", [channels, d_model, pairs])?,
            p,
            config,
            pairs,
            shared,
            d_model,
            channels,
        })
    }

    fn a(&self, shared: usize) -> Vec<Complex64> {
        let range = shared * self.pairs..(shared + 1) * self.pairs;
        let real = quantities(self.config.real_transform, &self.a_real[range.clone()]);
        let imag = match &self.a_imag {
            None => vec![0.0; self.pairs],
            Some(imag) => quantities(self.config.imag_transform, &imag[range]),
        };
        real.into_iter().zip(imag).map(|(re, im)| Complex64::new(-re, -im)).collect()
    }

    /// Δ of every pair.
    fn dt(&self, channel: usize) -> Vec<f64> {
        let steps = self.inv_dt.len() / self.d_model;
        let mut stored = self.inv_dt[channel * steps..(channel + 1) * steps].to_vec();
        if self.config.dt_fast {
            stored.iter_mut().for_each(|x| *x = x.sinh());
        }
        let dt = quantities(self.config.dt_transform, &stored);
        if steps == 1 { vec![dt[0]; self.pairs] } else { dt }
    }

    fn system(&self, channel: usize) -> Result<System> {
        let (pairs, shared) = (self.pairs, channel % self.shared);
        let (a, dt) = (self.a(shared), self.dt(channel));
        let b = &self.b[shared * pairs..][..pairs];
        let mut outputs: Vec<Vec<Complex64>> = (0..self.channels)
            .map(|c| self.c[(c * self.d_model + channel) * pairs..][..pairs].to_vec())
            .collect();
        for c in &mut outputs {
            for ((c, a), dt) in c.iter_mut().zip(&a).zip(&dt) {
                let frequency = dt * a.im.abs() / (2.0 * PI);
                let kept = self.config.bandlimit.is_none_or(|limit| frequency < limit * 0.5);
                *c = if kept { *c * 2.0 } else { Complex64::ZERO };
            }
        }
        let p: Vec<&[Complex64]> = (self.p.chunks_exact(self.shared * pairs))
            .map(|systems| &systems[shared * pairs..][..pairs])
            .collect();
        if self.config.mode == Mode::S4 || self.config.disc == Discretisation::Bilinear {
            return bilinear(&a, &dt, b, &p, outputs);
        }
        // Zero-order hold.
        let change: Vec<_> = a.iter().zip(&dt).map(|(a, dt)| exp_m1(a * dt)).collect();
        let input = (0..pairs).map(|n| change[n] / a[n] * b[n]).collect();
        Ok(System { change, inputs: vec![input], outputs })
    }
}

/// With the resolvent (1 - ΔA/2)⁻¹ = D - DU G, where D = (1 - ΔΛ/2)⁻¹, U = ΔP/2 and, for the real
/// inner product W = 2P, G = (1 + Wᵀ D U)⁻¹ Wᵀ D: b̄ is the resolvent of Δb, Ā twice the resolvent
/// minus one.
fn bilinear(
    a: &[Complex64],
    dt: &[f64],
    b: &[Complex64],
    p: &[&[Complex64]],
    mut outputs: Vec<Vec<Complex64>>,
) -> Result<System> {
    let pairs = 0..a.len();
    let rank = p.len();
    let d: Vec<_> = pairs.clone().map(|n| (1.0 - a[n] * (dt[n] / 2.0)).inv()).collect();
    let du: Vec<Vec<_>> =
        p.iter().map(|p| pairs.clone().map(|n| d[n] * p[n] * (dt[n] / 2.0)).collect()).collect();
    // Wᵀ D, as complex rows whose product's real part counts.
    let wd: Vec<Vec<_>> =
        p.iter().map(|p| pairs.clone().map(|n| 2.0 * p[n].conj() * d[n]).collect()).collect();
    let product = |row: &[Complex64], column: &[Complex64]| -> f64 {
        row.iter().zip(column).map(|(r, c)| (r * c).re).sum()
    };
    let small: Vec<Vec<f64>> = (0..rank)
        .map(|r| {
            let w: Vec<_> = p[r].iter().map(|p| 2.0 * p.conj()).collect();
            (0..rank).map(|s| f64::from(r == s) + product(&w, &du[s])).collect()
        })
        .collect();
    let gain = solve(small, wd)?;

    let mut input: Vec<_> = pairs.clone().map(|n| d[n] * b[n] * dt[n]).collect();
    let scaled: Vec<_> = pairs.clone().map(|n| b[n] * dt[n]).collect();
    for (du, gain) in du.iter().zip(&gain) {
        let g = product(gain, &scaled);
        for (input, du) in input.iter_mut().zip(du) {
            *input -= du * g;
        }
    }
    let change = pairs.map(|n| a[n] * d[n] * dt[n]).collect(); // 2 D - 2
    let mut inputs = vec![input];
    inputs.extend(du.iter().map(|du| du.iter().map(|x| x * -2.0).collect()));
    outputs.extend(gain);
    Ok(System { change, inputs, outputs })
}

/// m⁻¹ x for a small real matrix m and rows x, by elimination with pivots.
fn solve(mut m: Vec<Vec<f64>>, mut x: Vec<Vec<Complex64>>) -> Result<Vec<Vec<Complex64>>> {
    let rank = m.len();
    for at in 0..rank {
        let pivot = (at..rank)
            .max_by(|&i, &j| m[i][at].abs().total_cmp(&m[j][at].abs()))
            .expect("the range is not empty");
        m.swap(at, pivot);
        x.swap(at, pivot);
        ensure!(
            m[at][at].is_normal(),
            "the low-rank term cannot be discretised: a parameter is not finite, or A and P are \
             out of proportion"
        );
        let scale = 1.0 / m[at][at];
        m[at].iter_mut().for_each(|v| *v *= scale);
        x[at].iter_mut().for_each(|v| *v *= scale);
        let (row, values) = (m[at].clone(), x[at].clone());
        for other in (0..rank).filter(|&other| other != at) {
            let factor = m[other][at];
            m[other].iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
            x[other].iter_mut().zip(&values).for_each(|(v, r)| *v -= factor * r);
        }
    }
    Ok(x)
}

/// eᶻ - 1 without cancellation for small z.
fn exp_m1(z: Complex64) -> Complex64 {
    let half = (z.im / 2.0).sin();
    let real = z.re.exp_m1() * z.im.cos() - 2.0 * half * half;
    Complex64::new(real, z.re.exp() * z.im.sin())
}

/// The quantities that the stored numbers stand for.
fn quantities(transform: Transform, stored: &[f64]) -> Vec<f64> {
    let quantity = |&x: &f64| match transform {
        Transform::None => x,
        Transform::Exp => x.exp(),
        Transform::Relu => x.max(0.0) + 1e-4,
        Transform::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Transform::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
    };
    stored.iter().map(quantity).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn complex(rng: &mut ChaCha8Rng, n: usize) -> Vec<Complex64> {
        let mut draw = || rng.random_range(-1.0..1.0);
        (0..n).map(|_| Complex64::new(draw(), draw())).collect()
    }

    /// Dense real solution of m x = y by elimination.
    fn dense_solve(m: &[Vec<f64>], y: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let y = y.iter().map(|row| row.iter().map(|&v| Complex64::from(v)).collect()).collect();
        let x = solve(m.to_vec(), y).unwrap();
        x.into_iter().map(|row| row.into_iter().map(|v| v.re).collect()).collect()
    }

    /// Outputs of the literal bilinear system: N x N matrices in the coordinates (Re z, Im z).
    fn dense_outputs(
        a: &[Complex64],
        dt: &[f64],
        b: &[Complex64],
        p: &[Vec<Complex64>],
        c: &[Complex64],
        u: &[f64],
    ) -> Vec<f64> {
        let (half, n) = (a.len(), 2 * a.len());
        let mut matrix = vec![vec![0.0; n]; n];
        for i in 0..half {
            matrix[i][i] = a[i].re;
            matrix[i][half + i] = -a[i].im;
            matrix[half + i][i] = a[i].im;
            matrix[half + i][half + i] = a[i].re;
        }
        let part = |z: &[Complex64], i: usize| if i < half { z[i].re } else { z[i - half].im };
        for p in p {
            for (i, row) in matrix.iter_mut().enumerate() {
                // z ↦ P P* z with its conjugate twin: 2 P Re(P* z).
                row.iter_mut().enumerate().for_each(|(j, m)| *m -= 2.0 * part(p, i) * part(p, j));
            }
        }
        let shifted = |sign: f64| -> Vec<Vec<f64>> {
            let entry =
                |i: usize, j: usize| f64::from(i == j) + sign * dt[i % half] / 2.0 * matrix[i][j];
            (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
        };
        let a_bar = dense_solve(&shifted(-1.0), &shifted(1.0));
        let scaled: Vec<_> = (0..n).map(|i| vec![dt[i % half] * part(b, i)]).collect();
        let b_bar = dense_solve(&shifted(-1.0), &scaled);
        let mut x = vec![0.0; n];
        let mut outputs = Vec::new();
        for u in u {
            x = (0..n)
                .map(|i| (0..n).map(|j| a_bar[i][j] * x[j]).sum::<f64>() + b_bar[i][0] * u)
                .collect();
            outputs.push((0..half).map(|i| 2.0 * (c[i].re * x[i] - c[i].im * x[half + i])).sum());
        }
        outputs
    }

    /// Outputs of a [`System`] in float64.
    fn outputs(system: &System, u: &[f64]) -> Vec<f64> {
        let mut z = vec![Complex64::ZERO; system.change.len()];
        let mut products = vec![0.0; system.outputs.len()];
        let mut found = Vec::new();
        for &u in u {
            let mut drive = products.clone();
            drive[0] = u;
            for (n, z) in z.iter_mut().enumerate() {
                *z += system.change[n] * *z;
                *z += system.inputs.iter().zip(&drive).map(|(i, d)| i[n] * d).sum::<Complex64>();
            }
            for (product, row) in products.iter_mut().zip(&system.outputs) {
                *product = row.iter().zip(&z).map(|(r, z)| (r * z).re).sum();
            }
            found.push(products[0]);
        }
        found
    }

    #[test]
    fn low_rank_steps_are_those_of_the_dense_matrix() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for rank in 0..=3 {
            let pairs = 5;
            let a: Vec<_> = (0..pairs).map(|n| Complex64::new(-0.5, -3.0 * n as f64)).collect();
            let dt: Vec<f64> = (0..pairs).map(|_| rng.random_range(0.01..0.2)).collect();
            let (b, c) = (complex(&mut rng, pairs), complex(&mut rng, pairs));
            let p: Vec<_> = (0..rank).map(|_| complex(&mut rng, pairs)).collect();
            let u: Vec<f64> = (0..50).map(|_| rng.random_range(-1.0..1.0)).collect();
            let rows: Vec<_> = p.iter().map(Vec::as_slice).collect();
            let doubled = c.iter().map(|c| c * 2.0).collect();
            let system = bilinear(&a, &dt, &b, &rows, vec![doubled]).unwrap();
            let expected = dense_outputs(&a, &dt, &b, &p, &c, &u);
            for (found, expected) in outputs(&system, &u).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "rank {rank}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn parameters_that_are_not_finite_are_refused() {
        let z = [Complex64::new(f64::NAN, 0.0)];
        let error = bilinear(&z, &[0.1], &z, &[&z], vec![]).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error:#}");
    }

    #[test]
    fn exponentials_of_small_numbers_keep_their_digits() {
        for z in [Complex64::new(-0.3, 2.0), Complex64::new(1e-3, -3.0)] {
            assert!((exp_m1(z) - (z.exp() - 1.0)).norm() < 1e-15);
        }
        let tiny = Complex64::new(-1e-9, 1e-9);
        assert!((exp_m1(tiny) - (tiny + tiny * tiny / 2.0)).norm() < 1e-24);
    }

    #[test]
    fn transforms_are_the_usual_functions() {
        let x = [-40.0, -1.0, 0.5, 40.0];
        let softplus = quantities(Transform::Softplus, &x);
        assert!((softplus[1] - (1.0 + (-1f64).exp()).ln()).abs() < 1e-15);
        assert!((softplus[0] - (-40f64).exp()).abs() < 1e-30 && softplus[3] == 40.0);
        assert_eq!(quantities(Transform::Relu, &x), [1e-4, 1e-4, 0.5 + 1e-4, 40.0 + 1e-4]);
        assert_eq!(quantities(Transform::None, &x), x);
        assert!((quantities(Transform::Sigmoid, &x)[2] - 0.622_459_331_201_854_6).abs() < 1e-15);
    }
}

//! The bilinear discretisation of S4 of rank 1, as one loop a channel with a backward pass of its own.
//!
//! The same in tensor operations (`discrete`) takes dozens of small ones, each on one thread: at short
//! lengths more than everything else that a layer does on one.
//!
//! With complex vectors of N/2 pairs, e = 1 / (1 - ΔΛ/2), <x, y> = Re Σ x* y and v = e Δp/2:
//!
//! ```text
//! (1 - ΔA/2)⁻¹ = e - v q*,   q = 2 e* p / (1 + 2 <p, v>),   Ā = 2 (1 - ΔA/2)⁻¹ - 1
//! b̄ = e Δb - v <q, Δb>
//! ```
//!
//! Shapes: H channels, N real states.

use anyhow::Result;
use num_complex::Complex;
use tch::{Device, Kind, Tensor};

use super::Ssm;
use super::low_rank::LowRank;
use super::transition::Rotation;
use crate::autograd::{self, Gradients};
use crate::native::numbers::Numbers;
use crate::native::parallel;

type C = Complex<f64>;

/// Ā and b̄ (H, N) of a system on the CPU whose P has one column; `None` for any other.
pub(super) fn discretise(ssm: &Ssm) -> Option<(LowRank, Tensor)> {
    let p = ssm.p.as_ref()?;
    if p.device() != Device::Cpu || p.size()[0] != 1 {
        return None;
    }
    let (h, half) = ssm.a.size2().expect("(H, N/2)");
    let inputs = [&ssm.dt, &ssm.a, &ssm.b, p];
    let system = System::new(inputs);
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
    let (n, guard) = (2 * half, tch::no_grad_guard());
    let outputs = [
        zeros(&[h, half]),
        zeros(&[h, half]),
        zeros(&[h, n, 1]),
        zeros(&[h, 1, n]),
        zeros(&[h, n]),
    ];
    system.forward(&outputs);
    drop(guard);
    let sizes = inputs.map(Tensor::size);
    let attached =
        autograd::attach(&inputs, &outputs.each_ref(), move |gradients| -> Result<Gradients> {
            let found = system.backward(gradients);
            let shaped = found.into_iter().zip(&sizes).map(|(g, size)| Some(g.view(&**size)));
            Ok(shaped.collect())
        });
    attached.expect("fresh tensors have no graph");
    let [re, im, p, q, b] = outputs;
    Some((LowRank { d: Rotation { re, im }, p, q }, b))
}

/// What is discretised, without a graph; complex numbers as pairs.
struct System {
    /// (H, 1) or (H, N/2).
    dt: Tensor,
    /// Λ, b and p, (H, N/2, 2).
    a: Tensor,
    b: Tensor,
    p: Tensor,
}

impl System {
    fn new([dt, a, b, p]: [&Tensor; 4]) -> Self {
        let pairs = |z: &Tensor| z.detach().resolve_conj().view_as_real().contiguous();
        Self { dt: dt.detach().contiguous(), a: pairs(a), b: pairs(b), p: pairs(&p.select(0, 0)) }
    }

    /// Re and Im of Ā's diagonal, its column, its row, and b̄.
    fn forward(&self, outputs: &[Tensor; 5]) {
        let [re, im, p, q, b] = outputs.each_ref().map(Numbers::<f64>::of);
        self.for_channels(|channel, solved| {
            let n = solved.v.len();
            // SAFETY: every channel is given once.
            let (re, im) = unsafe { (re.write(channel * n, n), im.write(channel * n, n)) };
            let [p, q, b] =
                [&p, &q, &b].map(|x| unsafe { x.write(2 * channel * n, 2 * n) }.split_at_mut(n));
            let t = dot(&solved.q, &solved.beta);
            for i in 0..n {
                let Solved { e, v, q: row, beta, .. } = &solved;
                (re[i], im[i]) = (2.0 * e[i].re - 1.0, 2.0 * e[i].im);
                (p.0[i], p.1[i]) = (2.0 * v[i].re, 2.0 * v[i].im);
                (q.0[i], q.1[i]) = (row[i].re, row[i].im);
                let x = e[i] * beta[i] - v[i] * t;
                (b.0[i], b.1[i]) = (x.re, x.im);
            }
        });
    }

    /// Gradients of Δ, Λ, b and p, without the dimension of ranks. That of a complex number z is
    /// ∂/∂Re z + i ∂/∂Im z, so that z = x y gives x the gradient of z times y*.
    fn backward(&self, of_outputs: &[Option<Tensor>]) -> [Tensor; 4] {
        let (h, half, _) = self.a.size3().expect("(H, N/2, 2)");
        let given: Vec<Tensor> = of_outputs
            .iter()
            .enumerate()
            .map(|(i, g)| match g {
                Some(g) => g.contiguous(),
                None => {
                    let width = if i < 2 { half } else { 2 * half };
                    Tensor::zeros([h, width], (Kind::Double, Device::Cpu))
                }
            })
            .collect();
        let given: Vec<_> = given.iter().map(Numbers::<f64>::of).collect();
        let of_dt = self.dt.zeros_like();
        let found = [&self.a, &self.b, &self.p].map(Tensor::empty_like);
        let (to_dt, steps) = (Numbers::<f64>::of(&of_dt), self.dt.size()[1] as usize);
        let [to_a, to_b, to_p] = found.each_ref().map(Numbers::<f64>::of);
        self.for_channels(|channel, solved| {
            let Solved { h, a, b, p, e, v, q, beta, s } = &solved;
            let n = v.len();
            // SAFETY: gradients that are given are only read; those found are this channel's.
            let of = |i: usize| {
                let (re, im) = match i {
                    0 => unsafe { (given[0].read(channel * n, n), given[1].read(channel * n, n)) },
                    i => unsafe { given[i].read(2 * channel * n, 2 * n) }.split_at(n),
                };
                re.iter().zip(im).map(|(&re, &im)| C { re, im }).collect::<Vec<C>>()
            };
            let (of_d, of_column, of_row, of_b) = (of(0), of(2), of(3), of(4));
            let to = |x: &Numbers<f64>, i: usize, z: C| {
                unsafe { x.write(2 * (channel * n + i), 2) }.copy_from_slice(&[z.re, z.im]);
            };
            let of_dt = unsafe { to_dt.write(channel * steps, steps) };

            let (t, of_t) = (dot(q, beta), -dot(v, &of_b));
            let of_q: Vec<C> = (0..n).map(|i| of_row[i] + beta[i] * of_t).collect();
            let of_s = -dot(&of_q, q) / s;
            for i in 0..n {
                let of_beta = q[i] * of_t + e[i].conj() * of_b[i];
                let of_v = of_column[i] * 2.0 - of_b[i] * t + p[i] * (2.0 * of_s);
                // q s = 2 e* p and v = e u for u = Δp/2
                let of_row = of_q[i] / *s * 2.0;
                let of_u = e[i].conj() * of_v;
                let of_e = of_d[i] * 2.0
                    + of_b[i] * beta[i].conj()
                    + of_row.conj() * p[i]
                    + of_v * (p[i] * h[i]).conj();
                let of_p = of_row * e[i] + v[i] * (2.0 * of_s) + of_u * h[i];
                let of_ha = (e[i] * e[i]).conj() * of_e;
                let of_h = real(p[i], of_u) + real(a[i], of_ha) + 2.0 * real(b[i], of_beta);
                of_dt[i % steps] += 0.5 * of_h;
                to(&to_a, i, of_ha * h[i]);
                to(&to_b, i, of_beta * (2.0 * h[i]));
                to(&to_p, i, of_p);
            }
        });
        let [a, b, p] = found.map(|z| z.view_as_complex());
        [of_dt, a, b, p]
    }

    /// Calls `work` with each channel's number and solution, on several threads.
    fn for_channels(&self, work: impl Fn(usize, Solved) + Sync) {
        let (channels, n, _) = self.a.size3().expect("(H, N/2, 2)");
        let (n, steps) = (n as usize, self.dt.size()[1] as usize);
        let [dt, a, b, p] = [&self.dt, &self.a, &self.b, &self.p].map(Numbers::<f64>::of);
        parallel::for_ranges("discretisation", channels as usize, |range| {
            for channel in range {
                let complex = |x: &Numbers<f64>| {
                    // SAFETY: nobody writes to what is discretised.
                    let pairs = unsafe { x.read(2 * channel * n, 2 * n) }.chunks_exact(2);
                    pairs.map(|z| C { re: z[0], im: z[1] }).collect::<Vec<C>>()
                };
                let dt = unsafe { dt.read(channel * steps, steps) };
                let h = (0..n).map(|i| 0.5 * dt[i % steps]).collect();
                work(channel, Solved::new(h, complex(&a), complex(&b), complex(&p)));
            }
        });
    }
}

/// One channel.
struct Solved {
    /// Δ/2.
    h: Vec<f64>,
    /// Λ.
    a: Vec<C>,
    b: Vec<C>,
    p: Vec<C>,
    e: Vec<C>,
    v: Vec<C>,
    q: Vec<C>,
    /// Δb.
    beta: Vec<C>,
    /// 1 + 2 <p, v>.
    s: f64,
}

impl Solved {
    fn new(h: Vec<f64>, a: Vec<C>, b: Vec<C>, p: Vec<C>) -> Self {
        let n = h.len();
        let e: Vec<C> = (0..n).map(|i| (C::ONE - a[i] * h[i]).inv()).collect();
        let v: Vec<C> = (0..n).map(|i| e[i] * p[i] * h[i]).collect();
        let s = 1.0 + 2.0 * dot(&p, &v);
        let q = (0..n).map(|i| e[i].conj() * p[i] * (2.0 / s)).collect();
        let beta = (0..n).map(|i| b[i] * (2.0 * h[i])).collect();
        Self { h, a, b, p, e, v, q, beta, s }
    }
}

/// Re x* y.
fn real(x: C, y: C) -> f64 {
    x.re * y.re + x.im * y.im
}

/// <x, y>.
fn dot(x: &[C], y: &[C]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| real(x, y)).sum()
}

//! [x, Āx, Ā²x, …]: what a transition makes of a state, step after step.
//!
//! Where Ā is applied in O(N), the steps themselves are the cheapest way, on a CPU: one loop a
//! channel, and the same loop backwards for the derivative. Elsewhere, and for full matrices, powers
//! of Ā double what is there ([`Squares::krylov`], also the twin that tests compare with).

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};

use super::low_rank::LowRank;
use super::transition::{Rotation, Squares, Transition};
use crate::autograd::{self, Gradients};
use crate::native::numbers::{Element, Numbers};
use crate::native::parallel;
use crate::native::vector::{self, Loop, Rows};

/// Āᵗ x for t < `len` and states x (…, H, N) in float64: (…, H, N, len), computed in float64 and
/// rounded to `kind`.
pub fn krylov(a: &Transition, x: &Tensor, len: i64, kind: Kind) -> Tensor {
    let steps = match a {
        Transition::Diagonal(d) if x.device() == Device::Cpu => Steps::new(d, None),
        Transition::LowRank(a) if x.device() == Device::Cpu => Steps::new(&a.d, Some(a)),
        _ => return Squares::new(a).krylov(&x.unsqueeze(-1), len).to_kind(kind),
    };
    let (mut shape, h, n) = {
        let size = x.size();
        let (leading, last) = size.split_at(size.len() - 2);
        (leading.to_vec(), last[0], last[1])
    };
    let x = x.reshape([-1, h, n]);
    let states = match kind {
        Kind::Float => steps.run::<f32>(&x, len),
        _ => steps.run::<f64>(&x, len),
    }; // (K, H, T, N)
    shape.extend([h, len, n]);
    states.view(&*shape).transpose(-1, -2)
}

/// Ā = D - P Q as the loops want it.
struct Steps {
    /// What gradients are for: Re D, Im D and, with a low rank, P and Q.
    sources: Vec<Tensor>,
    tables: Tables,
}

/// Contiguous, without a graph.
struct Tables {
    /// (H, N/2).
    re: Tensor,
    im: Tensor,
    /// Columns of P and rows of Q, (H, R, N).
    p: Tensor,
    q: Tensor,
}

impl Steps {
    fn new(d: &Rotation, low_rank: Option<&LowRank>) -> Self {
        let mut sources = vec![d.re.shallow_clone(), d.im.shallow_clone()];
        sources.extend(low_rank.iter().flat_map(|a| [a.p.shallow_clone(), a.q.shallow_clone()]));
        let (h, half) = d.re.size2().expect("(H, N/2)");
        let none = || Tensor::zeros([h, 0, 2 * half], (Kind::Double, Device::Cpu));
        let plain = |x: &Tensor| x.detach().contiguous();
        let p = low_rank.map_or_else(none, |a| plain(&a.p.transpose(1, 2)));
        let q = low_rank.map_or_else(none, |a| plain(&a.q));
        Self { sources, tables: Tables { re: plain(&d.re), im: plain(&d.im), p, q } }
    }

    /// States (K, H, T, N) from x (K, H, N).
    fn run<T: Element>(self, x: &Tensor, len: i64) -> Tensor {
        let Self { sources, tables } = self;
        let states = {
            let _guard = tch::no_grad_guard();
            tables.forward::<T>(&x.detach().contiguous(), len)
        };
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(&sources).collect();
        let (saved, count) = (states.detach(), inputs.len());
        let attached =
            autograd::attach(&inputs, &[&states], move |gradients| -> Result<Gradients> {
                let [Some(g)] = gradients else { bail!("one output has one gradient") };
                let mut found = tables.backward::<T>(&saved, &g.contiguous());
                found.truncate(count);
                Ok(found.into_iter().map(Some).collect())
            });
        attached.expect("fresh states have no graph");
        states
    }
}

impl Tables {
    fn sizes(&self) -> (usize, usize, usize) {
        let (h, r, n) = self.q.size3().expect("(H, R, N)");
        (h as usize, r as usize, n as usize)
    }

    fn forward<T: Element>(&self, x: &Tensor, len: i64) -> Tensor {
        let (h, r, n) = self.sizes();
        let (batch, t) = (x.size()[0] as usize, len as usize);
        let states = Tensor::empty([x.size()[0], h as i64, len, n as i64], (T::KIND, x.device()));
        let [re, im, p, q] = [&self.re, &self.im, &self.p, &self.q].map(Numbers::<f64>::of);
        let (start, out) = (Numbers::<f64>::of(x), Numbers::<T>::of(&states));
        parallel::for_ranges("powers", h, |range| {
            for channel in range {
                // SAFETY: tables and x are only read; states of this channel are this range's.
                let a = unsafe { Channel::at(channel, [&re, &im, &p, &q], r, n) };
                for k in 0..batch {
                    let at = k * h + channel;
                    let (x, states) =
                        unsafe { (start.read(at * n, n), out.write(at * t * n, t * n)) };
                    vector::run(Forward { a, x, states });
                }
            }
        });
        states
    }

    /// Gradients of x, Re D, Im D, P and Q from those of the states (K, H, T, N).
    fn backward<T: Element>(&self, states: &Tensor, of_states: &Tensor) -> Vec<Tensor> {
        let (h, r, n) = self.sizes();
        let (batch, _, len, _) = states.size4().expect("(K, H, T, N)");
        let (batch, t) = (batch as usize, len as usize);
        let of_x = Tensor::empty([batch as i64, h as i64, n as i64], (Kind::Double, Device::Cpu));
        let [of_re, of_im, of_p, of_q] =
            [&self.re, &self.im, &self.p, &self.q].map(|table| table.empty_like());
        let [re, im, p, q] = [&self.re, &self.im, &self.p, &self.q].map(Numbers::<f64>::of);
        let [x, g] = [states, of_states].map(Numbers::<T>::of);
        let to_x = Numbers::<f64>::of(&of_x);
        let [to_re, to_im, to_p, to_q] = [&of_re, &of_im, &of_p, &of_q].map(Numbers::<f64>::of);
        parallel::for_ranges("powers, backward", h, |range| {
            for channel in range {
                // SAFETY: tables, states and their gradients are only read; what belongs to this
                // channel is this range's.
                let (a, sums) = unsafe {
                    let half = n / 2;
                    let sums = Sums {
                        re: to_re.write(channel * half, half),
                        im: to_im.write(channel * half, half),
                        p: to_p.write(channel * r * n, r * n),
                        q: to_q.write(channel * r * n, r * n),
                    };
                    (Channel::at(channel, [&re, &im, &p, &q], r, n), sums)
                };
                let mut sums = sums;
                for sum in [&mut *sums.re, &mut *sums.im, &mut *sums.p, &mut *sums.q] {
                    sum.fill(0.0);
                }
                for k in 0..batch {
                    let at = k * h + channel;
                    let (states, gradients, of_x) = unsafe {
                        let (start, count) = (at * t * n, t * n);
                        (x.read(start, count), g.read(start, count), to_x.write(at * n, n))
                    };
                    let sums = &mut sums;
                    vector::run(Backward { a, states, gradients, of_x, sums });
                }
            }
        });
        vec![of_x, of_re, of_im, of_p.transpose(1, 2), of_q]
    }
}

/// One channel's Ā.
#[derive(Clone, Copy)]
struct Channel<'a> {
    re: &'a [f64],
    im: &'a [f64],
    p: &'a [f64],
    q: &'a [f64],
    n: usize,
}

impl<'a> Channel<'a> {
    /// # Safety
    /// The tables must have that channel, and nobody may write to them.
    unsafe fn at(h: usize, [re, im, p, q]: [&'a Numbers<f64>; 4], r: usize, n: usize) -> Self {
        let half = n / 2;
        // SAFETY: as the caller promises.
        unsafe {
            Self {
                re: re.read(h * half, half),
                im: im.read(h * half, half),
                p: p.read(h * r * n, r * n),
                q: q.read(h * r * n, r * n),
                n,
            }
        }
    }
}

/// The states from x on.
struct Forward<'a, T> {
    a: Channel<'a>,
    x: &'a [f64],
    states: &'a mut [T],
}

impl<T: Element> Loop for Forward<'_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a: Channel { re, im, p, q, n }, x, states } = self;
        let (mut x, mut next, mut by_q) = (x.to_vec(), vec![0.0; n], vec![0.0; q.len() / n]);
        let q = Rows::new(q, n);
        for place in states.chunks_exact_mut(n) {
            for (place, &x) in place.iter_mut().zip(&x) {
                *place = T::from_f64(x);
            }
            q.product::<FMA>(&x, &mut by_q);
            next.fill(0.0);
            vector::add_product::<FMA, _>(p, &by_q, &mut next);
            for next in &mut next {
                *next = -*next;
            }
            vector::add_rotated::<FMA, _>(re, im, &x, &mut next);
            std::mem::swap(&mut x, &mut next);
        }
    }
}

/// Sums of gradients over all steps, as the tables.
struct Sums<'a> {
    re: &'a mut [f64],
    im: &'a mut [f64],
    p: &'a mut [f64],
    q: &'a mut [f64],
}

/// The gradient λ of each state from that of the next, λ_t = g_t + Āᵀ λ_{t+1}, and of Ā from both. In
/// the kind of the states: a rounding error of a gradient does not come back.
struct Backward<'a, 'b, T> {
    a: Channel<'a>,
    states: &'a [T],
    gradients: &'a [T],
    of_x: &'a mut [f64],
    sums: &'a mut Sums<'b>,
}

impl<T: Element> Loop for Backward<'_, '_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a: Channel { re, im, p, q, n }, states, gradients, of_x, sums } = self;
        let rounded = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
        let [re, im, p, q] = [re, im, p, q].map(rounded);
        let (half, rank, steps) = (n / 2, q.len() / n, states.len() / n - 1);
        let (by_rows_of_p, by_rows_of_q) = (Rows::new(&p, n), Rows::new(&q, n));

        // λ, and -Pᵀλ of each state but the first.
        let mut lambda = gradients.to_vec();
        let mut by_p = vec![T::default(); steps * rank];
        for t in (0..steps).rev() {
            let (before, now) = lambda.split_at_mut((t + 1) * n);
            let (before, now) = (&mut before[t * n..], &now[..n]);
            let by_p = &mut by_p[t * rank..(t + 1) * rank];
            by_rows_of_p.product::<FMA>(now, by_p);
            by_p.iter_mut().for_each(|x| *x = -*x);
            vector::add_product::<FMA, _>(&q, by_p, before);
            let (before, now) = (before.split_at_mut(half), now.split_at(half));
            vector::add_complex::<FMA, true, _>([&re, &im], now.into(), before.into());
        }

        // Σ λ x* for D; for P and Q, where -Q x is missing of each state but the last.
        let (mut of_re, mut of_im) = (vec![T::default(); half], vec![T::default(); half]);
        let mut by_q = vec![T::default(); steps * rank];
        for t in 0..steps {
            let (x, now) = (&states[t * n..(t + 1) * n], &lambda[(t + 1) * n..(t + 2) * n]);
            let by_q = &mut by_q[t * rank..(t + 1) * rank];
            by_rows_of_q.product::<FMA>(x, by_q);
            by_q.iter_mut().for_each(|x| *x = -*x);
            let (x, now) = (x.split_at(half), now.split_at(half));
            let sums = [of_re.as_mut_slice(), of_im.as_mut_slice()];
            vector::add_complex::<FMA, true, _>(x.into(), now.into(), sums);
        }
        add(&of_re, sums.re);
        add(&of_im, sums.im);
        let (by_p, by_q) = (vector::transposed(&by_p, rank), vector::transposed(&by_q, rank));
        let mut sum = vec![T::default(); n];
        for (factors, vectors, sums) in
            [(&by_q, &lambda[n..], &mut *sums.p), (&by_p, &states[..steps * n], &mut *sums.q)]
        {
            for (factors, sums) in factors.chunks_exact(steps.max(1)).zip(sums.chunks_exact_mut(n))
            {
                sum.fill(T::default());
                vector::add_product::<FMA, _>(vectors, factors, &mut sum);
                add(&sum, sums);
            }
        }
        of_x.iter_mut().zip(&lambda).for_each(|(x, lambda)| *x = lambda.to_f64());
    }
}

/// Adds x to the sums.
#[inline(always)]
fn add<T: Element>(x: &[T], sums: &mut [f64]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum += x.to_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu))
    }

    /// States, and gradients of a random functional of them, by steps and by doubling.
    #[test]
    fn steps_are_powers() {
        for (k, h, n, r, len) in
            [(1, 1, 2, 1, 1), (2, 3, 8, 1, 5), (1, 2, 42, 2, 33), (3, 2, 64, 0, 64)]
        {
            let unit = (n as f64).sqrt();
            let parameters = [
                normal(&[k, h, n]),
                normal(&[h, n / 2]) * 0.6,
                normal(&[h, n / 2]) * 0.6,
                normal(&[h, n, r]) / unit,
                normal(&[h, r, n]) / unit,
            ];
            let weight = normal(&[k, h, n, len]);
            let outcome = |by: &dyn Fn(&Transition, &Tensor) -> Tensor| {
                let leaves = parameters.each_ref().map(|p| p.copy().set_requires_grad(true));
                let [x, re, im, p, q] = leaves.each_ref().map(Tensor::shallow_clone);
                let d = Rotation { re, im };
                let a = match r {
                    0 => Transition::Diagonal(d),
                    _ => Transition::LowRank(LowRank { d, p, q }),
                };
                let states = by(&a, &x);
                (&states * &weight).sum(Kind::Double).backward();
                let used = if r == 0 { 3 } else { 5 };
                let gradients = leaves.iter().take(used).map(Tensor::grad);
                std::iter::once(states.detach()).chain(gradients).collect::<Vec<_>>()
            };
            let found = outcome(&|a, x| krylov(a, x, len, Kind::Double));
            let expected = outcome(&|a, x| Squares::new(a).krylov(&x.unsqueeze(-1), len));
            for (found, expected) in found.iter().zip(&expected) {
                if len == 1 && !expected.defined() {
                    continue;
                }
                let scale = expected.abs().max().double_value(&[]).max(1e-300);
                let error = (found - expected).abs().max().double_value(&[]) / scale;
                assert!(error < 1e-11, "K {k} H {h} N {n} R {r} T {len}: {error:e}");
            }
        }
    }
}

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
use crate::native::vector::{self, Loop};

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
        parallel::for_ranges(h, |range| {
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
            [&self.re, &self.im, &self.p, &self.q].map(|table| table.zeros_like());
        let [re, im, p, q] = [&self.re, &self.im, &self.p, &self.q].map(Numbers::<f64>::of);
        let [x, g] = [states, of_states].map(Numbers::<T>::of);
        let to_x = Numbers::<f64>::of(&of_x);
        let [to_re, to_im, to_p, to_q] = [&of_re, &of_im, &of_p, &of_q].map(Numbers::<f64>::of);
        parallel::for_ranges(h, |range| {
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
                let negative: Vec<f64> = a.im.iter().map(|x| -x).collect();
                let mut sums = sums;
                for k in 0..batch {
                    let at = k * h + channel;
                    let (states, gradients, of_x) = unsafe {
                        let (start, count) = (at * t * n, t * n);
                        (x.read(start, count), g.read(start, count), to_x.write(at * n, n))
                    };
                    let conjugate = &negative;
                    let sums = &mut sums;
                    vector::run(Backward { a, conjugate, states, gradients, of_x, sums });
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
        let (mut x, mut next) = (x.to_vec(), vec![0.0; n]);
        for place in states.chunks_exact_mut(n) {
            for (place, &x) in place.iter_mut().zip(&x) {
                *place = T::from_f64(x);
            }
            next.fill(0.0);
            vector::add_rotated::<FMA>(re, im, &x, &mut next);
            for (p, q) in p.chunks_exact(n).zip(q.chunks_exact(n)) {
                vector::add_multiple::<FMA>(-vector::dot::<FMA>(q, &x), p, &mut next);
            }
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

/// The gradient λ of each state from that of the next, λ_t = g_t + Āᵀ λ_{t+1}, and of Ā from both.
struct Backward<'a, 'b, T> {
    a: Channel<'a>,
    /// -Im D.
    conjugate: &'a [f64],
    states: &'a [T],
    gradients: &'a [T],
    of_x: &'a mut [f64],
    sums: &'a mut Sums<'b>,
}

impl<T: Element> Loop for Backward<'_, '_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a: Channel { re, p, q, n, .. }, conjugate, states, gradients, of_x, sums } =
            self;
        let half = n / 2;
        let exact = |from: &[T], to: &mut [f64]| {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from.to_f64();
            }
        };
        let lambda = of_x;
        let (mut before, mut x) = (vec![0.0; n], vec![0.0; n]);
        let steps = states.len() / n;
        exact(&gradients[(steps - 1) * n..], lambda);
        for t in (1..steps).rev() {
            exact(&states[(t - 1) * n..t * n], &mut x);
            let ((x_re, x_im), (l_re, l_im)) = (x.split_at(half), lambda.split_at(half));
            for i in 0..half {
                sums.re[i] += l_re[i] * x_re[i] + l_im[i] * x_im[i];
                sums.im[i] += l_im[i] * x_re[i] - l_re[i] * x_im[i];
            }
            exact(&gradients[(t - 1) * n..t * n], &mut before);
            vector::add_rotated::<FMA>(re, conjugate, lambda, &mut before);
            let columns = p.chunks_exact(n).zip(q.chunks_exact(n));
            let sums = sums.p.chunks_exact_mut(n).zip(sums.q.chunks_exact_mut(n));
            for ((p, q), (of_p, of_q)) in columns.zip(sums) {
                let (by_p, by_q) = (vector::dot::<FMA>(p, lambda), vector::dot::<FMA>(q, &x));
                vector::add_multiple::<FMA>(-by_q, lambda, of_p);
                vector::add_multiple::<FMA>(-by_p, &x, of_q);
                vector::add_multiple::<FMA>(-by_p, q, &mut before);
            }
            lambda.copy_from_slice(&before);
        }
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

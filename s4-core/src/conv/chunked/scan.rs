//! The recurrence of the states from chunk to chunk, s ← A s + v, in float64: over thousands of
//! chunks a rounding error of A would be multiplied by their number.

use tch::{Device, Kind, Tensor};

use crate::native::numbers::{Element, Numbers};
use crate::native::parallel;
use crate::native::vector::{self, Loop};
use crate::ssm::transition::{Rotation, Transition};

/// From the first chunk to the last, or from the last to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// First to last.
    Ascending,
    /// Last to first.
    Descending,
}

impl Order {
    /// The other one.
    pub fn reversed(self) -> Self {
        match self {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        }
    }

    fn positions(self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |i| match self {
            Order::Ascending => i,
            Order::Descending => count - 1 - i,
        })
    }
}

/// Puts the state in front of each chunk in the place of its contribution v (H, B, M, N), contiguous,
/// beginning with `state` (H, B, N) in float64; gives the state behind the last one. Without
/// gradients.
pub fn scan(a: &Transition, v: &Tensor, state: Tensor, order: Order) -> Tensor {
    match (v.device(), v.kind()) {
        (Device::Cpu, Kind::Float) => native::<f32>(a, v, state, order),
        (Device::Cpu, Kind::Double) => native::<f64>(a, v, state, order),
        _ => by_tensors(a, v, state, order),
    }
}

/// The same in tensor operations: a few for every chunk.
fn by_tensors(a: &Transition, v: &Tensor, mut state: Tensor, order: Order) -> Tensor {
    for m in order.positions(v.size()[2] as usize) {
        let mut place = v.select(2, m as i64);
        let added = place.to_kind(Kind::Double) + 0.0;
        place.copy_(&state);
        // (H, B, N): a product a channel
        let carried = match a {
            Transition::Diagonal(r) => {
                Rotation { re: r.re.unsqueeze(1), im: r.im.unsqueeze(1) }.apply(&state)
            }
            _ => state.bmm(&a.dense().transpose(1, 2)),
        };
        state = carried + added;
    }
    state
}

/// One channel's A.
#[derive(Clone, Copy)]
enum Matrix<'a> {
    /// Re λ and Im λ.
    Rotation(&'a [f64], &'a [f64]),
    /// The columns of A one behind the other.
    Columns(&'a [f64]),
}

/// [`scan`] on the CPU.
fn native<T: Element>(a: &Transition, v: &Tensor, state: Tensor, order: Order) -> Tensor {
    let (channels, batch, count, n) = v.size4().expect("v has four dimensions");
    let [channels, batch, count, n] = [channels, batch, count, n].map(|size| size as usize);
    let tables = match a {
        Transition::Diagonal(r) => vec![r.re.contiguous(), r.im.contiguous()],
        _ => vec![a.dense().transpose(-1, -2).contiguous()],
    };
    let pointers: Vec<Numbers<f64>> = tables.iter().map(Numbers::of).collect();
    let (values, states) = (Numbers::<T>::of(v), Numbers::<f64>::of(&state));
    parallel::for_ranges(channels, |range| {
        for h in range {
            // SAFETY: nobody writes to the tables; values and states of channel h are this range's.
            let a = match pointers.as_slice() {
                [re, im] => {
                    let (at, half) = (h * n / 2, n / 2);
                    unsafe { Matrix::Rotation(re.read(at, half), im.read(at, half)) }
                }
                [a] => unsafe { Matrix::Columns(a.read(h * n * n, n * n)) },
                _ => unreachable!("one table or two"),
            };
            for sequence in h * batch..(h + 1) * batch {
                let (values, state) = unsafe {
                    (values.write(sequence * count * n, count * n), states.write(sequence * n, n))
                };
                vector::run(States { a, values, state, order });
            }
        }
    });
    state
}

/// One channel of one sequence.
struct States<'a, T> {
    a: Matrix<'a>,
    values: &'a mut [T],
    state: &'a mut [f64],
    order: Order,
}

impl<T: Element> Loop for States<'_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a, values, state, order } = self;
        let n = state.len();
        let mut next = vec![0.0; n];
        for m in order.positions(values.len() / n) {
            let place = &mut values[m * n..(m + 1) * n];
            for ((next, place), state) in next.iter_mut().zip(place).zip(&*state) {
                *next = place.to_f64();
                *place = T::from_f64(*state);
            }
            match a {
                Matrix::Rotation(re, im) => vector::add_rotated::<FMA, _>(re, im, state, &mut next),
                Matrix::Columns(a) => vector::add_product::<FMA, _>(a, state, &mut next),
            }
            state.copy_from_slice(&next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu))
    }

    /// Both forms of A, in all sizes that the blocks of rows distinguish, both ways.
    #[test]
    fn native_states_are_those_of_tensor_operations() {
        for (h, b, m, n) in [(1, 1, 1, 2), (3, 2, 5, 8), (2, 1, 17, 64), (1, 3, 4, 42)] {
            let a = normal(&[h, n, n]) / (2.0 * n as f64).sqrt();
            let rotation =
                Rotation { re: normal(&[h, n / 2]) * 0.5, im: normal(&[h, n / 2]) * 0.5 };
            for a in [Transition::Dense(a), Transition::Diagonal(rotation)] {
                for a in [a.transposed(), a] {
                    for order in [Order::Ascending, Order::Descending] {
                        let (v, s) = (normal(&[h, b, m, n]), normal(&[h, b, n]));
                        let (expected, found) = (v.copy(), v.copy());
                        let after = by_tensors(&a, &expected, s.copy(), order);
                        let native = native::<f64>(&a, &found, s.copy(), order);
                        let close = |x: &Tensor, y: &Tensor| x.allclose(y, 1e-12, 1e-12, false);
                        assert!(close(&found, &expected), "{h} {b} {m} {n} {order:?}");
                        assert!(close(&native, &after), "{h} {b} {m} {n} {order:?}");
                        let single = v.to_kind(Kind::Float);
                        let _ = scan(&a, &single, s.copy(), order);
                        let single = single.to_kind(Kind::Double);
                        assert!(single.allclose(&expected, 1e-5, 1e-5, false));
                    }
                }
            }
        }
    }
}

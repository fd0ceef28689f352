//! The recurrence of the states from chunk to chunk, s ← A s + v.
//!
//! It runs in float64: over thousands of chunks a rounding error of A would be multiplied by their
//! number. Where kernels work on products in TF32 or bfloat16, whose errors are far larger, it runs
//! in float32.

use anyhow::Result;
use cuda::{Kernel, Value};
use tch::{Device, Kind, Tensor};

use crate::conv::plan::Engine;
use crate::gpu::{self, address, address_or_null, int};
use crate::native::numbers::{Element, Numbers};
use crate::native::parallel;
use crate::native::vector::{self, Loop};
use crate::ssm::transition::{Rotation, Transition};
use crate::tf32;

/// Which of the two recurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Of states: direction 0 runs from the first chunk to the last, direction 1 back.
    Forward,
    /// Of their gradients: by Aᵀ, and the other way round.
    Backward,
}

/// Puts the states that enter the chunks in the place of what each chunk adds, v (H, B, M, D·N),
/// contiguous. Direction 0 begins with `state` (H, B, N) in float64, which becomes the state behind
/// its last chunk; `None`: zero. Returns, where there is a `state`, direction 0's that enters the last
/// of its chunks, (H, B, N) in float64. Without gradients.
///
/// # Errors
/// If a kernel cannot be started.
pub fn scan(
    a: &Transition,
    v: &Tensor,
    directions: i64,
    state: Option<&Tensor>,
    pass: Pass,
) -> Result<Option<Tensor>> {
    let v = &v.unflatten(-1, [directions, -1]); // (H, B, M, D, N)
    let before_last = state.map(Tensor::empty_like);
    let carried = state.zip(before_last.as_ref());
    if by_kernel(a, v, carried, pass)? {
        return Ok(before_last);
    }
    let a = &match pass {
        Pass::Forward => a.copy(),
        Pass::Backward => a.transposed(),
    };
    match (v.device(), v.kind()) {
        (Device::Cpu, Kind::Float) => native::<f32>(a, v, carried, pass),
        (Device::Cpu, Kind::Double) => native::<f64>(a, v, carried, pass),
        _ => by_tensors(a, v, carried, pass),
    }
    Ok(before_last)
}

/// The gradient of the form of A, in float64, from that of what the chunks add, g, and the states s:
/// Σ g sᵀ over all chunks and directions. Both (H, B·M, D·N).
pub fn of_transition(a: &Transition, g: &Tensor, s: &Tensor, directions: i64) -> Vec<Tensor> {
    let all = gpu::exact_product(&g.transpose(1, 2), s); // (H, D·N, D·N)
    let n = g.size()[2] / directions;
    let mut sum = all.narrow(1, 0, n).narrow(2, 0, n);
    if directions == 2 {
        sum += all.narrow(1, n, n).narrow(2, n, n);
    }
    let sum = sum.to_kind(Kind::Double);
    let Transition::Diagonal(_) = a else { return vec![sum] };
    let half = n / 2;
    let diagonal = |offset| sum.diagonal(offset, 1, 2);
    let on = diagonal(0);
    vec![on.narrow(1, 0, half) + on.narrow(1, half, half), diagonal(-half) - diagonal(half)]
}

/// A state that goes in and out, and where that in front of the last chunk goes.
type Carried<'a> = Option<(&'a Tensor, &'a Tensor)>;

/// The chunks in the order of a direction.
fn positions(count: usize, direction: usize, pass: Pass) -> impl Iterator<Item = usize> {
    let is_ascending = (direction == 0) == (pass == Pass::Forward);
    (0..count).map(move |i| if is_ascending { i } else { count - 1 - i })
}

/// In tensor operations: a few for every chunk.
fn by_tensors(a: &Transition, v: &Tensor, carried: Carried, pass: Pass) {
    let size = v.size();
    for direction in 0..size[3] as usize {
        let mut state = match carried {
            Some((state, _)) if direction == 0 => state.shallow_clone(),
            _ => Tensor::zeros([size[0], size[1], size[4]], (Kind::Double, v.device())),
        };
        for m in positions(size[2] as usize, direction, pass) {
            let mut place = v.select(3, direction as i64).select(2, m as i64);
            let added = place.to_kind(Kind::Double) + 0.0;
            place.copy_(&state);
            if let (Some((_, before_last)), 0) = (carried, direction) {
                before_last.shallow_clone().copy_(&state);
            }
            // (H, B, N): a product a channel
            let next = match a {
                Transition::Diagonal(r) => {
                    Rotation { re: r.re.unsqueeze(1), im: r.im.unsqueeze(1) }.apply(&state)
                }
                _ => state.bmm(&a.dense().transpose(1, 2)),
            };
            state = next + added;
        }
        if let (Some((end, _)), 0) = (carried, direction) {
            end.shallow_clone().copy_(&state);
        }
    }
}

/// The kernel for states of this size and values of `v`'s kind (`scan.cu`).
pub(crate) fn kernel(dense: bool, states: i64, groups: i64, v: Kind, real: Kind) -> Kernel {
    Kernel {
        name: if dense { "scan_dense" } else { "scan_diagonal" },
        source: include_str!("scan.cu"),
        constants: vec![
            ("N", Value::Number(states)),
            ("GROUPS", Value::Number(groups)),
            ("VALUE", gpu::type_value(v)),
            ("REAL", gpu::type_value(real)),
        ],
    }
}

/// Groups of four sequences in a block of the dense kernel: few where there are few sequences, or where
/// large states leave registers for few threads.
fn groups(states: i64, batch: i64) -> i64 {
    let most = if states > 64 { 2 } else { 4 };
    match batch {
        ..=4 => 1,
        5..=8 => 2,
        _ => most,
    }
}

/// In which kind the kernel carries the states of sequences in `kind`, whose products are exact or
/// not.
fn carry_kind(kind: Kind) -> Kind {
    match kind {
        Kind::BFloat16 => Kind::Float,
        Kind::Float if tf32::is_allowed() => Kind::Float,
        _ => Kind::Double,
    }
}

/// Whether the kernel can carry N = `states` states of sequences in `kind`: a thread keeps N entries of
/// a full A in its registers.
fn has_kernel(on: &Tensor, dense: bool, states: i64, kind: Kind) -> bool {
    let real = carry_kind(kind);
    let most = if real == Kind::Double { 64 } else { 128 };
    let Some(launcher) = gpu::launcher(on) else { return false };
    gpu::type_name(kind).is_some()
        && (!dense || states <= most)
        && launcher.has(&kernel(dense, states, 1, kind, real))
}

/// What convolves sequences in `kind` where `on` is.
pub fn engine(on: &Tensor, dense: bool, states: i64, kind: Kind) -> Engine {
    if has_kernel(on, dense, states, kind) {
        return Engine::Kernels { reduced: carry_kind(kind) == Kind::Float };
    }
    if on.device() == Device::Cpu { Engine::Cpu } else { Engine::Tensors }
}

fn by_kernel(a: &Transition, v: &Tensor, carried: Carried, pass: Pass) -> Result<bool> {
    let [h, b, m, d, n] = v.size()[..] else { anyhow::bail!("v has five dimensions") };
    let dense = !matches!(a, Transition::Diagonal(_));
    if !has_kernel(v, dense, n, v.kind()) {
        return Ok(false);
    }
    let groups = if dense { groups(n, b) } else { 1 };
    let kernel = kernel(dense, n, groups, v.kind(), carry_kind(v.kind()));
    let flip = int((pass == Pass::Backward).into());
    let ends = [
        address(v),
        address_or_null(carried.map(|(state, _)| state)),
        address_or_null(carried.map(|(_, before_last)| before_last)),
    ];
    if let Transition::Diagonal(Rotation { re, im }) = a {
        let (re, im) = (re.contiguous(), im.contiguous());
        let mut arguments = vec![address(&re), address(&im)];
        arguments.extend(ends);
        arguments.extend([int(h), int(b), int(m), int(d), flip]);
        let blocks = (h * b * d * n / 2 + 127) / 128;
        // SAFETY: the kernel's arguments, with the sizes that it is given.
        unsafe {
            gpu::launch(v, &kernel, (blocks, 1, 1), 128, &arguments)?;
        };
    } else {
        let a = a.dense().contiguous();
        let mut arguments = vec![address(&a)];
        arguments.extend(ends);
        arguments.extend([int(b), int(m), int(d), flip]);
        let threads = (n + 31) / 32 * 32 * groups;
        let sequences = 4 * groups;
        // SAFETY: the kernel's arguments, with the sizes that it is given.
        unsafe {
            gpu::launch(v, &kernel, (h, d, (b + sequences - 1) / sequences), threads, &arguments)?;
        };
    }
    Ok(true)
}

/// One channel's A.
#[derive(Clone, Copy)]
enum Matrix<'a> {
    /// Re λ and Im λ.
    Rotation(&'a [f64], &'a [f64]),
    /// The columns of A in sequence.
    Columns(&'a [f64]),
}

/// On the CPU.
fn native<T: Element>(a: &Transition, v: &Tensor, carried: Carried, pass: Pass) {
    let [channels, batch, count, directions, n] =
        <[i64; 5]>::try_from(v.size()).expect("five dimensions").map(|size| size as usize);
    let tables = match a {
        Transition::Diagonal(r) => vec![r.re.contiguous(), r.im.contiguous()],
        _ => vec![a.dense().transpose(-1, -2).contiguous()],
    };
    let pointers: Vec<Numbers<f64>> = tables.iter().map(Numbers::of).collect();
    let values = Numbers::<T>::of(v);
    let carried = carried.map(|pair| [pair.0, pair.1].map(Numbers::<f64>::of));
    parallel::for_ranges("scan", channels, |range| {
        let (mut start, mut before) = (vec![0.0; n], vec![0.0; n]);
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
            let size = count * directions * n;
            for sequence in h * batch..(h + 1) * batch {
                for direction in 0..directions {
                    let values = unsafe { values.write(sequence * size, size) };
                    let (state, before_last) = match &carried {
                        Some([state, before_last]) if direction == 0 => unsafe {
                            (state.write(sequence * n, n), before_last.write(sequence * n, n))
                        },
                        _ => {
                            start.fill(0.0);
                            (&mut start[..], &mut before[..])
                        }
                    };
                    vector::run(States {
                        a,
                        values,
                        state,
                        before_last,
                        directions,
                        direction,
                        pass,
                    });
                }
            }
        }
    });
}

/// One channel of one sequence in one direction.
struct States<'a, T> {
    a: Matrix<'a>,
    values: &'a mut [T],
    state: &'a mut [f64],
    before_last: &'a mut [f64],
    directions: usize,
    direction: usize,
    pass: Pass,
}

impl<T: Element> Loop for States<'_, T> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a, values, state, before_last, directions, direction, pass } = self;
        let n = state.len();
        let row = directions * n;
        let mut next = vec![0.0; n];
        for m in positions(values.len() / row, direction, pass) {
            let at = m * row + direction * n;
            let place = &mut values[at..at + n];
            for ((next, place), state) in next.iter_mut().zip(place).zip(&*state) {
                *next = place.to_f64();
                *place = T::from_f64(*state);
            }
            before_last.copy_from_slice(state);
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
    use cuda::host;

    use super::*;

    fn normal(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu))
    }

    /// Both forms of A, in all sizes that the blocks of rows distinguish, both ways: loops and kernels
    /// against tensor operations.
    #[test]
    fn states_are_those_of_tensor_operations() {
        for (h, b, m, d, n) in [
            (1, 1, 1, 1, 2),
            (3, 2, 5, 2, 8),
            (2, 1, 17, 1, 64),
            (1, 17, 4, 2, 42),
            (1, 1, 3, 2, 6),
        ] {
            let dense = normal(&[h, n, n]) / (2.0 * n as f64).sqrt();
            let rotation =
                Rotation { re: normal(&[h, n / 2]) * 0.5, im: normal(&[h, n / 2]) * 0.5 };
            for a in [Transition::Dense(dense), Transition::Diagonal(rotation)] {
                for (pass, has_state) in [
                    (Pass::Forward, true),
                    (Pass::Forward, false),
                    (Pass::Backward, true),
                    (Pass::Backward, false),
                ] {
                    let (v, start) = (normal(&[h, b, m, d * n]), normal(&[h, b, n]));
                    let run =
                        |kind: Kind, how: &dyn Fn(&Tensor, Option<&Tensor>) -> Option<Tensor>| {
                            let (v, state) = (v.to_kind(kind).copy(), start.copy());
                            let before = how(&v, has_state.then_some(&state));
                            let before = before.unwrap_or_else(|| state.zeros_like());
                            [v.to_kind(Kind::Double), state, before]
                        };
                    let expected = run(Kind::Double, &|v, state| {
                        let a = if pass == Pass::Forward { a.copy() } else { a.transposed() };
                        let before_last = state.map(Tensor::empty_like);
                        let v = v.unflatten(-1, [d, n]);
                        by_tensors(&a, &v, state.zip(before_last.as_ref()), pass);
                        before_last
                    });
                    let by_scan =
                        |v: &Tensor, state: Option<&Tensor>| scan(&a, v, d, state, pass).unwrap();
                    let by_kernel = |v: &Tensor, state: Option<&Tensor>| {
                        host::with_kernels(|| by_scan(v, state))
                    };
                    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5)] {
                        for (name, found) in
                            [("loops", run(kind, &by_scan)), ("kernel", run(kind, &by_kernel))]
                        {
                            for (found, expected) in found.iter().zip(&expected) {
                                assert!(
                                    found.allclose(expected, tolerance, tolerance, false),
                                    "{name} {h} {b} {m} {d} {n} {pass:?} {kind:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

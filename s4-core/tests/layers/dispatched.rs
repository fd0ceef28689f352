//! The count of dispatched operations.

use s4_core::dispatched::{Dispatched, count};
use tch::{Device, Kind, Tensor};

fn counted<T>(work: impl FnOnce() -> T) -> Vec<(String, u64)> {
    let (_, dispatched): (T, Dispatched) = count(work).unwrap();
    let mut all: Vec<_> =
        dispatched.by_frequency().iter().map(|&(name, n)| (name.to_owned(), n)).collect();
    all.sort();
    all
}

fn expect(actual: &[(String, u64)], expected: &[(&str, u64)]) {
    let actual: Vec<_> = actual.iter().map(|(name, n)| (&**name, *n)).collect();
    assert_eq!(actual, expected);
}

fn ones(shape: &[i64]) -> Tensor {
    Tensor::ones(shape, (Kind::Double, parity::device()))
}

#[test]
fn views_and_allocations_are_free() {
    let x = ones(&[4, 6]);
    let seen = counted(|| {
        let y = x
            .view([2, 2, 6])
            .permute([2, 0, 1])
            .narrow(0, 1, 3)
            .unsqueeze(0)
            .expand([5, -1, -1, -1], false);
        let _ = x.reshape([3, 8]).select(0, 1).squeeze().detach().contiguous();
        let _ = Tensor::empty([3], (Kind::Float, x.device()));
        let _ = (x.unbind(0), x.split(2, 1), x.chunk(2, 0), x.flatten(0, 1));
        y.transpose(0, 1)
    });
    expect(&seen, &[]);
}

#[test]
fn what_a_view_has_to_copy_counts_as_a_copy() {
    let x = ones(&[4, 6]);
    expect(&counted(|| x.transpose(0, 1).reshape([24])), &[("aten::copy_", 1)]);
    expect(&counted(|| x.to_kind(Kind::Float)), &[("aten::copy_", 1)]);
}

#[test]
fn operations_made_of_others_count_as_those() {
    let (a, b) = (ones(&[2, 3, 4]), ones(&[2, 4, 5]));
    expect(&counted(|| a.matmul(&b)), &[("aten::bmm", 1)]);
    expect(&counted(|| (&a + &a) * 2.0), &[("aten::add", 1), ("aten::mul", 1)]);
}

#[test]
fn a_backward_pass_counts_too() {
    let x = ones(&[3]).set_requires_grad(true);
    let seen = counted(|| (&x * &x).sum(Kind::Double).backward());
    // x·x, its two gradients and their sum; the sum of all, and the gradient that it begins with.
    let muls = seen.iter().find(|(name, _)| name == "aten::mul").map(|(_, n)| *n);
    assert_eq!(muls, Some(3), "{seen:?}");
    assert!(seen.iter().any(|(name, _)| name == "aten::add" || name == "aten::add_"), "{seen:?}");
}

#[test]
fn other_threads_and_later_work_are_not_counted() {
    let x = ones(&[3]);
    let seen = counted(|| {
        std::thread::scope(|scope| scope.spawn(|| drop(ones(&[3]) * 3.0)).join().unwrap());
        x.sin()
    });
    expect(&seen, &[("aten::sin", 1)]);
    let _ = x.cos();
    expect(&counted(|| x.exp()), &[("aten::exp", 1)]);
}

#[test]
fn a_panic_ends_the_count() {
    let panicked = std::panic::catch_unwind(|| count(|| panic!("on purpose")));
    assert!(panicked.is_err());
    let x = Tensor::ones([3], (Kind::Double, Device::Cpu));
    expect(&counted(|| x.exp()), &[("aten::exp", 1)]);
}

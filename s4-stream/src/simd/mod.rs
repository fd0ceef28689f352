//! Sixteen float32 numbers at a time, with the widest instructions that the processor has.
//!
//! A [`Kernel`] is written once against [`Simd`]; [`Isa::run`] compiles it for each instruction set
//! and picks one at run time. This module and those below it are the only ones with `unsafe`: an
//! instruction set's token ([`avx2::Avx2`], …) exists only where the processor has the
//! instructions, so whoever holds one may use them. An [`Arena`] hands out memory that nobody writes
//! to any more.

mod arena;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod packed;
mod portable;

pub(crate) use arena::{Arena, Table};
pub(crate) use packed::{IntLanes, Packed};
use portable::Portable;

/// Numbers in a [`Lanes`].
pub(crate) const WIDTH: usize = 16;

/// What all data is made of: sixteen channels, aligned to a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub [f32; WIDTH]);

impl Lanes {
    pub const ZERO: Self = Self([0.0; WIDTH]);
}

/// How many [`Lanes`] hold `size` numbers.
pub(crate) fn lanes(size: usize) -> usize {
    size.div_ceil(WIDTH)
}

/// Numbers in order, the last [`Lanes`] filled up with zeros.
pub(crate) fn pack(values: impl IntoIterator<Item = f32>) -> Vec<Lanes> {
    let mut packed = Vec::new();
    for (i, value) in values.into_iter().enumerate() {
        if i % WIDTH == 0 {
            packed.push(Lanes::ZERO);
        }
        packed[i / WIDTH].0[i % WIDTH] = value;
    }
    packed
}

/// The same into `to`, which holds them.
pub(crate) fn pack_into(values: &[f32], to: &mut [Lanes]) {
    for (values, to) in values.chunks(WIDTH).zip(to) {
        *to = Lanes::ZERO;
        to.0[..values.len()].copy_from_slice(values);
    }
}

/// Arithmetic on sixteen numbers.
pub(crate) trait Simd: Copy {
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Lanes) -> Self::V;
    fn load_int(self, from: &IntLanes) -> Self::V;
    fn store(self, x: Self::V, to: &mut Lanes);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a b + c.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c - a b.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller one; b where one is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger one; b where one is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// 2ⁿ for the integer n in the last bits of x's significand, -127 < n < 128.
    fn exp2_of_last_bits(self, x: Self::V) -> Self::V;

    /// The sum of all sixteen.
    #[inline(always)]
    fn sum(self, x: Self::V) -> f32 {
        let mut lanes = Lanes::ZERO;
        self.store(x, &mut lanes);
        let mut sums = lanes.0;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
        }
        sums[0]
    }
}

/// A computation for any instruction set. `run` and all that it calls with a [`Simd`] must be
/// `#[inline(always)]`: what is not inlined is compiled without the instructions.
pub(crate) trait Kernel {
    fn run<S: Simd>(self, simd: S);
}

/// A set of instructions that this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    Portable(Portable),
}

impl Isa {
    /// The widest one.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            return Isa::Avx2(avx2);
        }
        Isa::Portable(Portable)
    }

    /// The widest one, and the one that every processor has.
    #[cfg(test)]
    pub fn both() -> [Self; 2] {
        [Self::detect(), Isa::Portable(Portable)]
    }

    pub fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => avx2.run(kernel),
            Isa::Portable(portable) => kernel.run(portable),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "AVX2",
            Isa::Portable(_) => "portable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of every operation on `a`, `b`, `c`, in order.
    struct Everything<'a> {
        input: [Lanes; 3],
        output: &'a mut Vec<Lanes>,
    }

    impl Kernel for Everything<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let [a, b, c] =
                [s.load(&self.input[0]), s.load(&self.input[1]), s.load(&self.input[2])];
            let results = [
                s.splat(self.input[0].0[3]),
                s.add(a, b),
                s.sub(a, b),
                s.mul(a, b),
                s.div(a, b),
                s.mul_add(a, b, c),
                s.neg_mul_add(a, b, c),
                s.min(a, b),
                s.max(a, b),
                s.exp2_of_last_bits(s.add(c, s.splat(1.5 * (1 << 23) as f32))),
                s.splat(s.sum(a)),
            ];
            for result in results {
                let mut lanes = Lanes::ZERO;
                s.store(result, &mut lanes);
                self.output.push(lanes);
            }
        }
    }

    #[test]
    fn instruction_sets_agree_with_the_portable_one() {
        let wave = |step: f32| Lanes(std::array::from_fn(|i| (i as f32 * step).sin() * 3.0));
        let mut input =
            [wave(1.0), wave(2.3), Lanes(std::array::from_fn(|i| i as f32 * 9.0 - 70.0))];
        input[0].0[5] = f32::NAN;
        input[1].0[6] = f32::NAN;
        let results = |isa: Isa| {
            let mut output = Vec::new();
            isa.run(Everything { input, output: &mut output });
            output
        };
        let [found, expected] = Isa::both().map(results);
        assert_eq!(expected[9].0[..3], [-70i32, -61, -52].map(|n| 2f32.powi(n)));
        for (operation, (found, expected)) in found.iter().zip(&expected).enumerate() {
            for (f, e) in found.0.iter().zip(&expected.0) {
                let same = (f.is_nan() && e.is_nan()) || (f - e).abs() <= 1e-6 * e.abs().max(1.0);
                assert!(same, "operation {operation}: {f} instead of {e}");
            }
        }
    }

    #[test]
    fn packing_fills_up_with_zeros() {
        let packed = pack((0..20).map(|i| i as f32));
        assert_eq!((packed.len(), lanes(20), lanes(16), lanes(0)), (2, 2, 1, 0));
        assert_eq!(packed[1].0[..6], [16.0, 17.0, 18.0, 19.0, 0.0, 0.0]);
        let mut again = [Lanes([7.0; WIDTH]); 2];
        let values: Vec<f32> = (0..20).map(|i| i as f32).collect();
        pack_into(&values, &mut again);
        assert_eq!(again[..], packed);
    }
}

//! What a network is made of. Vectors of H channels lie sequence by sequence, each filled up with
//! zeros to whole [`Lanes`].

pub(crate) mod activation;
pub(crate) mod block;
pub(crate) mod gru;
pub(crate) mod linear;
pub(crate) mod norm;
mod recurrence;

use crate::simd::{Isa, Kernel, Lanes, Simd};

/// x += y.
pub(crate) fn add(isa: Isa, x: &mut [Lanes], y: &[Lanes]) {
    isa.run(Add { x, y });
}

struct Add<'a> {
    x: &'a mut [Lanes],
    y: &'a [Lanes],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.iter_mut().zip(self.y) {
            let sum = s.add(s.load(x), s.load(y));
            s.store(sum, x);
        }
    }
}
